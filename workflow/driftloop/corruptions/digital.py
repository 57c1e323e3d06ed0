"""Digital: what a camera's or a codec's processing does to colours and blocks.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape, not yet clipped. None draws
random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image

from driftloop.corruptions.raster import Floats, strongest


def brightness(images: Floats, rng: np.random.Generator, amount: float) -> Floats:  # noqa: ARG001
    """Add to the value of hue, saturation and value, which leaves the other two alone."""
    value = strongest(images)
    brighter = np.clip(value + np.float32(amount), 0, 1)
    black = value == 0
    gain: Floats = brighter / np.where(black, np.float32(1), value)
    return np.where(black, brighter, images * gain)


def saturate(images: Floats, rng: np.random.Generator, factor: float, offset: float) -> Floats:  # noqa: ARG001
    """Multiply the saturation by `factor` and add `offset`. Grey images have none and stay as they are."""
    if images.shape[-1] == 1:
        return images.copy()
    value = strongest(images)
    shortfall = value - images  # how far each channel lies below the largest
    saturation = strongest(shortfall) / np.where(value == 0, np.float32(1), value)
    wanted: Floats = np.clip(saturation * np.float32(factor) + np.float32(offset), 0, 1)
    grey = saturation == 0
    # A grey pixel's hue is red by convention: green and blue are what it gives up.
    red = value * np.array([0, 1, 1], dtype=np.float32)
    colour: Floats = np.where(grey, red, shortfall / np.where(grey, np.float32(1), saturation))
    return value - colour * wanted


def contrast(images: Floats, rng: np.random.Generator, factor: float) -> Floats:  # noqa: ARG001
    """Draw each channel towards its own mean, leaving `factor` of the difference."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    contrasted: Floats = (images - mean) * np.float32(factor) + mean
    return contrasted


def jpeg_compression(images: Floats, rng: np.random.Generator, quality: int) -> Floats:  # noqa: ARG001
    """Encode as JPEG of this quality, and decode."""

    def recode(picture: Image.Image) -> Image.Image:
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    return _each(images, recode)


def pixelate(images: Floats, rng: np.random.Generator, share: float) -> Floats:  # noqa: ARG001
    """Shrink to `share` of the size and enlarge again, both by whole pixels."""
    height, width = images.shape[1:3]
    small = int(width * share), int(height * share)
    box = Image.Resampling.BOX
    return _each(images, lambda picture: picture.resize(small, box).resize((width, height), box))


def _each(images: Floats, change: Callable[[Image.Image], Image.Image]) -> Floats:
    """Apply a function of Pillow images, which has no batches, to one image after the other."""
    levels = np.round(images * 255).astype(np.uint8)
    pictures = (Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image) for image in levels)
    changed = np.stack([np.asarray(change(picture)) for picture in pictures])
    return changed.reshape(images.shape).astype(np.float32) / np.float32(255)
