"""Weather: fog, spatter.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape, not yet clipped. Method:
Hendrycks and Dietterich, ImageNet-C (2019), https://arxiv.org/abs/1903.12261.
"""

from __future__ import annotations

import numpy as np

from driftloop.corruptions.raster import Floats, smooth

# Red, green, blue; a grey image takes the first, as MNIST-C does.
_MUD = np.array([63, 42, 20], dtype=np.float32) / 255


def fog(images: Floats, rng: np.random.Generator, thickness: float, decay: float, *, field: int) -> Floats:
    """Mix in a cloud: a plasma fractal's corner.

    Args:
        images: float32 (N, H, W, C).
        rng: where the clouds come from.
        thickness: how much of the cloud is added, relative to white.
        decay: by how much finer structure is weaker; lower is rougher.
        field: side of the square on which the fractal is made, a power of two. In a field that is larger
            than the image the image sees a small and smooth part of a cloud.
    """
    count, height, width, _ = images.shape
    while field < max(height, width):
        field *= 2
    cloud = plasma(rng, count, field, decay, max(height, width))[:, :height, :width, None]
    brightest = images.max(axis=(1, 2, 3), keepdims=True)
    return (images + np.float32(thickness) * cloud) * brightest / (brightest + np.float32(thickness))


def plasma(rng: np.random.Generator, count: int, field: int, decay: float, crop: int) -> Floats:
    """Make fractal height maps by the diamond-square method on a torus, from 0 to 1 over the whole field.

    Only the corner of `crop` pixels is refined to single pixels. The extremes of the field are taken
    where its points are still four pixels apart, as the finer structure hardly moves them.

    Returns:
        float32 (count, crop, crop).
    """
    heights = np.zeros((count, 1, 1), dtype=np.float32)
    step, wobble = field, 100.0
    margin, cut = 8, False
    low = high = heights[:, :1, :1]
    while step >= 2:
        heights = _refine(rng, heights, wobble**2)
        step //= 2
        wobble /= decay
        if not cut and (step == 4 and crop + 2 * margin < field):
            low, high = heights.min(axis=(1, 2), keepdims=True), heights.max(axis=(1, 2), keepdims=True)
            kept = np.arange(-margin, crop + margin, step) // step
            heights, cut = heights[:, kept][:, :, kept], True
    if cut:
        return (heights[:, margin : margin + crop, margin : margin + crop] - low) / (high - low)
    low, high = heights.min(axis=(1, 2), keepdims=True), heights.max(axis=(1, 2), keepdims=True)
    return ((heights - low) / (high - low))[:, :crop, :crop]


def _refine(rng: np.random.Generator, corners: Floats, wobble: float) -> Floats:
    """Double the resolution: new points are the mean of their four neighbours and a random height."""
    count, side, _ = corners.shape

    def settle(total: Floats) -> Floats:
        noise = 2 * rng.random(total.shape, dtype=np.float32) - 1
        return total / 4 + np.float32(wobble) * noise

    below = corners + np.roll(corners, -1, axis=1)
    right = corners + np.roll(corners, -1, axis=2)
    centres = settle(below + np.roll(below, -1, axis=2))
    tops = settle(centres + np.roll(centres, 1, axis=1) + right)
    lefts = settle(centres + np.roll(centres, 1, axis=2) + below)
    result = np.empty((count, 2 * side, 2 * side), dtype=np.float32)
    result[:, ::2, ::2], result[:, 1::2, 1::2] = corners, centres
    result[:, ::2, 1::2], result[:, 1::2, ::2] = tops, lefts
    return result


def mud(
    images: Floats,
    rng: np.random.Generator,
    mean: float,
    deviation: float,
    size: float,
    level: float,
    soft: float,
) -> Floats:
    """Throw mud: where smoothed noise exceeds `level`, with edges softened by `soft` pixels."""
    cover = _blobs(rng, images, mean, deviation, size) > level
    mask = smooth(cover.astype(np.float32), soft)
    mask = np.where(mask < 0.8, np.float32(0), mask)[..., None]
    return images * (1 - mask) + mask * _MUD[: images.shape[-1]]


def _blobs(rng: np.random.Generator, images: Floats, mean: float, deviation: float, size: float) -> Floats:
    noise = np.float32(mean) + np.float32(deviation) * rng.standard_normal(images.shape[:3], dtype=np.float32)
    return smooth(noise, size)
