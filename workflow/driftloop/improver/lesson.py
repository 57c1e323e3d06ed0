"""What there is to learn from: every repair takes one and the same lesson, and of it what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.improver.imitate import Imitation

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Samples:
    """Labelled images: uint8 (N, H, W, C) and int64 (N,)."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Lesson:
    """A drift, and what must not be forgotten over it.

    Attributes:
        clean: images that the incumbent was trained on, or others like them, with their labels.
        imitation: the drift as it can be done to `clean`. None to learn from the window alone.
        reviewed: samples of the window, with the labels that the reviewer gave.
        window: uint8 (L, H, W, C), others of the window, to learn from by their looks. They may only speak
            against the candidate.
        calibration: clean uint8 (M, H, W, C) that nothing was trained on. They set thresholds.
        earlier: the drifts that were repaired before.
        earlier_reviewed: samples that were reviewed for them.
    """

    clean: Samples
    imitation: Imitation | None = None
    reviewed: Samples | None = None
    window: Images | None = None
    calibration: Images | None = None
    earlier: Sequence[Imitation] = ()
    earlier_reviewed: Samples | None = None
