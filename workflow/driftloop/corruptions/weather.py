"""Weather: fog, frost, snow, and spatters of mud and water.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape, not yet clipped. Method:
Hendrycks and Dietterich, ImageNet-C (2019), https://arxiv.org/abs/1903.12261.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy

from driftloop.corruptions.blur import motion_blur
from driftloop.corruptions.edges import find_edges
from driftloop.corruptions.raster import Floats, grey, smooth, zoom

# Red, green, blue. A grey image takes the first, as MNIST-C does.
_MUD: Floats = np.array([63, 42, 20], dtype=np.float32) / np.float32(255)
_WATER: Floats = np.array([175, 238, 238], dtype=np.float32) / np.float32(255)
_ICE = np.array([0.86, 0.94, 1.0], dtype=np.float32)


def fog(images: Floats, rng: np.random.Generator, thickness: float, decay: float, *, field: int) -> Floats:
    """Mix in a cloud: a plasma fractal's corner.

    Args:
        images: float32 (N, H, W, C).
        rng: where the clouds come from.
        thickness: how much of the cloud is added, relative to white.
        decay: by how much finer structure is weaker. Lower is rougher.
        field: side of the square on which the fractal is made, a power of two. In a field that is larger
            than the image the image sees a small and smooth part of a cloud.
    """
    count, height, width, _ = images.shape
    while field < max(height, width):
        field *= 2
    cloud = plasma(rng, count, field, decay, max(height, width))[:, :height, :width, None]
    brightest: Floats = images.max(axis=(1, 2, 3), keepdims=True)
    return (images + np.float32(thickness) * cloud) * (brightest / (brightest + np.float32(thickness)))


def plasma(rng: np.random.Generator, count: int, field: int, decay: float, crop: int) -> Floats:
    """Make fractal height maps by the diamond-square method on a torus, from 0 to 1 over the whole field.

    Only the corner that is returned is refined to single pixels where the field is much larger. The
    extremes of the field are then taken while points are four pixels apart: finer structure is too weak
    to move them much.

    Returns:
        float32 (count, crop, crop).
    """
    levels = field.bit_length() - 1
    apart, margin = (
        (4, 8) if field > crop + 16 else (1, 0)
    )  # the margin keeps the cut away from what is returned
    coarse = levels - apart.bit_length() + 1
    heights = np.zeros((count, 1, 1), dtype=np.float32)
    for level in range(coarse):
        heights = _refine(rng, heights, (100 / decay**level) ** 2)
    low: Floats = heights.min(axis=(1, 2), keepdims=True)
    high: Floats = heights.max(axis=(1, 2), keepdims=True)
    window = np.arange(-margin, crop + margin, apart) // apart
    heights = heights[:, window][:, :, window]
    for level in range(coarse, levels):
        heights = _refine(rng, heights, (100 / decay**level) ** 2)
    corner = heights[:, margin : margin + crop, margin : margin + crop]
    return (corner - low) / (high - low)


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


def frost(images: Floats, rng: np.random.Generator, keep: float, ice: float) -> Floats:
    """Overlay frost: `keep` of the image, and `ice` of a texture.

    The texture is generated: the ridges of a rough plasma fractal, which branch like crystals, bluish white
    on dark. The benchmark overlays photographs of frosted windows, which its authors ship and this package
    does not, so figures for frost do not compare with published ones.
    """
    count, height, width, channels = images.shape
    size = max(height, width)
    field = 1 << (2 * size - 1).bit_length()
    ridges = 1 - np.abs(2 * plasma(rng, count, field, 1.25, size)[:, :height, :width] - 1)
    low, high = np.percentile(ridges, (5, 95), axis=(1, 2), keepdims=True).astype(np.float32)
    texture: Floats = np.clip((ridges - low) / (high - low), 0, 1)[..., None] * _ICE[:channels]
    return np.float32(keep) * images + np.float32(ice) * texture


def snow(
    images: Floats,
    rng: np.random.Generator,
    mean: float,
    deviation: float,
    size: float,
    level: float,
    radius: int,
    sigma: float,
    keep: float,
) -> Floats:
    """Whiten the image, and let flakes fall: noise, enlarged by `size`, above `level`, smeared downwards.

    Args:
        images: float32 (N, H, W, C).
        rng: where the flakes come from.
        mean: of the noise.
        deviation: of the noise.
        size: of the flakes.
        level: below which there is no flake.
        radius: of the motion blur, in pixels.
        sigma: of the motion blur, in pixels.
        keep: how much of the image is not whitened.
    """
    noise = _noise(rng, images, mean, deviation)[..., None]
    flakes = zoom(noise, (size,))
    flakes = np.clip(np.where(flakes < level, np.float32(0), flakes), 0, 1)
    flakes = motion_blur(flakes, rng, radius, sigma, degrees=(-135, -45))
    white = np.maximum(images, grey(images)[..., None] * np.float32(1.5) + np.float32(0.5))
    whitened: Floats = np.float32(keep) * images + np.float32(1 - keep) * white
    return whitened + flakes + flakes[:, ::-1, ::-1]


def spatter(
    images: Floats, rng: np.random.Generator, liquid: Callable[..., Floats], *constants: float
) -> Floats:
    """Throw `liquid`, which is `mud` or `water`, with that one's constants."""
    return liquid(images, rng, *constants)


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
    cover = smooth(_noise(rng, images, mean, deviation), size) > level
    mask = smooth(cover.astype(np.float32), soft)
    mask = np.where(mask < 0.8, np.float32(0), mask)[..., None]
    return images * (1 - mask) + mask * _MUD[: images.shape[-1]]


def water(
    images: Floats,
    rng: np.random.Generator,
    mean: float,
    deviation: float,
    size: float,
    level: float,
    strength: float,
) -> Floats:
    """Throw water: drops where smoothed noise exceeds `level`, which glisten where they are deep."""
    liquid = smooth(_noise(rng, images, mean, deviation), size)
    liquid = np.floor(255 * np.clip(np.where(liquid < level, np.float32(0), liquid), 0, 1))
    drops = liquid * _relief(liquid)
    largest: Floats = drops.max(axis=(1, 2), keepdims=True)
    light: Floats = drops * np.float32(strength) / np.where(largest == 0, np.float32(1), largest)
    return images + light[..., None] * _WATER[: images.shape[-1]]


def _relief(liquid: Floats) -> Floats:
    """Return the light, 0 to 255, on drops: they are the deeper, the farther from their rim."""
    land = ~find_edges(liquid, low=50, high=150)
    # Images lie so far apart that no pixel's nearest rim is in another image.
    depth = scipy.ndimage.distance_transform_edt(land, sampling=(1e4, 1, 1)) if not land.all() else land * 1e4
    depth = np.minimum(depth, 20).astype(np.float32)
    box, emboss = np.full((1, 3, 3), 1 / 9), np.array([[[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]])
    depth = scipy.ndimage.correlate(depth, box, mode="mirror").astype(np.int64)
    light = scipy.ndimage.correlate(_equalise(depth).astype(np.float32), emboss, mode="mirror")
    relief: Floats = scipy.ndimage.correlate(np.clip(light, 0, 255), box, mode="mirror")
    return relief


def _equalise(levels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Spread each image's levels, (N, H, W), over 0 to 255, so that each is as frequent as the others."""
    count, size, kinds = len(levels), levels[0].size, int(levels.max()) + 1
    image = np.arange(count)[:, None, None]
    histogram = np.bincount((image * kinds + levels).ravel(), minlength=count * kinds).reshape(count, kinds)
    below = histogram.cumsum(axis=1)
    lowest = np.take_along_axis(below, levels.reshape(count, -1).min(axis=1)[:, None], axis=1)
    spread = np.round((below - lowest) * 255 / np.maximum(size - lowest, 1)).astype(np.int64)
    return np.where(lowest[:, :, None] == size, levels, spread[image, levels])


def _noise(rng: np.random.Generator, images: Floats, mean: float, deviation: float) -> Floats:
    noise = rng.standard_normal(images.shape[:3], dtype=np.float32)
    return np.float32(mean) + np.float32(deviation) * noise
