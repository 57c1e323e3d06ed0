"""The one verdict on a window, or on several together: has it novel samples, or have its images moved?

Two tests share the level: one of the samples' novelty (`driftloop.checker.rank_test`), which sees the few
that are unlike everything known, and one of the images' properties (`driftloop.checker.property_test`), which
sees those that are each a little off, and strange together.
"""

from __future__ import annotations

from dataclasses import dataclass

from driftloop.checker.property_test import Ranks, property_test
from driftloop.checker.rank_test import Standings, rank_test
from driftloop.findings.drift import Move


@dataclass(frozen=True)
class Evidence:
    """What is compared of a window; that of several windows adds up.

    Attributes:
        novelty: where the samples' scores stand among the calibration's.
        properties: where their images' properties stand there.
    """

    novelty: Standings
    properties: Ranks

    def __add__(self, other: Evidence) -> Evidence:
        """Return the evidence of both together. They have the same strata."""
        return Evidence(self.novelty + other.novelty, self.properties + other.properties)


@dataclass(frozen=True)
class WindowTest:
    """What the tests found.

    Attributes:
        statistic: of the samples' novelty, see `rank_test.RankTest`.
        p_value: twice the smaller of the two tests' p-values, in [2 / (draws + 1), 1].
        blocks: how many of the latest blocks show it best, 1 or more.
        moves: how each property of the latest block stands to what is known.
    """

    statistic: float
    p_value: float
    blocks: int
    moves: tuple[Move, ...]


def window_test(*blocks: Evidence, draws: int = 9999, seed: int = 0) -> WindowTest:
    """Test whether samples are more of what is known.

    Args:
        blocks: windows, or several windows as one, in order of time; of the same strata, with a sample at
            least. Several are looked back upon at every distance at once. One for the test of a window.
        draws: null windows that each test draws at most.
        seed: of the draws.
    """
    novelty = rank_test(*(block.novelty for block in blocks), draws=draws, seed=seed)
    moved = property_test(*(block.properties for block in blocks), draws=draws, seed=seed)
    smaller = min(novelty.p_value, moved.p_value)
    return WindowTest(
        statistic=novelty.statistic,
        p_value=min(1.0, 2 * smaller),
        blocks=novelty.blocks if novelty.p_value <= moved.p_value else moved.blocks,
        moves=moved.moves,
    )
