"""Two models on the same samples: by how much is one better? Intervals for few samples.

Intervals are Tango's score intervals for a difference between paired proportions (Statistics in Medicine 17,
1998).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

Counts = int | npt.NDArray[np.int64]

_RESOLUTION = 1e-9


def gain_interval(better: int, worse: int, n: int, alpha: float) -> tuple[float, float]:
    """Return Tango's interval of the true gain. Each of its ends is passed with probability alpha.

    >>> low, high = gain_interval(0, 0, 5000, 0.05)
    >>> round(low, 5), round(high, 5)
    (-0.00054, 0.00054)
    """
    if not n:
        return -1.0, 1.0
    z = -float(special.ndtri(alpha))
    return -_upper(worse, better, n, z), _upper(better, worse, n, z)


def loses_less(better: Counts, worse: Counts, n: int, margin: float, alpha: float) -> npt.NDArray[np.bool_]:
    """Return whether the lower end of Tango's interval lies above -margin. Arrays are broadcast.

    >>> loses_less(np.array([0, 3]), np.array([0, 12]), 150, 0.05, 0.02)
    array([ True, False])
    """
    z = -float(special.ndtri(alpha))
    return (np.asarray(worse - better) < n * margin) & (_excess(margin, worse, better, n, z) >= 0)


def _upper(better: int, worse: int, n: int, z: float) -> float:
    """Return the largest gain that is no more than `z` standard errors above the one seen."""

    def excess(gain: float) -> float:
        return float(_excess(gain, better, worse, n, z))

    from scipy import optimize  # slow to import

    above = (better - worse) / n + _RESOLUTION  # without a disagreement, `excess` is 0 also at a gain of 0
    if above >= 1 or excess(1.0) <= 0:
        return 1.0
    if excess(above) >= 0:  # hardly a standard error: alpha is about a half
        return above
    return float(optimize.brentq(excess, above, 1.0))


def _excess(gain: float, better: Counts, worse: Counts, n: int, z: float) -> npt.NDArray[np.float64]:
    """Return by how much a gain is more than `z` standard errors above the one seen."""
    # The likeliest rate of losses if this were the true gain, as the root of a quadratic.
    b = (2 * n - better + worse) * gain - better - worse
    c = -worse * gain * (1 - gain)
    rate = (np.sqrt(np.maximum(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = 2 * rate + gain * (1 - gain)
    return np.asarray(n * gain - (better - worse) - z * np.sqrt(np.maximum(n * variance, 0.0)))
