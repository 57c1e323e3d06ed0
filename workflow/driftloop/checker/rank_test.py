"""One p-value for a whole window: are its scores those of the calibration, or do too many stand high?

Under the null a window is a random subset of itself pooled with the calibration. Every sample is put in a
cell by its rank in the pool, cells growing from the strangest rank on, so that the window becomes a row of
counts whose null law is the hypergeometric one: exact at any size, at a cost that the size does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Upper ends of the cells, as shares of the pool counted from the strangest sample: 6 % apart near the
# top, where cells hold single ranks, and never wider than 2 % of the pool.
_EDGES: Floats = np.concatenate([np.geomspace(1e-6, 0.32, 218), np.linspace(0.34, 1, 34)])
_MIDDLES: Floats = np.concatenate([[_EDGES[0] / 2], (_EDGES[1:] + _EDGES[:-1]) / 2])

# A shift of all samples shows best in the mean rank, one of a few in the logarithms (Savage's scores).
_WEIGHTS: Floats = np.stack([1 - _MIDDLES, -np.log(_MIDDLES)], axis=1)

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
class RankTest:
    """What the test found.

    Attributes:
        statistic: the larger of two standardised rank statistics (mean rank; mean logarithm of the rank).
        p_value: in [1 / (draws + 1), 1], valid at every size.
        novel_share: share of the window's samples that stand higher than the calibration explains, in
            [0, 1]: sup over t of (F(t) - t) / (1 - t), F being the law of the samples' p-values, estimated
            so that it is as likely too low as too high. Novel samples that score like ordinary ones are
            seen by no test on scores, and are not counted.
        novel_share_interval: its lower and upper confidence limit.
    """

    statistic: float
    p_value: float
    novel_share: float
    novel_share_interval: tuple[float, float]


def rank_test(
    strata: Sequence[Stratum], *, draws: int = 9999, seed: int = 0, confidence: float = 0.95
) -> RankTest:
    """Test whether window and calibration are exchangeable in every stratum; only high scores count.

    Args:
        strata: at least one of them with samples of the window.
        draws: null windows that are drawn.
        seed: of the draws.
        confidence: of the interval around the novel share, in (0, 1).
    """
    tables = [_Table.of(stratum) for stratum in strata if len(stratum.window)]
    nulls = [table.draw(draws, seed, place) for place, table in enumerate(tables)]
    seen = np.array([_statistic(tables, [table.window[None] for table in tables])[0]])
    drawn = _statistic(tables, nulls)
    p_value = (1 + np.count_nonzero(drawn >= seen[0] - _SAME)) / (draws + 1)
    share, low, high = _novel_share(tables, nulls, confidence)
    return RankTest(float(seen[0]), float(p_value), share, (low, high))


@dataclass(frozen=True)
class _Table:
    """One stratum as counts by cell: of the window, and of window and calibration together."""

    window: npt.NDArray[np.int64]
    pool: npt.NDArray[np.int64]

    @classmethod
    def of(cls, stratum: Stratum) -> _Table:
        pool = np.concatenate([stratum.window, stratum.calibration])
        ordered, size = np.sort(pool), len(pool)
        ends = np.searchsorted(ordered, pool, "left") + np.searchsorted(ordered, pool, "right")
        share = (size - ends / 2) / size  # from the top, ties at the middle of their ranks
        cells = np.searchsorted(_EDGES, share)
        return cls(
            np.bincount(cells[: len(stratum.window)], minlength=len(_EDGES)),
            np.bincount(cells, minlength=len(_EDGES)),
        )

    @property
    def sizes(self) -> tuple[int, int]:
        """How many the window and the calibration have: n, m."""
        n = int(self.window.sum())
        return n, int(self.pool.sum()) - n

    def draw(self, draws: int, seed: int, place: int) -> npt.NDArray[np.int64]:
        """Return counts (draws, cells) of random subsets of the pool, as large as the window."""
        return _draw(self.pool.tobytes(), self.sizes[0], draws, (seed, place))

    def excess(self, counts: npt.NDArray[np.int64]) -> Floats:
        """Return n (F - G) at each edge, with F the law of these counts and G of those left in the pool."""
        n, m = self.sizes
        share = np.cumsum(self.pool) / (n + m)
        return np.asarray((np.cumsum(counts, axis=-1) - n * share) * ((n + m) / m))

    def variance(self) -> Floats:
        """Return the variance of `excess` under the null."""
        n, m = self.sizes
        share = np.cumsum(self.pool) / (n + m)
        return np.asarray(n * share * (1 - share) * (n + m) ** 2 / (m * max(n + m - 1, 1)))


@lru_cache(maxsize=4)
def _draw(pool: bytes, n: int, draws: int, seed: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Cached, for the windows of a stream are often of one size, and the pool's table then the same."""
    counts = np.frombuffer(pool, dtype=np.int64)
    used = np.flatnonzero(counts)
    rng = np.random.default_rng(seed)
    drawn = np.zeros((draws, len(counts)), dtype=np.int64)
    drawn[:, used] = rng.multivariate_hypergeometric(counts[used], n, size=draws, method="marginals")
    drawn.flags.writeable = False
    return drawn


def _statistic(tables: Sequence[_Table], counts: Sequence[npt.NDArray[np.int64]]) -> Floats:
    """Return the larger of the two standardised weighted sums, for each row of counts."""
    total: Floats = np.zeros(1)
    mean: Floats = np.zeros(1)
    variance: Floats = np.zeros(1)
    for table, rows in zip(tables, counts, strict=True):
        n, m = table.sizes
        law = table.pool / (n + m)
        centre = law @ _WEIGHTS
        total = total + rows @ _WEIGHTS
        mean = mean + n * centre
        variance = variance + n * m / max(n + m - 1, 1) * (law @ (_WEIGHTS - centre) ** 2)
    standard = (total - mean) / np.sqrt(np.maximum(variance, 1e-12))
    return np.asarray(standard.max(axis=1))


def _novel_share(
    tables: Sequence[_Table], nulls: Sequence[npt.NDArray[np.int64]], confidence: float
) -> tuple[float, float, float]:
    """Return the estimate and both limits, from one band around F that holds at all edges at once.

    The lower side is Meinshausen and Rice's bound (2006, arXiv math/0501289) with its band drawn from the
    exact null law, and the estimate the same bound at even odds.
    """
    n = sum(table.sizes[0] for table in tables)
    excess = np.sum([table.excess(table.window) for table in tables], axis=0) / n
    null = np.sum([table.excess(rows) for table, rows in zip(tables, nulls, strict=True)], axis=0) / n
    # One sample more or less is no evidence: without the second term the rarest ranks would rule the band.
    width = np.sqrt(np.sum([table.variance() for table in tables], axis=0)) / n + 1 / n
    expected = np.cumsum(np.sum([table.window for table in tables], axis=0)) / n - excess
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
    return estimate, low, high
