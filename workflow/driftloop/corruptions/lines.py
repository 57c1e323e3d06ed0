"""Lines drawn over the image: dotted and zigzag strokes, and inverted stripes.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape, not yet clipped. Method:
Mu and Gilmer, MNIST-C (2019), https://arxiv.org/abs/1906.02337.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from driftloop.corruptions.raster import Floats, per_image

Vector = npt.NDArray[np.float64]

_REACH = 2.3  # pixels above and below the line at which the ink's logarithm has its pole
_ZIG = 2.0  # half a zigzag's length and its height, in pixels
_MARGIN = 2  # columns left free at either end of a zigzag


def dotted_line(images: Floats, rng: np.random.Generator, lines: int) -> Floats:
    """Draw white dotted lines from the left edge to the right one."""
    _, height, width, _ = images.shape
    for _ in range(lines):
        start, end = (rng.integers(0, height - 1, len(images)).astype(float) for _ in range(2))
        ink = _stroke(images, np.zeros_like(start), start, np.full_like(end, width - 1), end)
        ink[:, :, (np.arange(width) // 2) % 2 == 0] = 0
        images = np.clip(images + ink[..., None], 0, 1)
    return images


def zigzag(images: Floats, rng: np.random.Generator, lines: int) -> Floats:
    """Draw white zigzag lines across the image, nearly level."""
    _, height, width, _ = images.shape
    for _ in range(lines):
        start = rng.integers(0, height - 1, len(images)).astype(float)
        rise = rng.integers(-5, 5, len(images)).astype(float)
        for (left, top), (right, bottom) in pairwise(_zigzag_corners(start, rise, width)):
            images = np.clip(images + _stroke(images, left, top, right, bottom)[..., None], 0, 1)
    return images


def stripe(images: Floats, rng: np.random.Generator, share: float) -> Floats:  # noqa: ARG001
    """Invert a stripe along either side, `share` of the width each. Draws nothing."""
    width = images.shape[2]
    column = np.arange(width)
    striped = np.minimum(column, width - 1 - column) < max(1, round(share * width))
    return np.where(striped[:, None], 1 - images, images)


def _stroke(images: Floats, left: Vector, top: Vector, right: Vector, bottom: Vector) -> Floats:
    """Return the ink, (N, H, W), of one line an image, which fades with the vertical distance."""
    _, height, width, _ = images.shape
    rows, columns = np.indices((height, width), dtype=np.float32)
    slope = (bottom - top) / np.maximum(right - left, 1e-6)
    line = per_image(slope.astype(np.float32)) * (columns - per_image(left.astype(np.float32)))
    distance = np.abs(rows - line - per_image(top.astype(np.float32)))
    ink: Floats = np.log(np.maximum(1 - distance / np.float32(_REACH), np.float32(1e-4))) + 1
    inside = (columns >= per_image(np.floor(left))) & (columns < per_image(np.ceil(right)))
    return np.clip(ink, 0, 1) * inside


def _zigzag_corners(start: Vector, rise: Vector, width: int) -> list[tuple[Vector, Vector]]:
    """Return the corners, (column, row) with one number an image, of a zigzag that climbs by `rise`."""
    span = width - 1 - 2 * _MARGIN
    angle = np.arctan(rise / span)
    length = span / np.cos(angle)
    turns = int((span - _ZIG) // (2 * _ZIG)) + 1
    along = [np.zeros_like(length), *(np.full_like(length, (2 * i + 1) * _ZIG) for i in range(turns)), length]
    rest = np.maximum(length % (2 * _ZIG), 0.5)  # the last stroke is cut short, and flatter the longer it is
    last = _ZIG * (-1) ** (turns - 1) / (2 * rest)
    across = [np.zeros_like(length), *(np.full_like(length, (-1) ** i * _ZIG) for i in range(turns)), last]
    cosine, sine = np.cos(angle), np.sin(angle)
    return [
        (cosine * a - sine * b + _MARGIN, sine * a + cosine * b + start)
        for a, b in zip(along, across, strict=True)
    ]
