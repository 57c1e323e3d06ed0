"""One p-value for a window, or for several together: are their samples more of the same as the calibration?

A sample's place among m calibration scores is one of m + 1 gaps, and for one more of the same each gap is as
likely as any other. Where n of them fall is a draw from Polya's urn (the Dirichlet-multinomial law with one
ball a gap), in which the calibration's own chance is contained: exact at any n and m, also for n far above m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Gaps are put together in cells, by their share of all gaps counted from the strangest: 20 % apart near the
# top, where a cell holds one gap or none, and 4 % of all below. Samples of one cell weigh the same.
_EDGES: Floats = np.concatenate([np.geomspace(1e-5, 0.2, 55), np.linspace(0.24, 1, 20)])
CELLS = len(_EDGES)

_FIRST, _CLOSER = 999, 20
"""So many draws come first; only where fewer than 20 of them reach the statistic are all drawn."""

_SAME = 1e-9
"""Statistics closer than this are ties: sums of the same counts may differ in their last bits."""


@dataclass(frozen=True)
class Stratum:
    """Samples of a window, and the calibration that they are compared with.

    Attributes:
        window: scores (n,); n may be 0.
        calibration: scores (m,) by the same detector; m >= 1.
    """

    window: Floats
    calibration: Floats


@dataclass(frozen=True)
class Standings:
    """Where samples stand among the calibration; those of several windows add up.

    Attributes:
        counts: int64 (G, CELLS), the samples of each stratum by cell, the strangest first.
        calibration: int64 (G,), the size m of each stratum's calibration.
    """

    counts: Counts
    calibration: Counts

    @classmethod
    def of(cls, strata: Sequence[Stratum]) -> Standings:
        """Place every sample; one that ties with calibration scores counts as the least strange of them."""
        counts = []
        for stratum in strata:
            ordered, m = np.sort(stratum.calibration), len(stratum.calibration)
            as_high = m - np.searchsorted(ordered, stratum.window, side="left")
            counts.append(np.bincount(np.searchsorted(_EDGES, (as_high + 1) / (m + 1)), minlength=CELLS))
        return cls(np.stack(counts), np.array([len(stratum.calibration) for stratum in strata]))

    def __add__(self, other: Standings) -> Standings:
        """Return the standings of both together; they have the same strata."""
        return Standings(self.counts + other.counts, self.calibration)

    @property
    def n(self) -> int:
        """How many samples."""
        return int(self.counts.sum())

    def occupied(self) -> list[tuple[int, int, int]]:
        """Return place, m and n of the strata that have samples."""
        sizes = zip(self.calibration, self.counts.sum(axis=1), strict=True)
        return [(place, int(m), int(n)) for place, (m, n) in enumerate(sizes) if n]


@dataclass(frozen=True)
class RankTest:
    """What the test found.

    Attributes:
        statistic: the larger of two standardised rank statistics (mean rank; mean logarithm of the rank).
        p_value: in [1 / (draws + 1), 1], valid at every size.
    """

    statistic: float
    p_value: float


def rank_test(standings: Standings, *, draws: int = 9999, seed: int = 0) -> RankTest:
    """Test whether the samples are more of the calibration's in every stratum; only high scores count.

    The p-value is (1 + k) / (1 + d), k of d null draws having reached the statistic: after the first 999
    where 20 or more of them did, which settles every alpha up to 0.02, and else after all.

    Args:
        standings: of at least one sample.
        draws: null windows that are drawn at most.
        seed: of the draws.
    """
    sums = sum(standings.counts[place] @ _cells(m)[1] for place, m, _ in standings.occupied())
    seen = float(_standardise(standings, np.asarray(sums)[None])[0])
    first = min(draws, _FIRST)
    reached, drawn = _reached(standings, seen, first, (seed, 0)), first
    if reached < _CLOSER and draws > first:
        reached += _reached(standings, seen, draws - first, (seed, 1))
        drawn = draws
    return RankTest(seen, (1 + reached) / (drawn + 1))


def novel_share(
    standings: Standings, *, draws: int = 999, seed: int = 0, confidence: float = 0.95
) -> tuple[float, tuple[float, float]]:
    """Return the share of the samples that stand higher than the calibration explains, and its limits.

    That is sup over t of (F(t) - t) / (1 - t), F being the law of the samples' p-values, estimated so that
    it is as likely too low as too high. Novel samples that score like ordinary ones are seen by no test on
    scores, and are not counted. The lower limit is Meinshausen and Rice's bound (2006, arXiv math/0501289)
    with its band drawn from the exact null law, the estimate the same bound at even odds.

    Args:
        standings: of at least one sample.
        draws: null windows.
        seed: of the draws.
        confidence: of the limits, in (0, 1).
    """
    n = standings.n
    expected, variance = np.zeros(CELLS), np.zeros(CELLS)
    null: Floats = np.zeros((draws, CELLS))
    for place, m, size in standings.occupied():
        share = np.cumsum(_cells(m)[0]) / (m + 1)
        expected += size / n * share
        variance += size * share * (1 - share) * (size + m + 1) / (m + 2) / n**2
        null += _draw(m, size, draws, (seed, 0, place))
    null = np.cumsum(null, axis=1) / n - expected
    excess = np.cumsum(standings.counts.sum(axis=0)) / n - expected
    # One sample more or less is no evidence: without the second term the rarest ranks would rule the band.
    width = np.sqrt(variance) + 1 / n
    inside = expected <= 0.5  # beyond, the ratio is mostly noise
    room = 1 - expected[inside]
    above = (null / width)[:, inside].max(axis=1)
    below = (-null / width)[:, inside].max(axis=1)
    tail = (1 - confidence) / 2
    shares = [
        float(np.max((excess[inside] + step * width[inside]) / room))
        for step in (-np.quantile(above, 0.5), -np.quantile(above, 1 - tail), np.quantile(below, 1 - tail))
    ]
    estimate, low, high = (min(max(share, 0.0), 1.0) for share in shares)
    return estimate, (low, high)


def _reached(standings: Standings, seen: float, draws: int, seed: tuple[int, int]) -> int:
    """Return how many null windows have a statistic as large."""
    sums = [_null_sums(m, n, draws, (*seed, place)) for place, m, n in standings.occupied()]
    return int(np.count_nonzero(_standardise(standings, np.sum(sums, axis=0)) >= seen - _SAME))


def _standardise(standings: Standings, sums: Floats) -> Floats:
    """Return the larger of the two standardised sums of weights, for each row of sums (R, 2)."""
    mean, variance = np.zeros(2), np.zeros(2)
    for _, m, n in standings.occupied():
        gaps, weights = _cells(m)
        centre = gaps @ weights / (m + 1)
        mean += n * centre
        variance += n * (n + m + 1) / (m + 2) * (gaps @ (weights - centre) ** 2) / (m + 1)
    return np.asarray(((sums - mean) / np.sqrt(np.maximum(variance, 1e-12))).max(axis=1))


@lru_cache(maxsize=512)
def _cells(m: int) -> tuple[Counts, Floats]:
    """Return how many of m + 1 gaps each cell holds, and the two weights of its samples, (CELLS, 2).

    A shift of all samples shows best in the mean rank, one of a few in the logarithms (Savage's scores).
    """
    end = np.arange(1, m + 2) / (m + 1)
    middle = end - 0.5 / (m + 1)
    cell = np.searchsorted(_EDGES, end)
    gaps = np.bincount(cell, minlength=CELLS)
    sums = [np.bincount(cell, weight, minlength=CELLS) for weight in (1 - middle, -np.log(middle))]
    return gaps, np.stack(sums, axis=1) / np.maximum(gaps, 1)[:, None]


@lru_cache(maxsize=512)
def _null_sums(m: int, n: int, draws: int, seed: tuple[int, int, int]) -> Floats:
    """Return the weights' sums (draws, 2). Cached, for the windows of a stream are alike."""
    return np.asarray(_draw(m, n, draws, seed) @ _cells(m)[1])


def _draw(m: int, n: int, draws: int, seed: tuple[int, int, int]) -> Floats:
    """Return the cells' counts (draws, CELLS) of n more of the same as m."""
    gaps = _cells(m)[0]
    used = np.flatnonzero(gaps)
    rng = np.random.default_rng(seed)
    chance = rng.standard_gamma(gaps[used], (draws, len(used)))
    counts: Floats = np.zeros((draws, CELLS))
    counts[:, used] = rng.multinomial(n, chance / chance.sum(axis=1, keepdims=True))
    return counts
