"""MNIST-C: the 15 corruptions of Mu and Gilmer (2019), https://arxiv.org/abs/1906.02337.

The benchmark uses each at one severity, here the default. Shot noise to spatter have five levels in the
authors' code too; stripes, lines and edges have one there, which is the default here, and weaker or
stronger levels that are ours. Lengths are in pixels of a 28 × 28 image.
"""

from __future__ import annotations

from functools import partial

from driftloop.corruptions import blur, digital, edges, geometry, lines, noise, weather
from driftloop.corruptions.corruption import Corruption, suite

# The authors blur glass along the columns only.
_glass_blur = partial(blur.glass_blur, swap=0.5, axes=(1,))

_ANGLES = ((0.2,), (0.4,), (0.6,), (0.8,), (1.0,))  # radians
_COUNTS = ((1,), (2,), (3,), (4,), (5,))

MNIST_C = suite(
    # expected photons of white
    Corruption("shot_noise", "noise", noise.shot_noise, ((60,), (25,), (12,), (5,), (3,)), 5),
    # share of the pixels
    Corruption(
        "impulse_noise", "noise", noise.impulse_noise, ((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)), 4
    ),
    # sigma, reach, rounds
    Corruption(
        "glass_blur", "blur", _glass_blur, ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)), 1
    ),
    # radius, sigma
    Corruption("motion_blur", "blur", blur.motion_blur, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)), 1),
    Corruption("shear", "geometric", geometry.shear, _ANGLES, 2),
    Corruption("scale", "geometric", geometry.scale, ((0.9,), (0.8,), (0.7,), (0.6,), (0.5,)), 3),
    Corruption("rotate", "geometric", geometry.rotate, _ANGLES, 2),
    Corruption("brightness", "digital", digital.brightness, ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)), 5),
    Corruption("translate", "geometric", geometry.translate, _COUNTS, 3),
    # share of the width, at either edge
    Corruption(
        "stripe", "occlusion", lines.stripe, ((2 / 28,), (4 / 28,), (7 / 28,), (10 / 28,), (12 / 28,)), 3
    ),
    # thickness, decay
    Corruption(
        "fog",
        "weather",
        partial(weather.fog, field=256),
        ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
        5,
    ),
    # mean, deviation, size, level, softness
    Corruption(
        "spatter",
        "weather",
        weather.mud,
        (
            (0.65, 0.3, 4, 0.69, 0.6),
            (0.65, 0.3, 3, 0.68, 0.6),
            (0.65, 0.3, 2, 0.68, 0.5),
            (0.65, 0.3, 1, 0.65, 1.5),
            (0.67, 0.4, 1, 0.65, 1.5),
        ),
        4,
    ),
    Corruption("dotted_line", "occlusion", lines.dotted_line, _COUNTS, 1),
    Corruption("zigzag", "occlusion", lines.zigzag, _COUNTS, 1),
    # how far it fades into its edges
    Corruption("canny_edges", "digital", edges.canny_edges, ((0.2,), (0.4,), (0.6,), (0.8,), (1.0,)), 5),
)
