"""Has a window moved as a whole? Ordinary images, all a little brighter than usual, are strange together.

No single one of them is novel: each could have come before. So each property of the images
(`driftloop.checker.appearance.PROPERTIES`) is compared with the calibration by a rank-sum test, sample with
calibration of the same class (van Elteren, 1960), in both directions. Sums of ranks add up over windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from driftloop.checker.appearance import PROPERTIES

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ranks:
    """Where samples' properties stand in the calibration, summed by stratum; several windows' sums add up.

    Attributes:
        kind: int64 (S,), which known kind the stratum's calibration is of, from 0 without gaps.
        calibration: int64 (S,), how many calibration samples m it has.
        counts: int64 (S,), how many samples n.
        sums: float64 (S, 2, D), of the shares of the calibration that lie below the samples, and above them.
        correlation: float64 (D, D), of the properties' ranks within classes; 0 where one never changes.
    """

    kind: Counts
    calibration: Counts
    counts: Counts
    sums: Floats
    correlation: Floats

    def __add__(self, other: Ranks) -> Ranks:
        """Return the ranks of both together; they have the same strata."""
        return replace(self, counts=self.counts + other.counts, sums=self.sums + other.sums)


def shares(values: npt.NDArray[np.float32], calibration: npt.NDArray[np.float32]) -> Floats:
    """Return the shares of a calibration (m, D) that lie below values (n, D), and above them: (n, 2, D).

    Ties lie on neither side: they are no evidence for any direction.
    """
    found = np.empty((len(values), 2, values.shape[1]))
    for column, known in enumerate(np.sort(calibration, axis=0).T):
        found[:, 0, column] = np.searchsorted(known, values[:, column], "left")
        found[:, 1, column] = len(known) - np.searchsorted(known, values[:, column], "right")
    return found / len(calibration)


@dataclass(frozen=True)
class Move:
    """How a property of a window stands to what is known.

    Attributes:
        name: of the property.
        effect: how much more often a sample of the window has more of it than a calibration sample of its
            class, than less of it; in [-1, 1], 0 where nothing has moved (the rank-biserial correlation).
        standard: the rank-sum statistic behind it, in standard deviations: 2 and less is chance.
    """

    name: str
    effect: float
    standard: float


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

    A property has moved up only where samples have more of it than every known kind has: so a window that
    mixes known kinds alarms no more often than alpha. The statistic is the largest standardised sum of ranks.
    It is compared with the largest of normal numbers, as correlated as the properties and the distances: the
    true law of sums of ranks, which are sums of uniform numbers and their like, has lighter tails.

    Args:
        blocks: windows, or several windows as one, in order of time; of the same strata, with a sample at
            least. Several are looked back upon at every distance at once.
        draws: of the normal numbers.
        seed: of the draws.
    """
    looks = list(accumulate(reversed(blocks)))
    standard = np.stack([_standardise(look).min(axis=0) for look in looks]).max(axis=(1, 2))
    reached = np.count_nonzero(_null(looks, draws, seed) >= standard.max())
    return PropertyTest((1 + reached) / (draws + 1), 1 + int(standard.argmax()), _moves(blocks[-1]))


def _null(looks: Sequence[Ranks], draws: int, seed: int) -> Floats:
    """Return draws of the largest of normal numbers, one for each look and property, regardless of sign."""
    clean = looks[0].kind == 0
    m, n = looks[0].calibration[clean], np.stack([look.counts[clean] for look in looks])
    covariance = _covariance(np.minimum(n[:, None], n), np.maximum(n[:, None], n), m)
    scale = np.sqrt(np.diag(covariance))
    between_looks, between_properties = covariance / np.outer(scale, scale), looks[0].correlation
    numbers = np.random.default_rng(seed).standard_normal((draws, len(looks), len(between_properties)))
    return np.asarray(np.abs(_root(between_looks) @ numbers @ _root(between_properties).T).max(axis=(1, 2)))


def _root(correlation: Floats) -> Floats:
    """Return its Cholesky factor; those that never change, or always together, are no obstacle."""
    return np.asarray(np.linalg.cholesky(correlation + 1e-9 * np.eye(len(correlation))))


def _covariance(near: Counts, far: Counts, m: Counts) -> Floats:
    """Return the covariance of sums of shares over samples, `near` of which are among `far`, in each stratum.

    Where a sample falls among m of the same is uniform, with variance (m + 2) / (12 m); calibration's chance,
    which samples share, gives any two of them the covariance 1 / (12 m).
    """
    return np.asarray((near * (far + m + 1) / (12 * m)).sum(axis=-1))


def correlate(values: npt.NDArray[np.float32], groups: Sequence[npt.NDArray[np.bool_]]) -> Floats:
    """Return the correlation (D, D) of properties' ranks within groups; 0 where a property never changes.

    Args:
        values: (m, D).
        groups: masks (m,) of those that are ranked together.
    """
    parts = [shares(values[mine], values[mine]) for mine in groups]
    centred = np.concatenate([part[:, 0] - part[:, 1] for part in parts])
    spread = np.sqrt((centred**2).sum(axis=0))
    standard = centred / np.where(spread > 0, spread, np.inf)
    return np.asarray(standard.T @ standard)


def _standardise(ranks: Ranks) -> Floats:
    """Return each kind's standardised sums of ranks (K, 2, D)."""
    n, m = ranks.counts, ranks.calibration
    excess = ranks.sums - n[:, None, None] / 2
    kinds = [ranks.kind == kind for kind in range(1 + ranks.kind.max())]
    return np.stack(
        [excess[mine].sum(axis=0) / np.sqrt(_covariance(n[mine], n[mine], m[mine])) for mine in kinds]
    )


def _moves(ranks: Ranks) -> tuple[Move, ...]:
    """Return each property's move away from the known kind that it is nearest to."""
    standard = _standardise(ranks)
    ways = standard.min(axis=0).argmax(axis=0)
    found = []
    for place, (name, way) in enumerate(zip(PROPERTIES, ways, strict=True)):
        kind = standard[:, way, place].argmin()
        mine = ranks.kind == kind
        below, above = ranks.sums[mine, :, place].sum(axis=0) / ranks.counts[mine].sum()
        found.append(Move(name, float(below - above), float(standard[kind, way, place])))
    return tuple(found)
