"""`driftloop predict`: a model folder at work on somebody's images."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from driftloop.data.read_images import NamedImages
    from driftloop.models.classifier import Classifier


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@click.option("--jsonl", is_flag=True, help="Print one JSON object a line instead of CSV.")
def predict(model: Path, images: tuple[Path, ...], jsonl: bool) -> None:
    """Classify IMAGES with the model folder MODEL, such as models/w05.

    IMAGES are pictures, folders of pictures, or .npy arrays; without any, one picture or array is read from
    standard input. Prints for each its name, class, confidence, and which of the model's filters acted on it.
    """
    from driftloop.commands.classify import open_model
    from driftloop.commands.console import say
    from driftloop.data.read_images import read_images

    classifier = open_model(model)
    with _given(images) as paths:
        named = read_images(paths, classifier.input_shape)
    if not images:
        named = replace(named, names=tuple(Path(name).name for name in named.names))
    for note in named.notes:
        say(note)
    rows = _rows(classifier, named)
    if jsonl:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    writer = csv.DictWriter(sys.stdout, ["name", "class", "confidence", "filters"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "filters": " ".join(map(str, row["filters"]))} for row in rows)


@contextmanager
def _given(images: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """Yield the paths that were named, or that of a file with what came through standard input."""
    if images:
        yield images
        return
    if sys.stdin.isatty():
        raise click.UsageError("Name IMAGES, or send one picture or .npy array to standard input.")
    content = sys.stdin.buffer.read()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("stdin.npy" if content.startswith(b"\x93NUMPY") else "stdin")
        path.write_bytes(content)
        yield (path,)


def _rows(classifier: Classifier, named: NamedImages) -> Iterator[dict[str, Any]]:
    import numpy as np
    import torch

    from driftloop.commands.classify import see
    from driftloop.models.predict import BATCH

    probabilities = torch.from_numpy(see(classifier, named.images).logits).softmax(dim=1).numpy()
    for start in range(0, len(named.images), BATCH):
        batch = np.array(named.images[start : start + BATCH])
        with torch.inference_mode():
            acted = classifier.filtered(torch.from_numpy(batch).to(classifier.mean.device))[1].cpu().numpy()
        for row, filters in enumerate(acted, start=start):
            best = int(probabilities[row].argmax())
            yield {
                "name": named.names[row],
                "class": classifier.classes[best],
                "confidence": round(float(probabilities[row, best]), 6),
                "filters": (np.flatnonzero(filters) + 1).tolist(),
            }
