"""`driftloop predict`: the model in production, or another one, at work on somebody's images."""

from __future__ import annotations

import csv
import itertools
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop.errors import DataError
from driftloop.printable import cell

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from driftloop.checker.fitted import FittedDetector
    from driftloop.data.read_images import NamedImages
    from driftloop.models.classifier import Classifier
    from driftloop.models.features import Features


@click.command()
@click.argument("images", nargs=-1, metavar="[MODEL] [IMAGES]...", type=click.Path(path_type=Path))
@click.option("--jsonl", is_flag=True, help="Print one JSON object a line instead of CSV.")
@click.option("--drift", is_flag=True, help="Also print drift scores; takes several times as long.")
def predict(images: tuple[Path, ...], jsonl: bool, drift: bool) -> None:
    """Classify IMAGES with the model in production, or with the model folder MODEL, such as models/w05.

    IMAGES are pictures, folders of pictures, or .npy arrays. Without any, one picture or array is read from
    standard input. Prints for each its name, class, confidence, and which of the model's filters acted on it,
    numbered as they were added. In CSV, a text that a spreadsheet would run begins with an apostrophe, and
    control characters are written out. --jsonl has every text as it is.
    """
    from driftloop.commands.classify import open_model, own_form
    from driftloop.commands.console import say, tell_json
    from driftloop.data.read_images import read_images
    from driftloop.tracker.production import production_folder
    from driftloop.tracker.provenance import vouched

    named_model = bool(images) and (images[0] / "model.json").exists()
    with vouched():
        folder, images = (images[0], images[1:]) if named_model else (production_folder(), images)
        classifier, detector = open_model(folder), _detector(folder) if drift else None
    with _given(images) as paths:
        named = read_images(paths, own_form(classifier.input_shape))
    if not images:
        named = replace(named, names=tuple(Path(name).name for name in named.names))
    for note in (*named.notes, *named.left_out):
        say(note)
    rows = predicted_rows(classifier, named, detector)
    if jsonl:
        for row in rows:
            tell_json(row, indent=None)
    else:
        columns = ["name", "class", "confidence", *(["drift_score"] if drift else []), "filters"]
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **_cells(row)} for row in rows)
    if left := len(named.left_out):
        raise DataError(
            f"{left:,} of {left + len(named.names):,} were left out, see above; all others are classified."
        )


def _detector(folder: Path) -> FittedDetector:
    from driftloop.checker.store import load_detector  # with scipy, a third of a second

    return load_detector(folder)


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Return a row's texts as cells."""
    safe = {column: cell(row[column]) for column in ("name", "class")}
    return {**safe, "filters": " ".join(map(str, row["filters"]))}


@contextmanager
def _given(images: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """Yield the paths that were named, or that of a file with what came through standard input."""
    if images:
        yield images
        return
    if sys.stdin.isatty():
        raise click.UsageError("Name IMAGES, or send one picture or .npy array to standard input.")
    content = sys.stdin.buffer.read()
    if not content:
        raise click.UsageError(
            "Nothing came through standard input. Send one picture or .npy array, or name IMAGES."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("stdin.npy" if content.startswith(b"\x93NUMPY") else "stdin")
        path.write_bytes(content)
        try:
            yield (path,)
        except DataError as error:
            raise DataError(str(error).replace(str(path), "standard input")) from error


def predicted_rows(
    classifier: Classifier, named: NamedImages, detector: FittedDetector | None = None
) -> Iterator[dict[str, Any]]:
    """Yield what is to be told of each image, a batch at a time. With a detector, its drift score too."""
    import torch

    from driftloop.commands.console import progress
    from driftloop.models.features import Features
    from driftloop.models.predict import batch_size, fill_batch

    total = len(named.images)
    batch = batch_size(classifier, total)
    with progress("predicting") as advance:
        for start in range(0, total, batch):
            images = named.images[start : start + batch]
            with torch.inference_mode():
                seen = classifier.trace(fill_batch(classifier, images, batch))
            embeddings, logits, acted = (part[: len(images)].cpu().numpy() for part in seen)
            probabilities = torch.from_numpy(logits).softmax(1).numpy()
            drift = drift_scores(detector, Features(images, embeddings, logits)) if detector else None
            best = probabilities.argmax(1)
            for row, place in enumerate(best.tolist()):
                told = {
                    "name": named.names[start + row],
                    "class": classifier.classes[place],
                    "confidence": round(float(probabilities[row, place]), 6),
                }
                if drift is not None:
                    told["drift_score"] = round(float(drift[row]), 4)
                # Numbered as they were trained: the newest is the first that an image meets.
                numbers = range(acted.shape[1], 0, -1)
                yield {**told, "filters": sorted(itertools.compress(numbers, acted[row]))}
            advance(min(start + batch, total), total)


def drift_scores(detector: FittedDetector, features: Features) -> npt.NDArray[np.float64]:
    """Return how far each sample is from the known kind that it fits best, float64 (N,), as in the check."""
    import numpy as np

    from driftloop.checker.conformal import sample_p_values

    scores = np.stack([detector.detector.score(kind.state, features) for kind in detector.kinds])
    fits = [sample_p_values(own, kind.scores) for own, kind in zip(scores, detector.kinds, strict=True)]
    return np.asarray(scores[np.stack(fits).argmax(axis=0), np.arange(len(features))])
