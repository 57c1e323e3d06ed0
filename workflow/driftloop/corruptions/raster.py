"""Building blocks that several corruptions share: colour to grey, smoothing, sampling between pixels.

Inside this package a batch of images is float32 (N, H, W, C) in [0, 1], and a batch of layers without
colour (noise, masks, edges) is float32 (N, H, W).
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy  # loads a submodule when it is first used, which keeps `import driftloop.corruptions` light

Floats = npt.NDArray[np.float32]
Border = Literal["zero", "mirror", "reflect"]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def grey(images: Floats) -> Floats:
    """Return the luminance, (N, H, W), of images with one or three channels."""
    return images[..., 0] if images.shape[-1] == 1 else images @ _LUMA


def strongest(images: Floats) -> Floats:
    """Return each pixel's largest channel, (N, H, W, 1): the value in hue, saturation and value.

    Pairwise maxima are some ten times as fast as numpy's maximum over so short an axis.
    """
    return reduce(np.maximum, (images[..., channel, None] for channel in range(images.shape[-1])))


def smooth(layers: Floats, sigma: float, *, axes: tuple[int, ...] = (1, 2), mode: str = "nearest") -> Floats:
    """Smooth each image or layer with a Gaussian of standard deviation `sigma` pixels along `axes`."""
    if sigma <= 0:
        return layers
    for axis in axes:
        layers = scipy.ndimage.gaussian_filter1d(layers, sigma, axis=axis, mode=mode)
    return layers


def per_image(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Shape one number an image, (N,), so that it broadcasts against layers, (N, H, W)."""
    return values[:, None, None]


def zoom(images: Floats, factors: tuple[float, ...]) -> Floats:
    """Return the mean of the enlargements of images, (N, H, W, C), about their middle by `factors`."""
    count, height, width, channels = images.shape
    pixels = images.reshape(count, height * width, channels).swapaxes(0, 1).reshape(height * width, -1)
    zoomed = _zoom_operator(height, width, factors) @ pixels
    by_image = zoomed.reshape(height * width, count, channels).swapaxes(0, 1)
    return np.ascontiguousarray(by_image).reshape(images.shape)


@lru_cache(maxsize=32)
def _zoom_operator(height: int, width: int, factors: tuple[float, ...]) -> Any:
    """Return the sparse matrix that takes an image's pixels to the mean of its enlargements."""
    both = [scipy.sparse.kron(_zoom_axis(height, f), _zoom_axis(width, f), format="csr") for f in factors]
    return (sum(both[1:], start=both[0]) / len(both)).astype(np.float32)


def _zoom_axis(size: int, factor: float) -> npt.NDArray[np.float64]:
    """Return the matrix, (size, size), that enlarges the middle of one axis by linear interpolation."""
    cropped = int(np.ceil(size / factor))
    enlarged = round(cropped * factor)
    kept = np.arange(size) + (enlarged - size) // 2
    position = kept * (cropped - 1) / max(enlarged - 1, 1)
    nearness = 1 - np.abs(position[:, None] - np.arange(cropped))
    matrix = np.zeros((size, size))
    first = (size - cropped) // 2
    matrix[:, first : first + cropped] = np.maximum(nearness, 0)
    return matrix


def sample(images: Floats, rows: Floats, columns: Floats, border: Border) -> Floats:
    """Read images between pixels by bilinear interpolation.

    Args:
        images: (N, H, W, C).
        rows: where to read, in pixels, (N, H, W) or broadcastable to it.
        columns: the same for the columns.
        border: what lies outside: `zero`, or the image folded over at its edge pixel, which is not
            repeated (`mirror`, dcb|abcd|cba) or is (`reflect`, abcd|dcba).

    Returns:
        The values read, (N, H, W, C).
    """
    count, height, width, channels = images.shape
    flat = images.reshape(-1, channels)
    first = per_image(np.arange(count, dtype=np.int64) * (height * width))
    top, left = np.floor(rows), np.floor(columns)
    down, right = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    result = np.zeros_like(images)
    for row, row_weight in ((top, 1 - down), (top + 1, down)):
        row_index, row_weight = _fold(row, row_weight, height, border)
        for column, column_weight in ((left, 1 - right), (left + 1, right)):
            column_index, column_weight = _fold(column, column_weight, width, border)
            weight = (row_weight * column_weight)[..., None]
            result += weight * flat.take(first + row_index * width + column_index, axis=0)
    return result


def _fold(
    index: npt.NDArray[Any], weight: Floats, size: int, border: Border
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Bring indices that lie outside [0, size) inside, or take away their weight."""
    index = index.astype(np.int64)
    if border == "zero":
        return np.clip(index, 0, size - 1), weight * ((index >= 0) & (index < size))
    if border == "mirror":
        index = np.abs((index + size - 1) % (2 * size - 2) - (size - 1))
        return index, weight
    index %= 2 * size
    return np.minimum(index, 2 * size - 1 - index), weight
