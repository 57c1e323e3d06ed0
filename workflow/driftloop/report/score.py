"""Scores against the true labels, for windows whose labels are known: which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from driftloop.findings.score import Confusion, Counts, Score


def confusion(labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int) -> Counts:
    """Count how often each class (row) is taken for each (column).

    Args:
        labels: int64 (N,), the true classes, in [0, classes).
        predicted: int64 (N,), the predicted ones.
        classes: how many there are.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    ((1, 1), (0, 1))
    """
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return tuple(tuple(row) for row in counts.reshape(classes, classes).tolist())


def class_accuracy(counts: Sequence[Sequence[int]]) -> list[float | None]:
    """Return the accuracy on each class from a confusion matrix. None for a class without samples.

    >>> class_accuracy([[3, 1], [0, 0]])
    [0.75, None]
    """
    return [row[place] / sum(row) if sum(row) else None for place, row in enumerate(counts)]


def score(
    labels: npt.NDArray[np.int64],
    incumbent: npt.NDArray[np.int64],
    candidate: npt.NDArray[np.int64] | None,
    *,
    classes: int,
) -> Score:
    """Return how the models do on the whole population.

    Args:
        labels: int64 (N,), the true classes.
        incumbent: int64 (N,), the incumbent's predictions.
        candidate: the candidate's, where there is one.
        classes: how many there are.

    >>> score(np.array([0, 1]), np.array([0, 0]), None, classes=2).incumbent
    0.5
    """
    tried = None if candidate is None else confusion(labels, candidate, classes)
    return Score(
        n=len(labels),
        incumbent=float((incumbent == labels).mean()),
        candidate=None if candidate is None else float((candidate == labels).mean()),
        confusion=Confusion(confusion(labels, incumbent, classes), tried),
    )
