"""Noise: every value of every channel is changed on its own.

All functions take float32 (N, H, W, C) in [0, 1] and return the same shape, not yet clipped.
"""

from __future__ import annotations

import numpy as np

from driftloop.corruptions.raster import Floats


def gaussian_noise(images: Floats, rng: np.random.Generator, deviation: float) -> Floats:
    """Add normal noise, as in dim light."""
    return images + np.float32(deviation) * rng.standard_normal(images.shape, dtype=np.float32)


def shot_noise(images: Floats, rng: np.random.Generator, photons: float) -> Floats:
    """Count photons: Poisson noise, where white is `photons` expected counts."""
    return rng.poisson(images * np.float32(photons)).astype(np.float32) / np.float32(photons)


def impulse_noise(images: Floats, rng: np.random.Generator, amount: float) -> Floats:
    """Set a share `amount` of the values to black or white, each half the time (salt and pepper)."""
    draw = rng.random(images.shape, dtype=np.float32)
    salted = np.where(draw < amount / 2, np.float32(1), images)
    return np.where((draw >= amount / 2) & (draw < amount), np.float32(0), salted)


def speckle_noise(images: Floats, rng: np.random.Generator, deviation: float) -> Floats:
    """Add normal noise in proportion to the brightness."""
    return images + images * np.float32(deviation) * rng.standard_normal(images.shape, dtype=np.float32)
