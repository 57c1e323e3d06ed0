"""How much clean accuracy a repair may cost, and how many clean images show that it costs no more.

Two classifiers answer some clean images differently, though neither is better: the weaker they are, the more.
That hides a small loss, and the fewer clean images there are, the larger is the loss that stays hidden. A
margin below that refuses every retrained model, whatever it gains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from driftloop.improver.paired import Counts, loses_less

AUTO = "auto"
"""Stands for the smallest margin that the clean images at hand can show."""
_LIKELY = 0.9
"""With that margin, so many of the repairs that lose nothing pass."""
_ENOUGH = 0.8
_WIDE = 0.02
_FINEST = 0.001
_MANY = 400
"""From so many differing answers the law of their difference is taken for normal."""


def differing(accuracy: float) -> float:
    """Return the share of clean images that two equally good classifiers answer differently.

    A curve through what retrained models were seen to do: 3 % at an accuracy of 0.95, 6 % at 0.9 and 11 % at
    0.7.

    >>> round(differing(0.95), 3), round(differing(0.9), 3), round(differing(0.7), 3)
    (0.03, 0.055, 0.11)
    """
    error = 1 - accuracy
    return float(max(0.002, 0.65 * error * accuracy**1.6))


@dataclass(frozen=True)
class CleanSide:
    """What clean images can show of a repair.

    Attributes:
        n: labelled clean images that the repair has not learnt from.
        accuracy: the incumbent's on clean images, in [0, 1].
        margin: how much may be lost, as a fraction.
        alpha: that a larger loss passes.
    """

    n: int
    accuracy: float
    margin: float
    alpha: float

    @property
    def chance(self) -> float:
        """How likely a repair that loses nothing passes."""
        return chance_to_pass(self.n, differing(self.accuracy), self.margin, self.alpha)

    @property
    def needed(self) -> int:
        """How many clean images would let nine of ten such repairs pass, roughly."""
        return images_to_pass(differing(self.accuracy), self.margin, self.alpha)

    @property
    def tight(self) -> bool:
        """Whether a person should know before they label: much may be lost, or few repairs can pass."""
        return self.margin > _WIDE or self.chance < _ENOUGH

    @property
    def sentence(self) -> str:
        """What can be expected, in plain words."""
        text = (
            f"A repair may cost {100 * self.margin:.1f} points of clean accuracy at most. "
            f"On your {self.n:,} clean images, {_of_hundred(self.chance)} repairs that lose nothing "
            "can show that."
        )
        if self.chance >= _ENOUGH:
            return text
        return f"{text} About {self.needed:,} clean images would do, or a wider gate.margin."


def clean_side(n: int, accuracy: float, margin: float | str, alpha: float) -> CleanSide:
    """Return what clean images can show, with a margin as `gate.margin` has it.

    >>> clean_side(350, 0.7, AUTO, 0.02).margin
    0.062
    """
    allowed = suggest_margin(n, accuracy, alpha) if isinstance(margin, str) else margin
    return CleanSide(n, accuracy, allowed, alpha)


def chance_to_pass(n: int, differ: float, margin: float, alpha: float) -> float:
    """Return how likely a repair that loses nothing is shown to lose no more than a margin.

    Args:
        n: labelled clean images.
        differ: the share of them that the two answer differently, in (0, 1).
        margin: as a fraction.
        alpha: that a larger loss passes.

    >>> round(chance_to_pass(150, 0.11, 0.047, 0.02), 2), round(chance_to_pass(350, 0.11, 0.059, 0.02), 2)
    (0.33, 0.87)
    """
    if n * differ > _MANY:
        return float(special.ndtr(margin * np.sqrt(n / differ) + special.ndtri(alpha)))
    most = min(n, int(n * differ + 6 * math.sqrt(n * differ)) + 10)
    differing_ = np.arange(most + 1)
    better = differing_[:, None]
    worse = differing_ - better
    passes = (worse >= 0) & loses_less(better, np.maximum(worse, 0), n, margin, alpha)
    won = np.where(worse >= 0, _binomial(better, differing_, 0.5), 0.0)
    return float((passes * won * _binomial(differing_, n, differ)).sum())


def _binomial(k: Counts, n: Counts, share: float) -> npt.NDArray[np.float64]:
    """Return the probability of k among n. Where k exceeds n it is of no use."""
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(np.maximum(n - k, 0) + 1)
    return np.asarray(np.exp(ways + k * np.log(share) + (n - k) * np.log1p(-share)))


def images_to_pass(differ: float, margin: float, alpha: float) -> int:
    """Return how many clean images let nine of ten repairs pass that lose nothing. Two digits of it.

    >>> images_to_pass(0.11, 0.047, 0.02)
    560
    """
    reach = -special.ndtri(alpha) + special.ndtri(_LIKELY)
    needed = max(differ * (reach / margin) ** 2, 1 / margin)
    digits = 10 ** max(0, math.floor(math.log10(needed)) - 1)
    return int(math.ceil(needed / digits) * digits)


@lru_cache(maxsize=64)
def suggest_margin(n: int, accuracy: float, alpha: float) -> float:
    """Return the smallest margin with which nine of ten repairs pass that lose nothing, in tenths of a point.

    Args:
        n: labelled clean images.
        accuracy: the incumbent's on them, in [0, 1].
        alpha: that a larger loss passes.

    >>> suggest_margin(350, 0.7, 0.02), suggest_margin(350, 0.95, 0.02), suggest_margin(10_000, 0.95, 0.02)
    (0.062, 0.036, 0.006)
    """
    differ = differing(accuracy)
    few, many = 1, round(1 / _FINEST)
    while few < many:
        middle = (few + many) // 2
        enough = chance_to_pass(n, differ, middle * _FINEST, alpha) >= _LIKELY
        few, many = (few, middle) if enough else (middle + 1, many)
    return round(many * _FINEST, 3)


def _of_hundred(chance: float) -> str:
    return "no" if chance < 0.005 else f"{min(99, round(100 * chance))} of 100"
