"""Whether the outputs of a model from elsewhere have the names that it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

_LEAST_GAIN = 0.05
_ERRORS = 3.0
"""Standard errors of the difference, by which the other order has to be better."""


@dataclass(frozen=True)
class Order:
    """Another order of the classes.

    Attributes:
        classes: the names, in the order in which the outputs seem to stand for them.
        accuracy: with it, in [0, 1].
    """

    classes: tuple[str, ...]
    accuracy: float


def better_order(
    predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> Order | None:
    """Return the order of the classes with which a model would be right far more often, if there is one.

    An order is fitted to half of the images. It is the assignment of outputs to classes that makes most of
    them right (Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics Quarterly
    1955). It counts if it is far better on the other half. So no bad model is praised for chance.

    Args:
        predicted: int64 (N,), the outputs that are largest.
        labels: int64 (N,), the classes.
        classes: their names, in the order that was taken for that of the outputs.
    """
    known = np.arange(len(classes))
    tried, meant = (_assigned(predicted[part::2], labels[part::2], known) for part in (0, 1))
    right = np.concatenate([tried[predicted[1::2]] == labels[1::2], meant[predicted[::2]] == labels[::2]])
    before = np.concatenate([predicted[1::2] == labels[1::2], predicted[::2] == labels[::2]])
    won, lost = int((right & ~before).sum()), int((before & ~right).sum())
    if won - lost < max(_LEAST_GAIN * len(labels), _ERRORS * np.sqrt(won + lost)):
        return None
    order = _assigned(predicted, labels, known)
    return Order(tuple(classes[each] for each in order), float((order[predicted] == labels).mean()))


def _assigned(
    predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], known: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the class of each output, int64 (K,). Where nothing tells, the one that it had."""
    counts = np.zeros((len(known), len(known)))
    np.add.at(counts, (predicted, labels), 1.0)
    counts[known, known] += 0.5
    _, columns = linear_sum_assignment(counts, maximize=True)
    return np.asarray(columns, dtype=np.int64)
