"""Digital: what a camera's or a codec's processing does to colours and blocks.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape, not yet clipped. None draws
random numbers.
"""

from __future__ import annotations

import numpy as np

from driftloop.corruptions.raster import Floats


def brightness(images: Floats, rng: np.random.Generator, amount: float) -> Floats:  # noqa: ARG001
    """Add to the value of hue, saturation and value, which leaves the other two alone."""
    value = images.max(axis=-1, keepdims=True)
    brighter = np.clip(value + np.float32(amount), 0, 1)
    black = value == 0
    return np.where(black, brighter, images * (brighter / np.where(black, 1, value)))
