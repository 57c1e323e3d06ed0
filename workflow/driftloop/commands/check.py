"""Each window: draw it where it is simulated, predict it, check it for drift."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.console import say
from driftloop.commands.step import step

if TYPE_CHECKING:
    from driftloop.checker.check import DriftReport
    from driftloop.checker.stream import Stream
    from driftloop.data.twins import Twins
    from driftloop.data.window import Corrupt, WindowSpec


@step(
    "make-window",
    reads=("seed", "corruptions", "archive", "split.population", "stream.{window}"),
    home="data/windows/{window}",
)
def make_window(params: dict[str, Any], window: str) -> None:
    """Draw a simulated window from the production pool, and put its true labels apart."""
    from functools import partial

    import numpy as np

    from driftloop.corruptions import corrupt
    from driftloop.data.answers import save_answers
    from driftloop.data.dataset import Dataset, load_dataset, save_dataset
    from driftloop.data.window import WindowSpec, draw_window

    facts = params["stream"][window]
    spec = WindowSpec(**{key: facts[key] for key in ("n", "corruption", "severity", "share")})
    pool = load_dataset(layout.split("production"))
    how: Corrupt = partial(corrupt, suite=params["corruptions"])
    if params["archive"]:
        twins = _twins(params, spec)
        # All windows draw from the same images, also the clean ones, so that they stay disjoint.
        pool = pool.take(np.flatnonzero(twins.covers(pool.images)))
        how = twins
    drawn = draw_window(
        pool,
        spec,
        before=facts["before"],
        population=params["split"]["population"],
        corrupt=how,
        seed=params["seed"],
    )
    save_answers(layout.answers(window), drawn.answers)
    name = f"{pool.name}-{window}"
    save_dataset(layout.population(window), Dataset(drawn.population, None, name, pool.classes))
    save_dataset(layout.window(window), Dataset(drawn.images, None, name, pool.classes))
    if drawn.answers.wrapped:
        say(f"{window}: the production pool is used up; images of earlier windows come again.")


def _twins(params: dict[str, Any], spec: WindowSpec) -> Twins:
    """Open a published archive at the window's corruption; for a clean window, at any."""
    import numpy as np

    from driftloop.corruptions import SUITES
    from driftloop.corruptions.archives import Part, read_archive
    from driftloop.data.dataset import load_dataset
    from driftloop.data.twins import Twins

    suite, path = params["corruptions"], Path(params["archive"]).expanduser()
    corruption = spec.corruption or next(iter(SUITES[suite]))
    # Both archives keep the published order, which the raw dataset has too: train, then test.
    parts: tuple[Part, ...] = ("train", "test") if suite == "mnist_c" else ("test",)
    images = [read_archive(path, suite, corruption, spec.severity, part)[0] for part in parts]
    corrupted = np.concatenate(images)
    return Twins(load_dataset(layout.RAW).images[-len(corrupted) :], corrupted)


@step("predict-window", reads=("stream.{window}.parent",), home="results/{window}/predictions")
def predict_window(params: dict[str, Any], window: str) -> None:
    """Run the incumbent model over a window: its logits and embeddings.

    Of a simulated window's population it keeps the predicted classes, for the scoring.
    """
    from driftloop.commands.classify import open_model, predicted_classes, see
    from driftloop.data.dataset import content_digest, load_dataset
    from driftloop.data.predictions import save_predictions
    from driftloop.files import write_array
    from driftloop.models.store import model_digest

    incumbent, arrived = layout.model(params["stream"][window]["parent"]), layout.window(window)
    classifier = open_model(incumbent)
    features = see(classifier, load_dataset(arrived).images, f"{window}: predicting")
    population = load_dataset(layout.population(window)).images
    write_array(layout.predictions(window) / "population.npy", predicted_classes(classifier, population))
    save_predictions(
        layout.predictions(window), features, images=content_digest(arrived), model=model_digest(incumbent)
    )


@step(
    "check-window",
    reads=(
        "seed",
        "corruptions",
        "detector.alpha",
        "detector.run_length",
        "review.samples",
        "stream.{window}.parent",
    ),
    home="results/{window}",
    options=[click.Option(["--parts"], type=click.IntRange(1), help="Scored by so many jobs of score-part.")],
)
def check_window(params: dict[str, Any], window: str, parts: int | None = None) -> None:
    """Check a window for drift, score its samples, and pick those worth a person's time."""
    import csv

    from driftloop.checker import check
    from driftloop.checker.store import detector_digest, load_detector
    from driftloop.commands.parts import gather_parts
    from driftloop.data.dataset import load_dataset
    from driftloop.data.predictions import load_predictions
    from driftloop.files import atomic, write_json

    parent = params["stream"][window]["parent"]
    arrived, classes = layout.window(window), load_dataset(layout.window(window)).classes
    detector = detector_digest(layout.model(parent))
    report = check.check_window(
        load_detector(layout.model(parent)),
        load_predictions(layout.predictions(window), arrived),
        alpha=params["detector"]["alpha"],
        picks=params["review"]["samples"],
        seed=params["seed"],
        stream=_carried_from(parent, detector),
        stream_alpha=1 / params["detector"]["run_length"],
        scores=gather_parts(window, parent, parts) if parts else None,
        name=window,
        classes=classes,
    )
    with atomic(layout.results(window) / "samples.csv") as path, path.open("w", newline="") as stream:
        table = report.samples
        writer = csv.writer(stream)
        writer.writerow(["index", "predicted", "confidence", "drift_score", "p_value", "kind"])
        columns = (table.predicted, table.confidence, table.drift_score, table.p_value, table.kind)
        for index, (predicted, *figures, kind) in enumerate(zip(*columns, strict=True)):
            writer.writerow([index, classes[predicted], *(f"{x:.6g}" for x in figures), report.kinds[kind]])
    _write_previews(params, window, report)
    write_json(layout.carried(window), {"detector": detector, "stream": report.carried.to_json()})
    report.write(layout.drift(window))
    say(f"{window}: ", *_found(report), ".")
    if report.copies:
        again = f", one of them {report.frozen:,} times, as a frozen feed sends it" if report.frozen else ""
        say(f"{window}: {report.copies:,} of {report.n:,} images are copies of others{again}.")


def _carried_from(parent: str, detector: str) -> Stream:
    """Return what the parent's check carried on. Nothing from the reference, nor from another detector."""
    from driftloop.checker.stream import NEW, Stream
    from driftloop.errors import DataError
    from driftloop.files import read_json

    if parent == layout.REFERENCE:
        return NEW
    path = layout.carried(parent)
    try:
        carried = read_json(path)
        if carried["detector"] != detector or "blocks" in carried:  # those are an earlier version's
            return NEW
        return Stream.from_json(carried["stream"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is no carried stream ({error!r}). Check {parent} again.") from error


_TELLING = 0.5
"""A share whose limits are further apart is not said: a few samples show none."""


def _found(report: DriftReport) -> tuple[tuple[str, str], str]:
    """Return what a check has come to: the verdict in its style, and what stands behind it."""
    from driftloop.findings.drift import moved

    novel = report.novel_share
    share = f"of {report.n:,} samples, p = {report.p_value:.2g}"
    if novel.high - novel.low <= _TELLING:
        share = f"{novel.estimate:.0%} of {report.n:,} samples novel, p = {report.p_value:.2g}"
    if change := moved(report.moves):
        share = f"{change[0][0]} {change[0][1]} than usual, {share}"
    if (together := report.stream) and together.drifted:
        many = f"the {together.windows} latest windows together, p = {together.p_value:.2g}"
        return ("drifted", "bold red"), f" with {many} ({share})"
    if report.drifted:
        return ("drifted", "bold red"), f" ({share})"
    known = f", known as {report.known_as}" if report.known_as else ""
    return ("not drifted", "green"), f"{known} ({share})"


def _write_previews(params: dict[str, Any], window: str, report: DriftReport) -> None:
    """Prepare what the reviewer of a drifted window will want to see beside its samples."""
    from driftloop.checker.previews import Preview, make_previews
    from driftloop.corruptions import SUITES, corrupt
    from driftloop.data.dataset import load_dataset
    from driftloop.review.previews import save_previews

    previews: list[Preview] = []
    suite = params["corruptions"]
    if report.drifted:
        previews = make_previews(
            load_dataset(layout.window(window)).images[[pick.index for pick in report.picks]],
            [place for place, pick in enumerate(report.picks) if not pick.random],
            load_dataset(layout.split("train")).images,
            tuple(SUITES[suite]),
            lambda images, name: corrupt(images, suite, name),
            undoable=lambda name: not SUITES[suite][name].geometric,
            seed=params["seed"],
        )
    save_previews(layout.results(window) / "previews.safetensors", previews)
