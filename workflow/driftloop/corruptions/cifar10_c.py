"""CIFAR-10-C: the 19 corruptions of Hendrycks and Dietterich (2019), https://arxiv.org/abs/1903.12261.

Fifteen standard ones and four more, all at severity 1 to 5. The benchmark averages over all five; where
one is needed and none is named, it is 3 here. Lengths are in pixels of a 32 x 32 image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from driftloop.corruptions import blur, digital, geometry, noise, weather
from driftloop.corruptions.corruption import Corruption, Family, suite
from driftloop.corruptions.raster import Floats
from driftloop.corruptions.weather import mud, water


def _entry(family: Family, function: Callable[..., Floats], *levels: Any, name: str = "") -> Corruption:
    """Return a corruption named like its function; a level with one constant is written without a tuple."""
    constants = tuple(level if isinstance(level, tuple) else (level,) for level in levels)
    return Corruption(name or function.__name__, family, function, constants, default_severity=3)


# The authors' shuffling of colour pixels copies where it means to swap.
_glass_blur = partial(blur.glass_blur, swap=0)
_fog = partial(weather.fog, field=32)

CIFAR10_C = suite(
    _entry("noise", noise.gaussian_noise, 0.04, 0.06, 0.08, 0.09, 0.10),  # deviation
    _entry("noise", noise.shot_noise, 500, 250, 100, 75, 50),  # expected photons of white
    _entry("noise", noise.impulse_noise, 0.01, 0.02, 0.03, 0.05, 0.07),  # share of the values
    _entry("blur", blur.defocus_blur, (0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),  # radius, softness
    _entry(  # sigma, reach, rounds
        "blur", _glass_blur, (0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2), name="glass_blur"
    ),
    _entry("blur", blur.motion_blur, (6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),  # radius, sigma
    _entry("blur", blur.zoom_blur, 1.06, 1.11, 1.16, 1.21, 1.26),  # largest enlargement
    _entry(  # mean, deviation, size, level; radius and sigma of the smear; share not whitened
        "weather",
        weather.snow,
        (0.10, 0.2, 1.00, 0.60, 8, 3, 0.95),
        (0.10, 0.2, 1.00, 0.50, 10, 4, 0.90),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.90),
        (0.25, 0.3, 2.25, 0.60, 12, 6, 0.85),
        (0.30, 0.3, 1.25, 0.65, 14, 12, 0.80),
    ),
    _entry("weather", weather.frost, (1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),  # image, ice
    _entry("weather", _fog, (0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75), name="fog"),  # thickness, decay
    _entry("digital", digital.brightness, 0.05, 0.10, 0.15, 0.20, 0.30),  # added value
    _entry("digital", digital.contrast, 0.75, 0.50, 0.40, 0.30, 0.15),  # share of the contrast left
    _entry(  # strength, softness, jitter of the corners
        "geometric",
        geometry.elastic_transform,
        (0.00, 0.00, 0.08),
        (0.05, 0.20, 0.07),
        (0.08, 0.06, 0.06),
        (0.10, 0.04, 0.05),
        (0.10, 0.03, 0.03),
    ),
    _entry("digital", digital.pixelate, 0.95, 0.90, 0.85, 0.75, 0.65),  # share of the size
    _entry("digital", digital.jpeg_compression, 80, 65, 58, 50, 40),  # quality
    _entry("noise", noise.speckle_noise, 0.06, 0.10, 0.12, 0.16, 0.20),  # deviation
    _entry("blur", blur.gaussian_blur, 0.4, 0.6, 0.7, 0.8, 1.0),  # sigma
    _entry(  # mean, deviation, size, level, then the strength of water, the softness of mud
        "weather",
        weather.spatter,
        (water, 0.62, 0.1, 0.7, 0.70, 0.5),
        (water, 0.65, 0.1, 0.8, 0.70, 0.5),
        (water, 0.65, 0.3, 1.0, 0.69, 0.5),
        (mud, 0.65, 0.1, 0.7, 0.69, 0.6),
        (mud, 0.65, 0.1, 0.5, 0.68, 0.6),
    ),
    _entry("digital", digital.saturate, (0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),  # factor, offset
)
