"""CIFAR-10-C: the 19 corruptions of Hendrycks and Dietterich (2019), https://arxiv.org/abs/1903.12261.

Fifteen standard ones and four more, all at severity 1 to 5. The benchmark averages over all five. Where
one is needed and none is named, it is 3 here. Lengths are in pixels of a 32 x 32 image.
"""

from __future__ import annotations

from functools import partial

from driftloop.corruptions import blur, digital, geometry, noise, weather
from driftloop.corruptions.corruption import define, suite

# The authors' shuffling of colour pixels copies where it means to swap.
_glass_blur = partial(blur.glass_blur, swap=0)
_fog = partial(weather.fog, field=32)

CIFAR10_C = suite(
    # standard deviation
    define("gaussian_noise", "noise", noise.gaussian_noise, 0.04, 0.06, 0.08, 0.09, 0.10),
    # expected photons of white
    define("shot_noise", "noise", noise.shot_noise, 500, 250, 100, 75, 50),
    # share of the values
    define("impulse_noise", "noise", noise.impulse_noise, 0.01, 0.02, 0.03, 0.05, 0.07),
    # radius, softness
    define(
        "defocus_blur", "blur", blur.defocus_blur, (0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)
    ),
    # sigma, reach, rounds
    define(
        "glass_blur", "blur", _glass_blur, (0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)
    ),
    # radius, sigma
    define("motion_blur", "blur", blur.motion_blur, (6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    # largest enlargement
    define("zoom_blur", "blur", blur.zoom_blur, 1.06, 1.11, 1.16, 1.21, 1.26),
    # mean, deviation, size and level of the flakes; radius and sigma of their smear; share not whitened
    define(
        "snow",
        "weather",
        weather.snow,
        (0.10, 0.2, 1.00, 0.60, 8, 3, 0.95),
        (0.10, 0.2, 1.00, 0.50, 10, 4, 0.90),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.90),
        (0.25, 0.3, 2.25, 0.60, 12, 6, 0.85),
        (0.30, 0.3, 1.25, 0.65, 14, 12, 0.80),
    ),
    # share of the image, share of the ice
    define("frost", "weather", weather.frost, (1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    # thickness, decay
    define("fog", "weather", _fog, (0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    # added value
    define("brightness", "digital", digital.brightness, 0.05, 0.10, 0.15, 0.20, 0.30),
    # share of the contrast that is left
    define("contrast", "digital", digital.contrast, 0.75, 0.50, 0.40, 0.30, 0.15),
    # strength, softness, jitter of the corners
    define(
        "elastic_transform",
        "geometric",
        geometry.elastic_transform,
        (0.00, 0.00, 0.08),
        (0.05, 0.20, 0.07),
        (0.08, 0.06, 0.06),
        (0.10, 0.04, 0.05),
        (0.10, 0.03, 0.03),
    ),
    # share of the size
    define("pixelate", "digital", digital.pixelate, 0.95, 0.90, 0.85, 0.75, 0.65),
    # quality
    define("jpeg_compression", "digital", digital.jpeg_compression, 80, 65, 58, 50, 40),
    # standard deviation, relative to the brightness
    define("speckle_noise", "noise", noise.speckle_noise, 0.06, 0.10, 0.12, 0.16, 0.20),
    # sigma
    define("gaussian_blur", "blur", blur.gaussian_blur, 0.4, 0.6, 0.7, 0.8, 1.0),
    # mean, deviation, size and level of the blobs. Then the strength of water, the softness of mud
    define(
        "spatter",
        "weather",
        weather.spatter,
        (weather.water, 0.62, 0.1, 0.7, 0.70, 0.5),
        (weather.water, 0.65, 0.1, 0.8, 0.70, 0.5),
        (weather.water, 0.65, 0.3, 1.0, 0.69, 0.5),
        (weather.mud, 0.65, 0.1, 0.7, 0.69, 0.6),
        (weather.mud, 0.65, 0.1, 0.5, 0.68, 0.6),
    ),
    # factor, offset
    define("saturate", "digital", digital.saturate, (0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
)
