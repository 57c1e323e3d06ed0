"""Two models on the same samples: is one better, and by how much? Exact test, and intervals for few samples.

Intervals are Tango's score intervals for a difference between paired proportions (Statistics in Medicine 17,
1998).
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

_RESOLUTION = 1e-9


def sign_test(better: int, worse: int) -> float:
    """Return the p-value of the exact one-sided sign test: does the candidate win more than it loses?

    On labelled disagreements this is McNemar's test in its exact form.

    >>> sign_test(5, 0)
    0.03125
    """
    return float(special.bdtrc(better - 1, better + worse, 0.5))


def gain_interval(better: int, worse: int, n: int, alpha: float) -> tuple[float, float]:
    """Return Tango's interval of the true gain; each of its ends is passed with probability alpha.

    >>> low, high = gain_interval(0, 0, 5000, 0.05)
    >>> round(low, 5), round(high, 5)
    (-0.00054, 0.00054)
    """
    if not n:
        return -1.0, 1.0
    z = -float(special.ndtri(alpha))
    return -_upper(worse, better, n, z), _upper(better, worse, n, z)


def _upper(better: int, worse: int, n: int, z: float) -> float:
    """Return the largest gain that is no more than `z` standard errors above the one seen."""

    def excess(gain: float) -> float:
        # The likeliest rate of losses if this were the true gain, as the root of a quadratic.
        b = (2 * n - better + worse) * gain - better - worse
        c = -worse * gain * (1 - gain)
        rate = (np.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = 2 * rate + gain * (1 - gain)
        return float(n * gain - (better - worse) - z * np.sqrt(max(n * variance, 0.0)))

    above = (better - worse) / n + _RESOLUTION  # without a disagreement, `excess` is 0 also at a gain of 0
    if above >= 1 or excess(1.0) <= 0:
        return 1.0
    if excess(above) >= 0:  # hardly a standard error: alpha is about a half
        return above
    return float(optimize.brentq(excess, above, 1.0))
