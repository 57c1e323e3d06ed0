"""Whether a model's accuracy has fallen, by labels that arrive later: a test that may be read after each one.

A change of what the labels mean leaves the images as they are, so no test of the images can see it.

The null: no sample is predicted wrongly with a higher chance than a clean image. That chance p is not known.
It is estimated from clean held-out images. For each p there are two independent pieces of evidence:

- U(p), the chance of so few errors on the clean images (an exact binomial p-value);
- E(p), the wealth of a gambler who bets on errors among the late labels at odds that are fair at p. The bets
  are those of Waudby-Smith and Ramdas (JRSS B 86, 2024), in a mixture over how far accuracy fell. By Ville's
  inequality 1 / E(p) is a p-value, whenever one looks.

Fisher's rule joins the two: the product c of two independent p-values has the p-value c (1 - log c). The
largest over all p is the result. The smallest result so far is valid at any time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

_FALLS = np.array([0.0, 0.03, 0.06, 0.12, 0.25, 0.5])
"""Falls of accuracy that are bet on, as shares of the accuracy at p. The first is no bet: it keeps wealth."""
_STAKES = np.array([0.05, 0.25, 0.25, 0.2, 0.15, 0.1])
"""Share of the wealth that is bet on each."""
_CHANCES = special.expit(np.linspace(14, -14, 85))
"""Values of U(p) at which p is looked at, from small p to large."""
_BLOCK = 4096
"""Labels that are looked at together, which bounds the memory."""


@dataclass(frozen=True)
class Realised:
    """Accuracy by late labels.

    Attributes:
        n: how many labels there are.
        accuracy: share that the model had right, in [0, 1].
        reference_accuracy: the same of the clean images.
        p_value: (0, 1], valid at any time, of no fall. It is not told below 0.0002.
        alarmed_at: the label, counted from 1, at which the p-value first reached alpha, or None.
    """

    n: int
    accuracy: float
    reference_accuracy: float
    p_value: float
    alarmed_at: int | None


def accuracy_fell(
    wrong: npt.ArrayLike, *, reference_errors: int, reference_n: int, alpha: float = 0.05
) -> Realised:
    """Test whether accuracy on late labels is below that on clean images.

    Args:
        wrong: bool (N,), whether the model had each sample wrong, in the order in which the labels came.
        reference_errors: how many clean held-out images the model had wrong.
        reference_n: how many there were. They must be neither trained on nor among the late labels.
        alpha: chance of an alarm, ever, where accuracy has not fallen, in (0, 1).

    Raises:
        ValueError: there is no label, no clean image, or an argument is out of its range.

    >>> calm = accuracy_fell([False] * 95 + [True] * 5, reference_errors=50, reference_n=1000)
    >>> calm.accuracy, calm.alarmed_at
    (0.95, None)
    >>> accuracy_fell([False, True] * 50, reference_errors=50, reference_n=1000).alarmed_at
    8
    """
    late = np.asarray(wrong, dtype=bool)
    if late.ndim != 1 or not len(late):
        raise ValueError(f"wrong has shape {late.shape}; it has one value for each label, and at least one.")
    if not 0 <= reference_errors <= reference_n or reference_n < 1:
        raise ValueError(f"{reference_errors} errors of {reference_n} clean images cannot be.")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it lies between 0 and 1.")
    p_values = np.minimum.accumulate(_p_values(late, reference_errors, reference_n))
    alarms = np.flatnonzero(p_values <= alpha)
    return Realised(
        n=len(late),
        accuracy=1 - float(late.mean()),
        reference_accuracy=1 - reference_errors / reference_n,
        p_value=float(p_values[-1]),
        alarmed_at=int(alarms[0]) + 1 if len(alarms) else None,
    )


def _p_values(late: npt.NDArray[np.bool_], errors: int, n: int) -> npt.NDArray[np.float64]:
    """Return the p-value after each error (N,), as if one looked only then, and 1 after each other label."""
    if errors == n:  # no accuracy is left that could fall
        return np.ones(len(late))
    # The p at which so few errors have the chance U: the binomial's distribution, turned around.
    rate = special.betaincinv(errors + 1, n - errors, 1 - _CHANCES)
    right = (1 - rate) * (1 - _FALLS[:, None])
    for_error, for_right = np.log(1 - right) - np.log(rate), np.log(right) - np.log1p(-rate)
    counts, wrongs = np.arange(1, len(late) + 1), np.cumsum(late)
    result, at = np.ones(len(late)), np.flatnonzero(late)  # wealth grows at an error alone
    for start in range(0, len(at), _BLOCK):
        part = at[start : start + _BLOCK]
        k, m = wrongs[part, None, None], (counts - wrongs)[part, None, None]
        wealth = special.logsumexp(k * for_error + m * for_right, axis=1, b=_STAKES[:, None])
        # U and E both fall as p grows. Between two p the product is below U at the lower over E at the upper.
        wealth = np.column_stack([wealth, np.full(len(wealth), np.log(_STAKES[0]))])
        product = np.minimum(0.0, (np.log(np.append(1.0, _CHANCES)) - wealth).max(axis=1))
        result[part] = np.exp(product) * (1 - product)
    return result
