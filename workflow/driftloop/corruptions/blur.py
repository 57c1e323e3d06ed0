"""Blur: each pixel becomes a mean of pixels near it, or takes the place of one.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from driftloop.corruptions.raster import Floats, smooth, zoom


def gaussian_blur(images: Floats, rng: np.random.Generator, sigma: float) -> Floats:  # noqa: ARG001
    """Smooth with a Gaussian of `sigma` pixels. Draws nothing."""
    return smooth(images, sigma)


def defocus_blur(
    images: Floats,
    rng: np.random.Generator,  # noqa: ARG001
    radius: float,
    softness: float,
) -> Floats:
    """Replace each pixel by a disk of light, softened by a Gaussian of `softness` pixels. Draws nothing."""
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.float32)
    slope = np.exp(-1 / (2 * softness**2))
    tap = np.array([slope, 1, slope]) / (1 + 2 * slope)
    for axis in (0, 1):
        disk = scipy.ndimage.correlate1d(disk, tap, axis=axis, mode="constant")
    kernel = (disk / disk.sum())[None, :, :, None]
    blurred: Floats = scipy.ndimage.correlate(images, kernel, mode="mirror")
    return blurred


def zoom_blur(images: Floats, rng: np.random.Generator, furthest: float) -> Floats:  # noqa: ARG001
    """Average the image with its enlargements by 1, 1.01, 1.02, ... up to `furthest`. Draws nothing."""
    factors = tuple(np.arange(1, furthest, 0.01).tolist())
    return (images + len(factors) * zoom(images, factors)) / np.float32(len(factors) + 1)


def glass_blur(
    images: Floats,
    rng: np.random.Generator,
    sigma: float,
    reach: int,
    rounds: int,
    *,
    swap: float,
    axes: tuple[int, ...] = (1, 2),
) -> Floats:
    """Smooth, move pixels about within `reach`, `rounds` times, smooth again: frosted glass.

    Args:
        images: float32 (N, H, W, C).
        rng: where the moves come from.
        sigma: of the Gaussian, in pixels.
        reach: how far a pixel goes at most, up and to the left.
        rounds: how many times the whole image is shuffled.
        swap: the chance that a pixel changes places with the one drawn for it. Where it is 0, it is
            always replaced by that one, which stays where it is.
        axes: along which to smooth.
    """
    _, height, width, _ = images.shape
    smoothed = np.floor(smooth(images, sigma, axes=axes) * 255 + 1e-3) / np.float32(255)
    order = _shuffled(rng, len(images), height, width, reach, rounds, swap)
    flat = smoothed.reshape(len(images), height * width, -1)
    moved = np.take_along_axis(flat, order.T[..., None], axis=1).reshape(images.shape)
    return smooth(moved, sigma, axes=axes)


def _shuffled(
    rng: np.random.Generator, count: int, height: int, width: int, reach: int, rounds: int, swap: float
) -> npt.NDArray[np.int64]:
    """Return which pixel each pixel shows, (H * W, N), by walking over the pixels from the last to the first.

    Only the walk is sequential, so each of its steps is taken for all images at once.
    """
    order = np.repeat(np.arange(height * width)[:, None], count, axis=1)
    everyone = np.arange(count)
    for _ in range(rounds):
        for row in range(height - reach, reach, -1):
            move = rng.integers(-reach, reach, (width, 2, count))
            other = move[:, 0] * width + move[:, 1]
            if swap:
                other[rng.random((width, count), dtype=np.float32) >= swap] = 0
            for column in range(width - reach, reach, -1):
                here = row * width + column
                there = here + other[column - 1]
                shown = order[there, everyone]
                if swap:
                    order[there, everyone] = order[here]
                order[here] = shown
    return order


def motion_blur(
    images: Floats,
    rng: np.random.Generator,
    radius: int,
    sigma: float,
    *,
    degrees: tuple[float, float] = (-45, 45),
) -> Floats:
    """Smear each image one way along a line at a random angle, with half a Gaussian's weights.

    This is the motion blur of ImageMagick, which both benchmarks use: 2 * radius + 1 taps at whole
    pixels, edge pixels repeated outside, and whole grey levels, fractions cut off.
    """
    count, height, width, channels = images.shape
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-(taps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    angle = np.deg2rad(rng.uniform(*degrees, count))[:, None]
    rows, columns, first = np.arange(height), np.arange(width), np.arange(count) * (height * width)
    flat = images.reshape(-1, channels)
    result = np.zeros_like(images)
    for tap, weight in zip(taps, weights, strict=True):
        down = np.clip(rows + np.ceil(tap * np.sin(angle) - 0.5).astype(int), 0, height - 1)
        right = np.clip(columns + np.ceil(tap * np.cos(angle) - 0.5).astype(int), 0, width - 1)
        index = (first[:, None] + down * width)[:, :, None] + right[:, None, :]
        result += weight * flat.take(index, axis=0)
    levels: npt.NDArray[np.float32] = np.floor(result * 255 + 1e-3) / np.float32(255)
    return levels
