"""The simulated reviewer: answers from the true labels, for benchmarks, demos and CI."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from driftloop.errors import ParameterError
from driftloop.review.decision import UNSURE, Answer

NAME = "simulated reviewer"


def simulate(
    shown: Sequence[int],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    *,
    corruption: str | None,
    geometric: bool,
    error_rate: float = 0.0,
    abstention_rate: float = 0.0,
    rng: np.random.Generator,
) -> Answer:
    """Answer a window as a person with this error rate would who knows what happened.

    A geometric corruption is answered with retrain, since no filter undoes it. Any other with filter.
    None with keep.

    Args:
        shown: indices of the samples to label.
        labels: int64 (N,), the window's true labels.
        classes: class names in the order of the labels.
        corruption: what was done to the window, or None.
        geometric: whether that corruption moves pixels about.
        error_rate: share of the given labels that is wrong, in [0, 1]. Each wrong class is as likely.
        abstention_rate: share of the samples answered with `UNSURE`, in [0, 1].
        rng: where the mistakes come from.

    Raises:
        ParameterError: a rate is out of range, or there is only one class to be wrong among.

    >>> rng = np.random.default_rng(0)
    >>> simulate([0, 2], np.array([1, 1, 0]), "ab", corruption="fog", geometric=False, rng=rng).labels
    {0: 'b', 2: 'a'}
    """
    for name, rate in (("error_rate", error_rate), ("abstention_rate", abstention_rate)):
        if not 0 <= rate <= 1:
            raise ParameterError(f"review.{name} is {rate}; it lies between 0 and 1.")
    if error_rate and len(classes) < 2:
        raise ParameterError(
            "review.error_rate needs at least two classes; with one there is no wrong label."
        )
    given: dict[int, str] = {}
    for index in shown:
        abstains, errs, shift = rng.random() < abstention_rate, rng.random() < error_rate, rng.random()
        label = int(labels[index])
        if errs:
            label = (label + 1 + int(shift * (len(classes) - 1))) % len(classes)
        given[index] = UNSURE if abstains else classes[label]
    decision = "keep" if corruption is None else "retrain" if geometric else "filter"
    return Answer(decision, corruption, "Answered from the true labels.", given)
