"""A large window's samples, scored by several jobs: the scattering, and the gathering."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.console import say
from driftloop.commands.step import step
from driftloop.errors import ParameterError

if TYPE_CHECKING:
    from driftloop.checker.scores import Scores


@step(
    "score-part",
    reads=("stream.{window}.parent",),
    home="results/{window}/parts",
    temporary=True,
    options=[click.Argument(["part"], metavar="I-of-N")],
)
def score_part(params: dict[str, Any], window: str, part: str) -> None:
    """Score the samples of one of N parts of a large window, for check-window --parts N."""
    from driftloop.checker.detector import rows
    from driftloop.checker.scores import part_rows, score_samples
    from driftloop.checker.store import load_detector, save_scores
    from driftloop.data.predictions import load_predictions

    parent = params["stream"][window]["parent"]
    features = load_predictions(layout.predictions(window), layout.window(window))
    mine = part_rows(len(features), *_place(part))
    scores = score_samples(load_detector(layout.model(parent)), rows(features, mine))
    save_scores(layout.part(window, part), scores, source=_source(window, parent))
    say(f"{window}: part {part} scored, {mine.stop - mine.start:,} of {len(features):,} samples.")


def gather_parts(window: str, parent: str, parts: int) -> Scores:
    """Return a window's scores from what its N jobs of score-part left.

    Raises:
        DataError: a part is missing, or was made from other predictions or another detector.
    """
    from driftloop.checker.scores import join_scores
    from driftloop.checker.store import load_scores

    source = _source(window, parent)
    files = (layout.part(window, f"{place}-of-{parts}") for place in range(1, parts + 1))
    return join_scores([load_scores(file, source=source) for file in files])


def _place(part: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)-of-(\d+)", part)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ParameterError(f"the part is {part!r}; it is written as 2-of-4.")
    return int(match[1]), int(match[2])


def _source(window: str, parent: str) -> str:
    """Return the digest of what scores are made from: predictions and detector."""
    from driftloop.checker.store import detector_digest
    from driftloop.files import digest_json, read_json

    predictions = read_json(layout.predictions(window) / "predictions.json")
    return digest_json([predictions, detector_digest(layout.model(parent))])
