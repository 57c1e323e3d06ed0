"""What is found out about each sample by itself: a large window is scored in parts, and then concluded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import BLOCK
from driftloop.checker.fitted import FittedDetector, accuracy_signals
from driftloop.checker.spaces import view_all
from driftloop.models.features import Features, features_in_parts


@dataclass(frozen=True)
class Scores:
    """Scores of samples, in the window's order.

    Attributes:
        by_kind: float64 (K, N), the distance from each known kind.
        properties: float32 (N, D), of the image, see `driftloop.checker.appearance.PROPERTIES`.
        signals: float64 (N, S), what the accuracy is judged from. S is 0 where nothing taught it.
    """

    by_kind: npt.NDArray[np.float64]
    properties: npt.NDArray[np.float32]
    signals: npt.NDArray[np.float64]


def score_samples(fitted: FittedDetector, features: Features) -> Scores:
    """Score samples. Each one's scores are the same, bit for bit, whatever the others beside it."""
    return join_scores([_score(fitted, part) for part in features_in_parts(features)])


def _score(fitted: FittedDetector, features: Features) -> Scores:
    by_kind = np.stack([fitted.detector.score(kind.state, features) for kind in fitted.kinds])
    known = fitted.accuracy is not None
    signals = accuracy_signals(fitted, features, by_kind[0]) if known else np.empty((len(features), 0))
    return Scores(by_kind, view_all(features, "properties"), signals)


def part_rows(n: int, place: int, parts: int) -> slice:
    """Return the rows of one of several parts of n samples, whole blocks each.

    Args:
        n: samples in all.
        place: of the part, from 1.
        parts: how many there are. Where there are more than blocks, some are empty.

    >>> [part_rows(1000, place, 3) for place in (1, 2, 3)]
    [slice(0, 256, None), slice(256, 512, None), slice(512, 1000, None)]
    """
    blocks = -(-n // BLOCK)
    return slice(*(min(n, blocks * end // parts * BLOCK) for end in (place - 1, place)))


def join_scores(parts: Sequence[Scores]) -> Scores:
    """Return the scores of a window from those of its parts, which are in its order. Some may be of nothing.

    A detector is never asked for the scores of nothing, so that one's own need not be ready for that.
    """
    scored = [part for part in parts if len(part.properties)]
    if not scored:
        return Scores(np.empty((0, 0)), np.empty((0, 0), dtype=np.float32), np.empty((0, 0)))
    return Scores(
        np.concatenate([part.by_kind for part in scored], axis=1),
        np.concatenate([part.properties for part in scored]),
        np.concatenate([part.signals for part in scored]),
    )
