"""MNIST-C: the 15 corruptions of Mu and Gilmer (2019), https://arxiv.org/abs/1906.02337.

The benchmark uses each at one severity, here the default. Shot noise to spatter have five levels in the
authors' code too. Stripes, lines and edges have one there, which is the default here, and weaker or
stronger levels that are ours. Lengths are in pixels of a 28 x 28 image.
"""

from __future__ import annotations

from functools import partial

from driftloop.corruptions import blur, digital, edges, geometry, lines, noise, weather
from driftloop.corruptions.corruption import define, suite

# The authors blur glass along the columns only.
_glass_blur = partial(blur.glass_blur, swap=0.5, axes=(1,))

MNIST_C = suite(
    define("shot_noise", "noise", noise.shot_noise, 60, 25, 12, 5, 3, default=5),  # expected photons of white
    define("impulse_noise", "noise", noise.impulse_noise, 0.03, 0.06, 0.09, 0.17, 0.27, default=4),  # share
    define(
        "glass_blur",
        "blur",
        _glass_blur,
        *((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),  # sigma, reach, rounds
        default=1,
    ),
    define(
        "motion_blur",
        "blur",
        blur.motion_blur,
        *((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),  # radius, sigma
        default=1,
    ),
    define("shear", "geometric", geometry.shear, 0.2, 0.4, 0.6, 0.8, 1.0, default=2),  # radians
    define("scale", "geometric", geometry.scale, 0.9, 0.8, 0.7, 0.6, 0.5, default=3),  # of the size
    define("rotate", "geometric", geometry.rotate, 0.2, 0.4, 0.6, 0.8, 1.0, default=2),  # radians
    define("brightness", "digital", digital.brightness, 0.1, 0.2, 0.3, 0.4, 0.5, default=5),  # added value
    define("translate", "geometric", geometry.translate, 1, 2, 3, 4, 5, default=3),  # pixels
    define(
        "stripe", "occlusion", lines.stripe, 1 / 14, 1 / 7, 1 / 4, 5 / 14, 3 / 7, default=3
    ),  # of the width
    define(
        "fog",
        "weather",
        partial(weather.fog, field=256),
        *((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),  # thickness, decay
        default=5,
    ),
    define(
        "spatter",
        "weather",
        weather.mud,
        (0.65, 0.3, 4, 0.69, 0.6),  # mean, deviation, size, level, softness
        (0.65, 0.3, 3, 0.68, 0.6),
        (0.65, 0.3, 2, 0.68, 0.5),
        (0.65, 0.3, 1, 0.65, 1.5),
        (0.67, 0.4, 1, 0.65, 1.5),
        default=4,
    ),
    define("dotted_line", "occlusion", lines.dotted_line, 1, 2, 3, 4, 5, default=1),  # lines
    define("zigzag", "occlusion", lines.zigzag, 1, 2, 3, 4, 5, default=1),  # lines
    define("canny_edges", "digital", edges.canny_edges, 0.2, 0.4, 0.6, 0.8, 1.0, default=5),  # of the way
)
