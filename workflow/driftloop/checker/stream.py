"""Drift too slow for any one window: the latest windows together, looked back upon at several distances.

How windows stand among the calibration adds up (`driftloop.checker.window_test.Evidence`), so what a stream
carries from window to window is small: blocks of consecutive windows, at most two of each power of two (after
Datar et al., SIAM J. Comput. 31(6), 2002). One test looks back over the latest blocks at every distance at
once, with the calibration's own chance shared between them. Its p-value holds at each window. So T clean
windows are expected to raise at most T times alpha false alarms, however the windows depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.checker.appearance import PROPERTIES
from driftloop.checker.property_test import Ranks
from driftloop.checker.rank_test import CELLS, Standings
from driftloop.checker.window_test import Evidence, window_test
from driftloop.findings.drift import StreamTest

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Consecutive windows as one.

    Attributes:
        windows: how many.
        evidence: of all their samples.
    """

    windows: int
    evidence: Evidence

    def __add__(self, later: Block) -> Block:
        """Return this block and a later one as one."""
        return Block(self.windows + later.windows, self.evidence + later.evidence)


@dataclass(frozen=True)
class Stream:
    """The windows since the last alarm, oldest first. Empty after one, and where a detector is new."""

    blocks: tuple[Block, ...] = ()

    def followed_by(self, evidence: Evidence) -> Stream:
        """Return the stream with one more window.

        >>> counts, sizes = np.zeros((1, CELLS), dtype=np.int64), np.array([9])
        >>> ranks = Ranks(sizes * 0, sizes, sizes, np.zeros((1, 2, 2, 5)), np.eye(20))
        >>> one = Evidence(Standings(counts, sizes), ranks)
        >>> stream = Stream()
        >>> for _ in range(11):
        ...     stream = stream.followed_by(one)
        >>> [block.windows for block in stream.blocks]
        [4, 4, 2, 1]
        """
        blocks = [*self.blocks, Block(1, evidence)]
        place = len(blocks) - 3
        while place >= 0 and blocks[place].windows == blocks[place + 2].windows:
            blocks[place : place + 2] = [blocks[place] + blocks[place + 1]]
            place -= 2
        return Stream(tuple(blocks))

    def test(self, *, alpha: float, draws: int = 9999, seed: int = 0) -> StreamTest | None:
        """Look back over two windows and more. None where there are fewer.

        Args:
            alpha: level of the test, in (0, 1).
            draws: null streams. The smallest p-value is 2 / (draws + 1).
            seed: of the draws.
        """
        if len(self.blocks) < 2:
            return None
        *earlier, last = self.blocks
        latest = [*earlier[:-1], earlier[-1] + last]  # the last window alone has a test of its own
        found = window_test(*(block.evidence for block in latest), draws=draws, seed=seed)
        windows = sum(block.windows for block in latest[-found.blocks :])
        return StreamTest(windows, found.p_value, alpha, found.p_value <= alpha)

    def to_json(self) -> dict[str, Any]:
        """Return what `stream.json` keeps. A stratum's counts, strangest cell first, are one text.

        Correlations are the detector's, and so the same for all blocks.
        """
        blocks = [
            {
                "windows": block.windows,
                "kind": block.evidence.properties.kind.tolist(),
                "calibration": block.evidence.novelty.calibration.tolist(),
                "novelty": [" ".join(map(str, row)) for row in block.evidence.novelty.counts.tolist()],
                "samples": block.evidence.properties.counts.tolist(),
                "properties": block.evidence.properties.sums.tolist(),
            }
            for block in self.blocks
        ]
        last = self.blocks[-1].evidence.properties.correlation.tolist() if self.blocks else None
        return {"blocks": blocks, "correlation": last}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Stream:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: it is nothing of that kind.
        """
        if not value["blocks"]:
            return NEW
        correlation = np.array(value["correlation"], dtype=np.float64)
        if correlation.shape != (scores := 4 * len(PROPERTIES), scores):
            raise ValueError(f"correlations are {correlation.shape}, not ({scores}, {scores})")
        return cls(tuple(_read(block, correlation) for block in value["blocks"]))


NEW = Stream()


def _read(block: Mapping[str, Any], correlation: Floats) -> Block:
    kind, calibration, samples = (
        np.array(block[name], dtype=np.int64) for name in ("kind", "calibration", "samples")
    )
    counts = np.array([row.split() for row in block["novelty"]], dtype=np.int64)
    if counts.shape != (len(calibration), CELLS) or counts.min() < 0:
        raise ValueError(f"counts are {counts.shape}, not ({len(calibration)}, {CELLS})")
    sums = np.array(block["properties"], dtype=np.float64)
    if sums.shape != (len(calibration), 2, 2, len(PROPERTIES)):
        raise ValueError(f"properties are {sums.shape}, not ({len(calibration)}, 2, 2, {len(PROPERTIES)})")
    ranks = Ranks(kind, calibration, samples, sums, correlation)
    return Block(int(block["windows"]), Evidence(Standings(counts, calibration), ranks))
