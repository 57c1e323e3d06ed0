"""Have the images' properties moved? Ordinary images, all a little brighter than usual, are strange together.

No single one of them is novel: each could have come before. So each property of the images
(`driftloop.checker.appearance.PROPERTIES`) is ranked among the calibration, sample with calibration of the
same class (van Elteren, 1960), in both directions. A move of the whole window shows best in the sum of the
ranks. A move of a tenth of it shows best in the sum of their logarithms (Savage, 1956). Sums add up over
windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from driftloop.checker.appearance import PROPERTIES
from driftloop.findings.drift import Move

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ranks:
    """Where samples' properties stand in the calibration, summed by stratum. Several windows' sums add up.

    Attributes:
        kind: int64 (S,), which known kind the stratum's calibration is of, from 0 without gaps.
        calibration: int64 (S,), how many calibration samples m it has.
        counts: int64 (S,), how many samples n.
        sums: float64 (S, 2, 2, D), of the samples' `rank_scores`.
        correlation: float64 (4 D, 4 D), of the scores within classes.
    """

    kind: Counts
    calibration: Counts
    counts: Counts
    sums: Floats
    correlation: Floats

    def __add__(self, other: Ranks) -> Ranks:
        """Return the ranks of both together. They have the same strata."""
        return replace(self, counts=self.counts + other.counts, sums=self.sums + other.sums)


def rank_scores(values: npt.NDArray[np.float32], calibration: npt.NDArray[np.float32]) -> Floats:
    """Score how high values (n, D) stand in a calibration (m, D), and how low: (n, 2, 2, D).

    First come the shares of the calibration that lie below the values, and above them. Then, in the same
    directions, the logarithm of the share that does not, changed in sign. Ties are no evidence for any
    direction.
    """
    m = len(calibration)
    below = np.empty((len(values), 2, values.shape[1]))
    for column, known in enumerate(np.sort(calibration, axis=0).T):
        below[:, 0, column] = np.searchsorted(known, values[:, column], "left")
        below[:, 1, column] = m - np.searchsorted(known, values[:, column], "right")
    return np.stack([below / m, -np.log((m - below + 0.5) / (m + 1))], axis=1)


@lru_cache(maxsize=512)
def _moments(m: int) -> Floats:
    """Return mean, variance, third central moment of both scores (3, 2) where m + 1 places are as likely."""
    place = np.arange(m + 1)
    scores = np.stack([place / m, -np.log((place + 0.5) / (m + 1))], axis=1)
    mean = scores.mean(axis=0)
    return np.stack([mean, *(((scores - mean) ** power).mean(axis=0) for power in (2, 3))])


@dataclass(frozen=True)
class PropertyTest:
    """What the test found.

    Attributes:
        p_value: that no property has moved, in [1 / (draws + 1), 1].
        blocks: how many of the latest blocks show it best, 1 or more.
        moves: of each property, in the latest block.
    """

    p_value: float
    blocks: int
    moves: tuple[Move, ...]


def property_test(*blocks: Ranks, draws: int = 9999, seed: int = 0) -> PropertyTest:
    """Test whether a property of the samples has moved away from every known kind.

    The statistic is the largest standardised sum of scores. It is compared with the largest of normal
    numbers, as correlated as the scores and the distances. Sums of ranks have lighter tails. Sums of
    logarithms have heavier ones, and are bent to be normal.

    Where several kinds are known, a property has moved up only where samples have more of it than every kind
    has. Ranks alone count. So a window that mixes known kinds alarms no more often than alpha. Logarithms
    could not promise that: to each kind the other one's samples may lie far out.

    Args:
        blocks: windows, or several windows as one, in order of time; of the same strata, with a sample at
            least. Several are looked back upon at every distance at once.
        draws: of the normal numbers.
        seed: of the draws.
    """
    looks = list(accumulate(reversed(blocks)))
    scores = np.stack([_beyond_all(_standardise(look)) for look in looks])
    standard, null = scores.max(axis=(1, 2, 3)), _null(looks, scores[0].size, draws, seed)
    reached = int(np.count_nonzero(null >= standard.max()))
    return PropertyTest((1 + reached) / (draws + 1), 1 + int(standard.argmax()), _moves(blocks[-1]))


def _null(looks: Sequence[Ranks], scores: int, draws: int, seed: int) -> Floats:
    """Return draws of the largest of normal numbers, one for each look and each of so many first scores."""
    clean = looks[0].kind == 0
    m, n = looks[0].calibration[clean], np.stack([look.counts[clean] for look in looks])
    covariance = _covariance(np.minimum(n[:, None], n), np.maximum(n[:, None], n), m)
    scale = np.sqrt(np.diag(covariance))
    between_looks = covariance / np.outer(scale, scale)
    between_scores = looks[0].correlation[:scores, :scores]  # ranks come first, then logarithms
    numbers = np.random.default_rng(seed).standard_normal((draws, len(looks), scores))
    return np.asarray((_root(between_looks) @ numbers @ _root(between_scores).T).max(axis=(1, 2)))


def _root(correlation: Floats) -> Floats:
    """Return its Cholesky factor. Those that never change, or always together, are no obstacle."""
    return np.asarray(np.linalg.cholesky(correlation + 1e-9 * np.eye(len(correlation))))


def _covariance(near: Counts, far: Counts, m: Counts, variance: Floats | float = 1.0) -> Floats:
    """Return the covariance of sums of scores over samples, `near` of which are among `far`, in each stratum.

    `variance` is one score's. The calibration's chance, which samples share, gives any two of them the
    covariance variance / (m + 2): Polya's urn, see `driftloop.checker.rank_test`.
    """
    return np.asarray((near * (far + m + 1) / (m + 2) * variance).sum(axis=-1))


def correlate(values: npt.NDArray[np.float32], groups: Sequence[npt.NDArray[np.bool_]]) -> Floats:
    """Return the correlation (4 D, 4 D) of rank scores within groups. None where a property never changes.

    Args:
        values: (m, D).
        groups: masks (m,) of those that are ranked together.
    """
    parts = [rank_scores(values[mine], values[mine]).reshape(mine.sum(), -1) for mine in groups]
    centred = np.concatenate([part - part.mean(axis=0) for part in parts])
    spread = np.sqrt((centred**2).sum(axis=0))
    standard = centred / np.where(spread > 0, spread, np.inf)
    return np.asarray(standard.T @ standard + np.diag((spread == 0).astype(float)))


def _standardise(ranks: Ranks) -> Floats:
    """Return each kind's standardised sums of scores (K, 2, 2, D)."""
    moments = np.stack([_moments(m) for m in ranks.calibration.tolist()])
    found = []
    for kind in range(1 + ranks.kind.max()):
        mine = ranks.kind == kind
        n, m = ranks.counts[mine], ranks.calibration[mine]
        mean, spread, third = n @ moments[mine, 0], *_spread_and_third(n, m, moments[mine])
        standard = (ranks.sums[mine].sum(axis=0) - mean[:, None, None]) / spread[:, None, None]
        found.append(np.stack([standard[0], _unbend(standard[1], third[1] / spread[1] ** 3)]))
    return np.stack(found)


def _spread_and_third(n: Counts, m: Counts, moments: Floats) -> tuple[Floats, Floats]:
    """Return standard deviations (2,) and third central moments (2,) of sums of scores, by Polya's urn."""
    third = n * (n + m + 1) * (2 * n + m + 1) / ((m + 2) * (m + 3))
    return np.sqrt(_covariance(n, n, m, moments[:, 1].T)), np.asarray(third @ moments[:, 2])


def _unbend(standard: Floats, skewness: float) -> Floats:
    """Return normal numbers for standardised ones of a gamma law so skewed (Wilson and Hilferty, 1931)."""
    root = 2 / skewness
    return np.asarray(3 * root * (np.cbrt(1 + standard / root) - 1 + 1 / (9 * root**2)), dtype=np.float64)


def _beyond_all(standard: Floats) -> Floats:
    """Return how far properties lie beyond every kind (1 or 2, 2, D); of several kinds by ranks alone."""
    return np.asarray(standard[0] if len(standard) == 1 else standard[:, :1].min(axis=0))


def _moves(ranks: Ranks) -> tuple[Move, ...]:
    """Return each property's move away from the known kind that it is nearest to."""
    scores = _standardise(ranks)
    standard, one_kind = scores[:, 0], len(scores) == 1
    ways = standard.min(axis=0).argmax(axis=0)
    found = []
    for place, (name, way) in enumerate(zip(PROPERTIES, ways, strict=True)):
        kind = standard[:, way, place].argmin()
        more, less = scores[0, 1, :, place]
        mine = ranks.kind == kind
        below, above = ranks.sums[mine, 0, :, place].sum(axis=0) / ranks.counts[mine].sum()
        # Both sums lie far below usual where a property never changes: nothing has moved then.
        far = max(float(more), float(less), 0.0) if one_kind else 0.0
        few = far if more >= less or not far else -far
        found.append(Move(name, float(below - above), float(standard[kind, way, place]), few))
    return tuple(found)
