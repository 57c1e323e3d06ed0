"""Geometry: the pixels keep their values and change their places, which no pixel filter can undo.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from driftloop.corruptions.raster import Floats, per_image, sample, smooth


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
    """Stretch like rubber: three points of a triangle move, then each pixel a little, together with its neighbours.

    Args:
        images: float32 (N, H, W, C).
        rng: where the moves come from.
        strength: how far a pixel moves at most, before smoothing.
        softness: sigma of the Gaussian that makes neighbours move together.
        jitter: how far the corners of the triangle move at most, along either axis.

    All three are in widths of the image.
    """
    count, height, width, _ = images.shape
    size = min(height, width)
    rows, columns = np.indices((height, width), dtype=np.float32)
    to_row, to_column = _triangle_moves(rng, count, height, width, jitter * size)
    moved = sample(
        images,
        *(per_image(to[:, 0]) * columns + per_image(to[:, 1]) * rows + per_image(to[:, 2]) for to in (to_row, to_column)),
        "mirror",
    )
    right, down = (
        smooth(
            2 * rng.random((count, height, width), dtype=np.float32) - 1, softness * size, mode="reflect", truncate=3
        )
        * np.float32(strength * size)
        for _ in range(2)
    )
    return sample(moved, rows + down, columns + right, "reflect")


def _triangle_moves(
    rng: np.random.Generator, count: int, height: int, width: int, jitter: float
) -> tuple[Floats, Floats]:
    """Return, (N, 3) each, how the row and the column to read depend on column, row and 1."""
    centre = np.array([width // 2, height // 2], dtype=float)
    arm = min(height, width) // 3
    corners = centre + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = corners + rng.uniform(-jitter, jitter, (count, 3, 2))
    moved = np.concatenate([moved, np.ones((count, 3, 1))], axis=-1)
    back = np.linalg.solve(moved, np.broadcast_to(corners, (count, 3, 2))).astype(np.float32)
    return back[..., 1], back[..., 0]


Vector = npt.NDArray[np.float64]


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
