"""Images damaged on purpose, with known labels: what teaches the checker how mistakes look from outside.

The damages are generic: noise, blur, a warp, a change of light or of tones, things in the way, two images in
one, coarse pixels, displaced ones. They imitate no benchmark's corruptions. They come as small windows: all
images of one suffer the same one or two damages at the same strength, as production's do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from driftloop.models.features import Features
from driftloop.spill import empty_images, release

Images = npt.NDArray[np.float64]

WINDOWS, SIZE = 320, 50
_UNHARMED, _TWICE, _UNEVEN = 0.2, 0.5, 0.3
"""Shares of the windows that suffer nothing. Two damages; whose classes come in other proportions."""


class Damage(Protocol):
    """What can happen to images."""

    def __call__(self, images: Images, strength: float, rng: np.random.Generator) -> Images:
        """Damage images (N, H, W, C) in [0, 1] with a strength in [0, 1]. What comes out is clipped."""


@dataclass(frozen=True)
class Exposure:
    """What a classifier makes of damaged images, and whether it is right.

    Attributes:
        features: of N damaged images.
        correct: bool (N,), whether each prediction is the true label.
        windows: int64 (N,), which window each image is of.
        damages: int64 (N,), the first damage that it suffered, by place in the names. -1 is none.
    """

    features: Features
    correct: npt.NDArray[np.bool_]
    windows: npt.NDArray[np.int64]
    damages: npt.NDArray[np.int64]


def expose(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    predict: Callable[[npt.NDArray[np.uint8]], Features],
    *,
    seed: int,
    damages: tuple[str, ...] | None = None,
) -> Exposure:
    """Damage labelled images and show them to a classifier, as 320 windows of 50.

    Args:
        images: uint8 (N, H, W, C), that the classifier was not trained on. They may
            come several times.
        labels: int64 (N,).
        predict: the classifier.
        seed: of everything random.
        damages: names out of `DAMAGES`. All of them by default.
    """
    rng = np.random.default_rng(seed)
    names = tuple(DAMAGES) if damages is None else damages
    chosen = np.stack([_choose(labels, rng) for _ in range(WINDOWS)])
    damaged, first = empty_images((WINDOWS, SIZE, *images.shape[1:])), []
    for place, index in enumerate(chosen):
        suffered = _draw(names, place, rng)
        picture = images[index] / 255.0
        for damage in suffered:
            picture = np.clip(DAMAGES[names[damage]](picture, rng.uniform(0.05, 1), rng), 0, 1)
        damaged[place] = np.round(picture * 255)
        release(damaged, images)
        first.append(suffered[0] if suffered else -1)
    features = predict(damaged.reshape(-1, *images.shape[1:]))
    return Exposure(
        features,
        features.logits.argmax(axis=1) == labels[chosen.ravel()],
        np.repeat(np.arange(WINDOWS), SIZE),
        np.repeat(np.array(first, dtype=np.int64), SIZE),
    )


def _choose(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return the images of a window, for some windows with other proportions of classes."""
    if rng.random() >= _UNEVEN:
        return rng.choice(len(labels), SIZE)
    _, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weight = (rng.dirichlet(np.full(len(counts), 0.5)) / counts)[group]
    return rng.choice(len(labels), SIZE, p=weight / weight.sum())


def _draw(names: tuple[str, ...], place: int, rng: np.random.Generator) -> list[int]:
    """Return the damages of a window; as the first one, the damages take turns."""
    if rng.random() < _UNHARMED:
        return []
    return [place % len(names), *([int(rng.integers(len(names)))] if rng.random() < _TWICE else [])]


def _noise(images: Images, strength: float, rng: np.random.Generator) -> Images:
    return images + 0.6 * strength * rng.standard_normal(images.shape)


def _specks(images: Images, strength: float, rng: np.random.Generator) -> Images:
    hit = rng.random((*images.shape[:3], 1)) < 0.4 * strength
    return np.where(hit, rng.random(images.shape), images)


def _blur(images: Images, strength: float, rng: np.random.Generator) -> Images:
    down, across = strength * images.shape[1] / 11 * rng.uniform(0.2, 1, 2)
    return np.asarray(ndimage.gaussian_filter(images, (0, down, across, 0)))


def _warp(images: Images, strength: float, rng: np.random.Generator) -> Images:
    """Apply one affine map to all, and move each by a little."""
    matrix = np.eye(2) + 0.7 * strength * rng.uniform(-1, 1, (2, 2))
    middle = (np.array(images.shape[1:3]) - 1) / 2
    moved = np.empty_like(images)
    for place, image in enumerate(images):
        shift = 0.2 * strength * rng.uniform(-1, 1, 2) * images.shape[1:3]
        offset = middle - matrix @ (middle + shift)
        for channel in range(image.shape[2]):
            moved[place, ..., channel] = ndimage.affine_transform(
                image[..., channel], matrix, offset, order=1
            )
    return moved


def _light(images: Images, strength: float, rng: np.random.Generator) -> Images:
    return np.asarray(np.exp(strength * rng.uniform(-1.5, 1.0)) * images + strength * rng.uniform(-0.3, 0.7))


def _tones(images: Images, strength: float, rng: np.random.Generator) -> Images:
    """Map levels through a random curve, which may turn light and dark about."""
    curve = np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, 4), rng.random(4))
    return (1 - strength) * images + strength * curve[np.round(images * 255).astype(np.int64)]


def _clouds(images: Images, strength: float, rng: np.random.Generator) -> Images:
    field = rng.standard_normal((*images.shape[:3], 1))
    smooth = ndimage.gaussian_filter(field, (0, images.shape[1] / 9, images.shape[2] / 9, 0))
    smooth = smooth / np.abs(smooth).max(axis=(1, 2), keepdims=True)
    return np.asarray(images + strength * smooth)


def _bars(images: Images, strength: float, rng: np.random.Generator) -> Images:
    covered = images.copy()
    height, width = images.shape[1:3]
    for image in covered:
        tall, wide = (1 + int(strength * rng.uniform() * side * 0.7) for side in (height, width))
        top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
        image[top : top + tall, left : left + wide] = rng.uniform()
    return covered


def _mixture(images: Images, strength: float, rng: np.random.Generator) -> Images:
    return np.maximum(images, strength * images[rng.permutation(len(images))])


def _coarse(images: Images, strength: float, rng: np.random.Generator) -> Images:  # noqa: ARG001
    """Keep fewer pixels of each row and column."""
    down, across = (
        np.linspace(0, side - 1, max(3, round(side * (1 - 0.8 * strength)))).round().astype(np.int64)
        for side in images.shape[1:3]
    )
    near = [
        np.abs(np.arange(side)[:, None] - kept).argmin(axis=1)
        for side, kept in zip(images.shape[1:3], (down, across), strict=True)
    ]
    return images[:, down[near[0]]][:, :, across[near[1]]]


def _displace(images: Images, strength: float, rng: np.random.Generator) -> Images:
    """Take each pixel from somewhere near it, neighbours from alike places."""
    height, width = images.shape[1:3]
    ripple = rng.uniform(0, height / 12)
    rows, columns = np.indices((height, width))
    moved = np.empty_like(images)
    for place, image in enumerate(images):
        field = ndimage.gaussian_filter(rng.standard_normal((2, height, width)), (0, ripple, ripple))
        field *= strength * height / 9 / max(float(field.std()), 1e-9)
        at = (
            np.clip(np.stack([rows, columns]) + field, 0, [[[height - 1]], [[width - 1]]])
            .round()
            .astype(np.int64)
        )
        moved[place] = image[at[0], at[1]]
    return moved


DAMAGES: dict[str, Damage] = {
    "noise": _noise,
    "specks": _specks,
    "blur": _blur,
    "warp": _warp,
    "light": _light,
    "tones": _tones,
    "clouds": _clouds,
    "bars": _bars,
    "mixture": _mixture,
    "coarse": _coarse,
    "displace": _displace,
}
