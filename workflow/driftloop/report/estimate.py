"""How accurate the incumbent is on a window, as it is told: how far that may be off, and what labels add.

The check's interval is right for shifts like the damages that taught it. On images unlike everything known,
such as photographs that became drawings, the estimate was off by far more. So the interval is told the wider,
the more of the window is novel. What the check wrote stays as it is: people's answers are bound to it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_NORMAL = 1.96
_UNLIKE = 0.12
"""Standard deviation of the estimate's error where all of a window is novel, beyond what the check allows
for: chosen on twelve windows that drifted without a name, where its mean absolute error was 0.12."""
_EDGE = 0.005
_TRUST = 4.0
"""An estimate counts for no more labels than these: where it is far off, labels are to rule soon."""


class Estimate(NamedTuple):
    """A share in [0, 1] with its 95 % limits."""

    estimate: float
    low: float
    high: float


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


def with_labels(found: Estimate, right: int, labelled: int, n: int) -> Estimate:
    """Return the accuracy on a window of which samples drawn at random have labels.

    The estimate is taken for a beta law of the accuracy, to which the labels are added; what is labelled is
    known. So the labels rule where the estimate is unsure, and the limits hold whatever the shift once they
    are many.

    Args:
        found: what is known without labels.
        right: how many of the labelled samples the incumbent has right.
        labelled: how many samples were drawn at random and have a class.
        n: samples in the window.

    >>> with_labels(Estimate(0.45, 0.12, 0.78), 12, 48, 200).estimate < 0.3
    True
    >>> with_labels(Estimate(0.5, 0.2, 0.8), 150, 200, 200)
    Estimate(estimate=0.75, low=0.75, high=0.75)
    """
    from scipy.special import betaincinv  # slow to import

    mean, rest = min(max(found.estimate, _EDGE), 1 - _EDGE), n - labelled
    if not rest:
        return Estimate(*[right / n] * 3)
    spread = max(found.high - found.estimate, found.estimate - found.low, _EDGE) / _NORMAL
    weight = min(_TRUST, max(1.0, mean * (1 - mean) / spread**2 - 1))
    share = (mean * weight + right) / (weight + labelled)
    # What the rest comes to is chance as well, beside what is not known of its law.
    sure = 1 / (1 / (weight + labelled) + 1 / rest)
    low, high = (float(betaincinv(share * sure, (1 - share) * sure, tail)) for tail in (0.025, 0.975))
    return Estimate(*((right + rest * each) / n for each in (share, low, high)))
