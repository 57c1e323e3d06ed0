"""One p-value for a window, or for several together: are their samples more of the same as the calibration?

A sample's place among m calibration scores is one of m + 1 gaps. For one more of the same, each gap is as
likely as any other. Where n of them fall is a draw from Polya's urn (the Dirichlet-multinomial law with one
ball a gap). It contains the calibration's own chance, and is exact at any n and m, also for n far above m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from driftloop.checker.conformal import sample_p_values
from driftloop.estimate import Estimate

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Gaps are put together in cells, by their share of all gaps counted from the strangest. Cells are 20 % apart
# near the top, where a cell holds one gap or none, and 4 % of all below. Samples of one cell weigh the same.
_EDGES: Floats = np.concatenate([np.geomspace(1e-5, 0.2, 55), np.linspace(0.24, 1, 20)])
CELLS = len(_EDGES)

_FIRST, _CLOSER = 999, 20
"""So many draws come first. Only where fewer than 20 of them reach the statistic are all drawn."""

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
    """Where samples stand among the calibration. Those of several windows add up.

    Attributes:
        counts: int64 (G, CELLS), the samples of each stratum by cell, the strangest first.
        calibration: int64 (G,), the size m of each stratum's calibration.
    """

    counts: Counts
    calibration: Counts

    @classmethod
    def of(cls, strata: Sequence[Stratum]) -> Standings:
        """Place every sample. One that ties with calibration scores counts as the least strange of them."""
        counts = [np.bincount(place(each.window, each.calibration), minlength=CELLS) for each in strata]
        return cls(np.stack(counts), np.array([len(stratum.calibration) for stratum in strata]))

    def __add__(self, other: Standings) -> Standings:
        """Return the standings of both together. They have the same strata."""
        return Standings(self.counts + other.counts, self.calibration)

    @property
    def n(self) -> int:
        """How many samples."""
        return int(self.counts.sum())

    @property
    def sizes(self) -> Counts:
        """How many samples of each stratum (G,)."""
        return np.asarray(self.counts.sum(axis=1))


def place(scores: Floats, calibration: Floats) -> Counts:
    """Return each score's cell, 0 being the strangest of `CELLS`."""
    return np.searchsorted(_EDGES, sample_p_values(scores, calibration))


@dataclass(frozen=True)
class RankTest:
    """What the test found.

    Attributes:
        statistic: the largest standardised rank statistic (mean rank, and mean logarithm of the rank; each
            over the latest block, the latest two, and so on).
        p_value: in [1 / (draws + 1), 1], valid at every size.
        blocks: how many of the latest blocks show it best, 1 or more.
    """

    statistic: float
    p_value: float
    blocks: int


def rank_test(*blocks: Standings, draws: int = 9999, seed: int = 0) -> RankTest:
    """Test whether samples are more of the calibration's in every stratum. Only high scores count.

    Several blocks in order of time are looked back upon at every distance at once. The p-value is (1 + k) /
    (1 + d), where k of d null draws reach the statistic. If 20 or more of the first 999 draws do, these are
    enough: that settles every alpha up to 0.02. Otherwise all draws count.

    Args:
        blocks: windows, or several windows as one; of the same strata, with a sample at least. One for the
            test of a window.
        draws: null windows that are drawn at most.
        seed: of the draws.
    """
    calibration = blocks[0].calibration
    sizes = np.stack([block.sizes for block in blocks])
    weights = [_cells(m)[1] for m in calibration.tolist()]
    sums = np.array(
        [sum(row @ weight for row, weight in zip(block.counts, weights, strict=True)) for block in blocks]
    )
    looks = _standardise(calibration, sizes, sums[None])[0]
    seen, first = float(looks.max()), min(draws, _FIRST)
    reached, drawn = _reached(calibration, sizes, seen, first, (seed, 0)), first
    if reached < _CLOSER and draws > first:
        reached += _reached(calibration, sizes, seen, draws - first, (seed, 1))
        drawn = draws
    return RankTest(seen, (1 + reached) / (drawn + 1), 1 + int(looks.argmax()))


def novel_share(
    standings: Standings, *, draws: int = 999, seed: int = 0, confidence: float = 0.95
) -> Estimate:
    """Return the share of the samples that stand higher than the calibration explains, and its limits.

    That is sup over t of (F(t) - t) / (1 - t), F being the law of the samples' p-values, estimated so that
    it is as likely too low as too high. Novel samples that score like ordinary ones are seen by no test on
    scores, and are not counted. The lower limit is Meinshausen and Rice's bound (2006, arXiv math/0501289)
    with its band drawn from the exact null law. The estimate is the same bound at even odds.

    Args:
        standings: of at least one sample.
        draws: null windows.
        seed: of the draws.
        confidence: of the limits, in (0, 1).
    """
    sizes = standings.sizes
    n = int(sizes.sum())
    expected, variance = np.zeros(CELLS), np.zeros(CELLS)
    null: Floats = np.zeros((draws, CELLS))
    for place, (m, size) in enumerate(zip(standings.calibration.tolist(), sizes.tolist(), strict=True)):
        share = np.cumsum(_cells(m)[0]) / (m + 1)
        expected += size / n * share
        variance += size * share * (1 - share) * (size + m + 1) / (m + 2) / n**2
        null += _draw(m, (size,), draws, (seed, 0, place))[0]
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
    return Estimate(estimate, low, high)


def _reached(calibration: Counts, sizes: Counts, seen: float, draws: int, seed: tuple[int, int]) -> int:
    """Return how many null windows have a statistic as large."""
    sums: Floats = np.zeros((draws, len(sizes), 2))
    for place, (m, n) in enumerate(zip(calibration.tolist(), sizes.T.tolist(), strict=True)):
        sums += _null_sums(m, tuple(n), draws, (*seed, place))
    looks = _standardise(calibration, sizes, sums)
    return int(np.count_nonzero(looks.max(axis=1) >= seen - _SAME))


def _standardise(calibration: Counts, sizes: Counts, sums: Floats) -> Floats:
    """Return (R, B): for each look back over 1, 2, … B blocks the larger standardised sum of weights.

    Args:
        calibration: (G,).
        sizes: of the blocks, the latest last (B, G).
        sums: of the weights by block (R, B, 2).
    """
    far = np.cumsum(sizes[::-1], axis=0)
    mean, variance = np.zeros((len(far), 2)), np.zeros((len(far), 2))
    for m, n in zip(calibration.tolist(), far.T[:, :, None], strict=True):
        gaps, weights = _cells(m)
        centre = gaps @ weights / (m + 1)
        mean += n * centre
        variance += n * (n + m + 1) / (m + 2) * (gaps @ (weights - centre) ** 2) / (m + 1)
    standard = (np.cumsum(sums[:, ::-1], axis=1) - mean) / np.sqrt(np.maximum(variance, 1e-12))
    return np.asarray(standard.max(axis=2))


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
def _null_sums(m: int, sizes: tuple[int, ...], draws: int, seed: tuple[int, int, int]) -> Floats:
    """Return the weights' sums (draws, B, 2). Cached, for the windows of a stream are alike."""
    weights = _cells(m)[1]
    return np.stack([counts @ weights for counts in _draw(m, sizes, draws, seed)], axis=1)


def _draw(m: int, sizes: tuple[int, ...], draws: int, seed: tuple[int, int, int]) -> list[Floats]:
    """Return the cells' counts (draws, CELLS) of blocks, so large, of more of the same as m.

    The calibration's own chance is drawn once for all blocks: they share it.
    """
    gaps = _cells(m)[0]
    used = np.flatnonzero(gaps)
    rng = np.random.default_rng(seed)
    chance = rng.standard_gamma(gaps[used], (draws, len(used)))
    chance /= chance.sum(axis=1, keepdims=True)
    blocks = [np.zeros((draws, CELLS)) for _ in sizes]
    for n, counts in zip(sizes, blocks, strict=True):
        counts[:, used] = rng.multinomial(n, chance)
    return blocks
