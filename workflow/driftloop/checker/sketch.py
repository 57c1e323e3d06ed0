"""A sketch of a filter: learnt in a second, without a network, so that a reviewer sees what one would do.

Each pixel of the clean image is a ridge regression on the neighbourhood of the same pixel in the corrupted
one, seen directly and through fixed random units. This is an extreme learning machine (Huang, Zhu and Siew,
Neurocomputing 70, 2006). The real filter, `driftloop.improver.filters`, is larger, trained for longer, and
looks at how strong the corruption is. This one only shows where it will lead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import uniform_filter

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_RADIUS = 3
_AROUND = (9, 17)
"""Sides of the squares whose mean stands for what is farther away."""
_UNITS = 192
_PIXELS = 24_000
_RIDGE = 1.0
_CHUNK = 16


@dataclass(frozen=True)
class Sketch:
    """A filter that was sketched. Call it on uint8 images (N, H, W, C) to see them restored."""

    mean: Floats
    scale: Floats
    units: Floats
    shift: Floats
    weights: Floats

    def __call__(self, images: Images) -> Images:
        """Return the images as the filter leaves them, uint8 of the same shape."""
        result = np.empty_like(images)
        for start in range(0, len(images), _CHUNK):
            part = images[start : start + _CHUNK]
            seen = _see(part).reshape(-1, len(self.mean))
            restored = (self.hidden(seen) @ self.weights).reshape(part.shape)
            result[start : start + _CHUNK] = (255 * (restored + 0.5).clip(0, 1)).round()
        return result

    def hidden(self, seen: Floats) -> Floats:
        """Return what the regression starts from, (n, F), of neighbourhoods (n, D)."""
        scaled = (seen - self.mean) / self.scale
        ones = np.ones((len(seen), 1), dtype=np.float32)
        return np.concatenate([scaled, np.maximum(scaled @ self.units + self.shift, 0), ones], axis=1)


def sketch_filter(corrupted: Images, clean: Images, *, seed: int = 0) -> Sketch:
    """Learn to restore from pairs.

    Args:
        corrupted: uint8 (N, H, W, C), H and W at least 8.
        clean: the same images without the corruption.
        seed: of the pixels that it learns from, and of the random units.
    """
    rng = np.random.default_rng(seed)
    count = corrupted[..., 0].size
    chosen = np.sort(rng.choice(count, min(_PIXELS, count), replace=False))
    places = np.unravel_index(chosen, corrupted.shape[:3])
    seen = _see(corrupted, places)
    goal = _centred(clean)[places]
    width = seen.shape[1]
    start = Sketch(
        mean=seen.mean(axis=0),
        scale=seen.std(axis=0) + np.float32(0.01),
        units=(1.5 * rng.standard_normal((width, _UNITS)) / np.sqrt(width)).astype(np.float32),
        shift=rng.standard_normal(_UNITS).astype(np.float32),
        weights=np.empty(0, dtype=np.float32),
    )
    hidden = start.hidden(seen)
    square = hidden.T @ hidden + _RIDGE * np.eye(hidden.shape[1], dtype=np.float32)
    weights = np.linalg.solve(square, hidden.T @ goal)
    return Sketch(start.mean, start.scale, start.units, start.shift, weights)


def _centred(images: Images) -> Floats:
    return images.astype(np.float32) / np.float32(255) - np.float32(0.5)


def _see(images: Images, places: tuple[npt.NDArray[np.intp], ...] | None = None) -> Floats:
    """Return what surrounds each pixel, or each of those at `places`: float32 (..., D).

    That is the square around it, the means of larger squares, and four figures of the whole image.
    """
    values = _centred(images)
    edge = (_RADIUS, _RADIUS)
    padded = np.pad(values, ((0, 0), edge, edge, (0, 0)), mode="edge")
    squares = sliding_window_view(padded, (2 * _RADIUS + 1,) * 2, axis=(1, 2))
    around = [uniform_filter(values, (0, side, side, 0), mode="nearest") for side in _AROUND]
    figures = [figure(values, axis=(1, 2)) for figure in (np.mean, np.std, np.min, np.max)]
    whole = np.concatenate(figures, axis=1)[:, None, None]
    parts = [squares, *around, np.broadcast_to(whole, (*values.shape[:3], whole.shape[-1]))]
    if places is not None:
        parts = [part[places] for part in parts]
    leading = parts[-1].shape[:-1]
    return np.concatenate([part.reshape(*leading, -1) for part in parts], axis=-1, dtype=np.float32)
