"""How accurate the incumbent is on a window, as it is told: how far that may be off, and what labels add.

The check's interval is right for shifts like the damages that taught it. On images unlike everything known,
such as photographs that became drawings, the estimate was off by far more. So the interval is told the wider,
the more of the window is novel. The check's own report stays as it is: people's answers are bound to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NORMAL = 1.96
_UNLIKE = 0.12
"""Standard deviation of the estimate's error where all of a window is novel, beyond what the check allows
for: chosen on twelve windows that drifted without a name, where its mean absolute error was 0.12."""
_TRUST, _DOUBT = 4.0, 0.2
"""An estimate counts for no more labels than these: where it is far off, labels are to rule soon. And it is
drawn so far towards one half: it may be 1, which no window is for sure. Chosen on 16 drifts of MNIST."""
_RIDGE, _STEPS = 1.0, 30


class Estimate(NamedTuple):
    """A share in [0, 1] with its 95 % limits."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Told:
    """What labels say of a model on a window of N samples.

    Attributes:
        index: int64 (L,), the labelled samples.
        right: (L,), whether the model has each of them right.
        random: (L,), whether each was drawn at random from the window.
        signs: (N, S), what the check says of each sample.
    """

    index: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    random: npt.NDArray[np.bool_]
    signs: Floats


def widened(found: Estimate, novel: Estimate) -> Estimate:
    """Return an estimated accuracy with limits that allow for a shift unlike the damages that taught it.

    Args:
        found: as the check has it.
        novel: the share of samples that no known kind explains.

    >>> [round(end, 2) for end in widened(Estimate(0.45, 0.30, 0.60), Estimate(1.0, 0.9, 1.0))]
    [0.45, 0.17, 0.73]
    >>> widened(Estimate(0.9, 0.8, 1.0), Estimate(0.0, 0.0, 0.0))
    Estimate(estimate=0.9, low=0.8, high=1.0)
    """
    reach = max(found.estimate - found.low, found.high - found.estimate)  # one end may stand at 0 or 1
    reach = math.hypot(reach, _NORMAL * _UNLIKE * novel.high)
    return Estimate(found.estimate, max(0.0, found.estimate - reach), min(1.0, found.estimate + reach))


def with_labels(found: Estimate, told: Told) -> Estimate:
    """Return the accuracy on a window of which some samples have labels.

    What is labelled is known. How often the model has the others right is read off the labels that were drawn
    at random, by a logistic regression on what the check says of each sample (a model-assisted estimate:
    Breidt and Opsomer, Statistical Science 32, 2017). Its intercept keeps the mean right whatever the shift.
    The estimate without labels counts for a few labels more.

    Args:
        found: what is known without labels.
        told: the labels.

    >>> signs, right = np.zeros((200, 1)), np.arange(200) % 4 == 0
    >>> found = Estimate(0.45, 0.12, 0.78)
    >>> with_labels(found, Told(np.arange(48), right[:48], np.arange(48) < 24, signs)).estimate < 0.3
    True
    >>> every = np.arange(200)
    >>> with_labels(found, Told(every, right, every < 24, signs))
    Estimate(estimate=0.25, low=0.25, high=0.25)
    """
    from scipy import special  # slow to import

    n = len(told.signs)
    design = np.column_stack([np.ones(n), *(_normal_scores(each) for each in told.signs.T)])
    rest, known = np.delete(design, told.index, axis=0), int(told.right.sum())
    if not len(rest):
        return Estimate(*[known / n] * 3)
    before = (1 - _DOUBT) * found.estimate + _DOUBT / 2
    weights, spread = _regression(design[told.index[told.random]], told.right[told.random], before)
    right = special.expit(rest @ weights)
    slope = (right * (1 - right)) @ rest
    # What each of the rest comes to is chance as well, beside what is not known of the regression.
    reach = (
        special.stdtrit(told.random.sum(), 0.975)
        * math.sqrt(slope @ spread @ slope + float((right * (1 - right)).sum()))
        / n
    )
    share = (known + float(right.sum())) / n
    left = (known + len(rest)) / n  # all of the rest may be right
    return Estimate(share, max(known / n, share - reach), min(left, share + reach))


def _regression(design: Floats, right: npt.NDArray[np.bool_], before: float) -> tuple[Floats, Floats]:
    """Return the weights (D,) of a logistic regression on (N, D), the first column 1, and their covariance.

    Args:
        design: of the labelled samples.
        right: (N,), whether the model has each one right.
        before: the share that it is thought to have right; it counts for `_TRUST` ordinary samples.
    """
    from scipy import special

    ordinary = np.eye(1, design.shape[1])
    rows, targets = np.concatenate([design, ordinary]), np.append(right, before)
    counts = np.append(np.ones(len(right)), _TRUST)
    ridge = np.diag(np.append(0.0, np.full(design.shape[1] - 1, _RIDGE)))
    weights = np.append(special.logit(before), np.zeros(design.shape[1] - 1))
    for _ in range(_STEPS):
        share = special.expit(rows @ weights)
        spread = np.linalg.inv((rows.T * (counts * share * (1 - share))) @ rows + ridge)
        weights = weights + np.clip(spread @ (rows.T @ (counts * (targets - share)) - ridge @ weights), -1, 1)
    return weights, np.asarray(spread)


def _normal_scores(values: Floats) -> Floats:
    """Return the normal scores of values (N,), which have one scale; equal values are alike.

    >>> _normal_scores(np.array([0.5, 0.9, 0.9, 0.99])).round(2)
    array([-1.15,  0.  ,  0.  ,  1.15])
    """
    from scipy import special

    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count / 2
    return np.asarray(special.ndtri(middle[place] / len(values)))
