"""Canny's edge detector (1986) on a batch of grey images at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from driftloop.corruptions.raster import Floats, grey, smooth

Mask = npt.NDArray[np.bool_]


def canny_edges(images: Floats, rng: np.random.Generator, share: float) -> Floats:  # noqa: ARG001
    """Fade the image into its edges, `share` of the way: 1 leaves nothing but white edges. Draws nothing."""
    layers = grey(images)
    # Beyond the border is nothing, so the weights of what lies inside are made up for.
    inside = smooth(np.ones((1, *layers.shape[1:]), dtype=np.float32), 1.0, mode="constant")
    edges = find_edges(smooth(layers, 1.0, mode="constant") / inside, low=0.1, high=0.2, rim=1)
    return images + np.float32(share) * (edges[..., None] - images)


def find_edges(layers: Floats, *, low: float, high: float, rim: int = 0) -> Mask:
    """Return where edges are, (N, H, W): ridges of the gradient above `low` that touch one above `high`.

    Args:
        layers: grey images, already smoothed, (N, H, W).
        low: the least gradient of an edge, in the unit of Sobel's operator.
        high: the gradient that one of its pixels must reach.
        rim: how many pixels along the border are never edges.
    """
    down, right = _sobel(layers, 1, 2), _sobel(layers, 2, 1)
    strength = np.hypot(down, right)
    ridge = _ridges(down, right, strength) & (strength >= low)
    if rim:
        ridge[:, :rim] = ridge[:, -rim:] = False
        ridge[:, :, :rim] = ridge[:, :, -rim:] = False
    touching = np.zeros((3, 3, 3), dtype=bool)
    touching[1] = True
    labels, count = scipy.ndimage.label(ridge, touching)
    strong = np.zeros(count + 1, dtype=bool)
    strong[labels[ridge & (strength >= high)]] = True
    edges: Mask = strong[labels]
    return edges


def _sobel(layers: Floats, along: int, across: int) -> Floats:
    slope = scipy.ndimage.correlate1d(layers, [-1, 0, 1], axis=along)
    smoothed: Floats = scipy.ndimage.correlate1d(slope, [1, 2, 1], axis=across)
    return smoothed


def _ridges(down: Floats, right: Floats, strength: Floats) -> Mask:
    """Return where the gradient is no weaker than just before and just after, along its own direction."""
    padded = np.pad(strength, ((0, 0), (1, 1), (1, 1)))
    flat, stride = padded.reshape(-1), padded.shape[2]
    here = np.arange(flat.size).reshape(padded.shape)[:, 1:-1, 1:-1]
    steep = np.abs(down) >= np.abs(right)
    vertical, horizontal = np.where(down < 0, -stride, stride), np.where(right < 0, -1, 1)
    straight = np.where(steep, vertical, horizontal)
    diagonal = vertical + horizontal
    down, right = np.abs(down), np.abs(right)
    weight = np.minimum(down, right) / np.maximum(np.maximum(down, right), np.float32(1e-12))
    ridge = np.ones_like(steep)
    for side in (1, -1):
        beside = (1 - weight) * flat[here + side * straight] + weight * flat[here + side * diagonal]
        ridge &= beside <= strength
    return ridge
