"""Two classifiers compared on the same samples: labelled ones, or a window with few labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.errors import DriftloopError
from driftloop.findings.evaluation import Comparison, DriftComparison
from driftloop.improver.paired import gain_interval

Correct = npt.NDArray[np.bool_]
"""bool (n,): which samples were answered rightly."""
Classes = npt.NDArray[np.int64]
"""int64 (n,): a class for each sample."""


def compare(incumbent: Correct, candidate: Correct, alpha: float) -> Comparison:
    """Compare two classifiers on labelled samples.

    Args:
        incumbent: which samples it got right, bool (n,).
        candidate: the same.
        alpha: that each end of the interval is wrong.

    Raises:
        DriftloopError: the arrays differ in length.

    >>> compare(np.array([True, False, False]), np.array([True, True, False]), 0.05).gain
    0.3333333333333333
    """
    _check_paired(incumbent, candidate)
    n = len(incumbent)
    better, worse = int((candidate & ~incumbent).sum()), int((incumbent & ~candidate).sum())
    low, high = gain_interval(better, worse, n, alpha)
    return Comparison(
        n=n,
        incumbent_accuracy=float(incumbent.mean()) if n else None,
        candidate_accuracy=float(candidate.mean()) if n else None,
        better=better,
        worse=worse,
        gain=(better - worse) / n if n else 0.0,
        low=low,
        high=high,
    )


def pool(first: Comparison, second: Comparison, alpha: float) -> Comparison:
    """Put comparisons of the same two classifiers on different samples together.

    Args:
        first: on some samples. Accuracies are told of these alone.
        second: on others.
        alpha: that each end of the interval is wrong.

    >>> one, other = (compare(np.array([True, False]), np.array([True, True]), 0.05) for _ in range(2))
    >>> pool(one, other, 0.05).n, pool(one, other, 0.05).gain
    (4, 0.5)
    """
    n, better, worse = (getattr(first, name) + getattr(second, name) for name in ("n", "better", "worse"))
    low, high = gain_interval(better, worse, n, alpha)
    gain = (better - worse) / n if n else 0.0
    return replace(first, n=n, better=better, worse=worse, gain=gain, low=low, high=high)


def compare_on_window(
    incumbent: Classes,
    candidate: Classes,
    index: npt.NDArray[np.int64],
    labels: Classes,
    alpha: float,
    *,
    left: int = 0,
    held_against: int = 0,
) -> DriftComparison:
    """Compare two classifiers on a window from their answers to all of it and the labels of some.

    Labels on which the two disagree must have been drawn at random from such samples, and so the others.

    Args:
        incumbent: its answers, int64 (N,).
        candidate: its answers.
        index: int64 (n,), positions of the labelled samples.
        labels: int64 (n,), their true classes.
        alpha: that each end of the interval is wrong, for labels whose number was fixed beforehand.
        left: how many disagreements the second look can draw from.
        held_against: how many others count as lost in the test.

    Raises:
        DriftloopError: the arrays do not belong together.

    >>> incumbent, candidate = np.array([0, 0, 0, 0]), np.array([0, 0, 1, 1])
    >>> found = compare_on_window(incumbent, candidate, np.array([0, 2]), np.array([0, 1]), 0.05)
    >>> found.incumbent_accuracy, found.candidate_accuracy, found.gain
    (0.5, 1.0, 0.5)
    """
    _check_paired(incumbent, candidate)
    _check_paired(index, labels)
    differs = incumbent != candidate
    telling = differs[index]
    better = int((candidate[index] == labels)[telling].sum())
    worse = int((incumbent[index] == labels)[telling].sum())
    n, told, window = len(index), int(telling.sum()), len(incumbent)
    share = float(differs.mean()) if window else 0.0
    low, high = (share * end for end in gain_interval(better, worse, told, alpha))
    accuracies: tuple[float | None, float | None] = (None, None)
    # Where the two agree, a label says the same of both.
    alike = (incumbent[index] == labels)[~telling]
    if (len(alike) or share == 1) and (told or share == 0):
        common = (1 - share) * float(alike.mean()) if len(alike) else 0.0
        accuracies = common + share * worse / max(told, 1), common + share * better / max(told, 1)
    return DriftComparison(
        n=n,
        incumbent_accuracy=accuracies[0],
        candidate_accuracy=accuracies[1],
        better=better,
        worse=worse,
        gain=share * (better - worse) / max(told, 1),
        low=low,
        high=high,
        window=window,
        disagreements=int(differs.sum()),
        labelled_disagreements=told,
        left=left,
        held_against=held_against,
    )


def _check_paired(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> None:
    if len(first) != len(second):
        raise DriftloopError(
            f"What is compared must belong to the same samples; there are {len(first)} and {len(second)}."
        )
