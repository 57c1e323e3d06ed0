"""What a classifier sees in images: the features that detectors are fitted on and score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Features:
    """Images and what one classifier makes of them, row by row.

    Attributes:
        images: uint8 (N, H, W, C); may be a read-only memory map.
        embeddings: float32 (N, D), the penultimate layer's activations.
        logits: float32 (N, K), one column a class.
    """

    images: npt.NDArray[np.uint8]
    embeddings: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.images)
