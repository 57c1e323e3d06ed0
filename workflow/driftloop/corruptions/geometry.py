"""Geometry: the pixels keep their values and change their places, which no pixel filter can undo.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from driftloop.corruptions.raster import Floats, per_image, sample, smooth

Vector = npt.NDArray[np.float64]


def shear(images: Floats, rng: np.random.Generator, angle: float) -> Floats:
    """Slant upright lines by `angle` radians about the centre, to the left or to the right."""
    signed = angle * _signs(rng, len(images))
    one, zero = np.ones_like(signed), np.zeros_like(signed)
    return _affine(images, ((one, -np.tan(signed)), (zero, one)))


def rotate(images: Floats, rng: np.random.Generator, angle: float) -> Floats:
    """Rotate by `angle` radians about the centre, either way round."""
    signed = angle * _signs(rng, len(images))
    sine, cosine = np.sin(signed), np.cos(signed)
    return _affine(images, ((cosine, -sine), (sine, cosine)))


def scale(images: Floats, rng: np.random.Generator, factor: float) -> Floats:  # noqa: ARG001
    """Shrink to `factor` of the size about the centre, on black. Draws nothing."""
    inverse, zero = np.full(len(images), 1 / factor), np.zeros(len(images))
    return _affine(images, ((inverse, zero), (zero, inverse)))


def translate(images: Floats, rng: np.random.Generator, pixels: int) -> Floats:
    """Shift along a diagonal: `pixels` to the left or right, and as many up or down, on black."""
    down, right = (pixels * _signs(rng, len(images)).astype(np.float32) for _ in range(2))
    rows, columns = np.indices(images.shape[1:3], dtype=np.float32)
    return sample(images, rows + per_image(down), columns + per_image(right), "zero")


def elastic_transform(
    images: Floats, rng: np.random.Generator, strength: float, softness: float, jitter: float
) -> Floats:
    """Stretch like rubber: three corners of a square move, then each pixel a little, as its neighbours do.

    Args:
        images: float32 (N, H, W, C).
        rng: where the moves come from.
        strength: how far a pixel moves at most, before smoothing.
        softness: sigma of the Gaussian that makes neighbours move together.
        jitter: how far the corners move at most, along either axis.

    All three are in widths of the image.
    """
    count, height, width, _ = images.shape
    size = min(height, width)
    images = _tilt(images, rng, jitter * size)
    down, right = (
        smooth(2 * rng.random((count, height, width), dtype=np.float32) - 1, softness * size, mode="reflect")
        * np.float32(strength * size)
        for _ in range(2)
    )
    rows, columns = np.indices((height, width), dtype=np.float32)
    return sample(images, rows + down, columns + right, "reflect")


def _tilt(images: Floats, rng: np.random.Generator, jitter: float) -> Floats:
    """Move three corners of a square in the middle by up to `jitter` pixels, and all else with them."""
    count, height, width, _ = images.shape
    arm = min(height, width) // 3
    corners = np.array([height // 2, width // 2]) + arm * np.array([[1, 1], [-1, 1], [-1, -1]])
    moved = np.ones((count, 3, 3))
    moved[:, :, :2] = corners + rng.uniform(-jitter, jitter, (count, 3, 2))
    back = np.linalg.solve(moved, np.broadcast_to(corners.astype(float), (count, 3, 2))).astype(np.float32)
    rows, columns = np.indices((height, width), dtype=np.float32)
    read_rows, read_columns = (
        per_image(back[:, 0, to]) * rows + per_image(back[:, 1, to]) * columns + per_image(back[:, 2, to])
        for to in (0, 1)
    )
    return sample(images, read_rows, read_columns, "mirror")


def _signs(rng: np.random.Generator, count: int) -> Vector:
    """Draw -1 or 1 for each image."""
    return rng.choice((-1.0, 1.0), count)


def _affine(images: Floats, matrix: tuple[tuple[Vector, Vector], tuple[Vector, Vector]]) -> Floats:
    """Read each image at M (p - centre) + centre, with p = (column, row) and black outside."""
    height, width = images.shape[1:3]
    middle, centre = (height - 1) / 2, (width - 1) / 2
    rows, columns = np.indices((height, width), dtype=np.float32)
    rows, columns = rows - middle, columns - centre
    (xx, xy), (yx, yy) = ((per_image(v).astype(np.float32) for v in row) for row in matrix)
    return sample(images, yx * columns + yy * rows + middle, xx * columns + xy * rows + centre, "zero")
