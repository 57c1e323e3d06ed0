"""The gate's second thoughts between two runs: what labels come to that were given since it looked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from driftloop.findings.evaluation import Draw
from driftloop.improver.evidence import said_of
from driftloop.improver.outlook import foresee
from driftloop.improver.tally import answers, count_draws
from driftloop.review.material import Material


@dataclass(frozen=True)
class Look:
    """What the labels come to.

    Attributes:
        samples: to label next, in the order in which they are drawn. None where nothing is open.
        sentence: of each candidate that was open, in plain words.
    """

    samples: tuple[int, ...]
    sentence: str

    @property
    def open(self) -> bool:
        """Whether more labels are asked for."""
        return bool(self.samples)


def look_again(draws: Mapping[str, Draw], labels: Mapping[int, str], reviewed: Material) -> Look:
    """Count the labels given by now for each candidate that the gate left open.

    Args:
        draws: by the candidate's name, as `evaluation.json` keeps them.
        labels: sample to class name, or what stands for none, of the review and since.
        reviewed: what the review showed.
    """
    said = said_of(labels, reviewed.shown, reviewed.classes, len(reviewed.images))
    wanted: list[list[int]] = []
    sentences: list[str] = []
    for name, draw in draws.items():
        index, incumbent, candidate = (
            np.array(each, np.int64) for each in (draw.index, draw.incumbent, draw.candidate)
        )
        tally = count_draws(incumbent, candidate, answers(said, index))
        if tally.shows_gain(draw.level):
            return Look((), f"{name}: its gain on the drift is shown.")
        outlook = foresee(tally, draw.level)
        wanted.append([place for place in index.tolist() if place not in said][: outlook.batch])
        sentences.append(f"{name}: {outlook.sentence}")
    in_turn = (place for turn in zip_longest(*wanted) for place in turn if place is not None)
    return Look(tuple(dict.fromkeys(in_turn)), " ".join(sentences))
