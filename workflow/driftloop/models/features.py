"""What a classifier sees in images: the features that detectors are fitted on and score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.spill import release


@dataclass(frozen=True)
class Features:
    """Images and what one classifier makes of them, row by row.

    Attributes:
        images: uint8 (N, H, W, C). May be a read-only memory map.
        embeddings: float32 (N, D), the penultimate layer's activations.
        logits: float32 (N, K), one column a class.
    """

    images: npt.NDArray[np.uint8]
    embeddings: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.images)


PART = 1 << 14
"""Rows of a large window that are in memory at a time."""


def in_parts(array: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield an array's rows in parts, in memory: the pages of a memory map are given back after each."""
    for start in range(0, len(array), PART):
        yield np.array(array[start : start + PART])
        release(array)


def features_in_parts(features: Features) -> Iterator[Features]:
    """Yield features in parts, in memory."""
    columns = [in_parts(each) for each in (features.images, features.embeddings, features.logits)]
    for images, embeddings, logits in zip(*columns, strict=True):
        yield Features(images, embeddings, logits)
