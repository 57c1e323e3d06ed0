"""Images damaged on purpose, with known labels: what teaches the checker how mistakes look from outside.

The damages are generic (noise, blur, a warp, a change of light, things in the way, two images in one) and
of random strength; they imitate no benchmark's corruptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from driftloop.checker.features import Features

Images = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Exposure:
    """What a classifier makes of damaged images, and whether it is right.

    Attributes:
        features: of N damaged images.
        correct: bool (N,), whether each prediction is the true label.
        damages: int64 (N,), which damage each image suffered; 0 is none.
    """

    features: Features
    correct: npt.NDArray[np.bool_]
    damages: npt.NDArray[np.int64]


def expose(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    predict: Callable[[npt.NDArray[np.uint8]], Features],
    *,
    seed: int,
    damages: tuple[str, ...] | None = None,
) -> Exposure:
    """Damage labelled images and show them to a classifier.

    Each image suffers one damage, the damages taking turns over a random order; one share is left as it is.

    Args:
        images: uint8 (N, H, W, C), of which the classifier should know nothing: not trained on.
        labels: int64 (N,).
        predict: the classifier.
        seed: of everything random.
        damages: names out of `DAMAGES`; all of them by default.
    """
    rng = np.random.default_rng(seed)
    names = tuple(DAMAGES) if damages is None else damages
    turn = rng.permutation(len(images)) % (len(names) + 1)
    damaged = np.array(images)
    for place, name in enumerate(names, start=1):
        chosen = np.flatnonzero(turn == place)
        if len(chosen):
            hurt = DAMAGES[name](damaged[chosen] / 255.0, rng)
            damaged[chosen] = np.round(np.clip(hurt, 0, 1) * 255).astype(np.uint8)
    features = predict(damaged)
    return Exposure(features, features.logits.argmax(axis=1) == labels, turn.astype(np.int64))


def _strengths(images: Images, rng: np.random.Generator) -> Images:
    return rng.uniform(0, 1, (len(images), 1, 1, 1))


def _noise(images: Images, rng: np.random.Generator) -> Images:
    return images + 0.6 * _strengths(images, rng) * rng.standard_normal(images.shape)


def _specks(images: Images, rng: np.random.Generator) -> Images:
    hit = rng.random((*images.shape[:3], 1)) < 0.4 * _strengths(images, rng)
    return np.where(hit, rng.random(images.shape), images)


def _blur(images: Images, rng: np.random.Generator) -> Images:
    widest = images.shape[1] / 11
    sigmas = rng.uniform(0, widest, (len(images), 2))
    return np.stack(
        [ndimage.gaussian_filter(image, (*sigma, 0)) for image, sigma in zip(images, sigmas, strict=True)]
    )


def _warp(images: Images, rng: np.random.Generator) -> Images:
    return np.stack([_affine(image, rng) for image in images])


def _affine(image: Images, rng: np.random.Generator) -> Images:
    middle = (np.array(image.shape[:2]) - 1) / 2
    matrix = np.eye(2) + rng.uniform(0, 0.7) * rng.uniform(-1, 1, (2, 2))
    shift = rng.uniform(-0.2, 0.2, 2) * image.shape[:2] * rng.uniform()
    offset = middle - matrix @ (middle + shift)
    channels = [
        ndimage.affine_transform(image[..., c], matrix, offset, order=1) for c in range(image.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def _light(images: Images, rng: np.random.Generator) -> Images:
    gain = np.exp(rng.uniform(-1.5, 1.0, (len(images), 1, 1, 1)))
    return gain * images + rng.uniform(-0.3, 0.7, (len(images), 1, 1, 1)) * _strengths(images, rng)


def _clouds(images: Images, rng: np.random.Generator) -> Images:
    field = rng.standard_normal((*images.shape[:3], 1))
    smooth = ndimage.gaussian_filter(field, (0, images.shape[1] / 9, images.shape[2] / 9, 0))
    smooth = smooth / np.abs(smooth).max(axis=(1, 2), keepdims=True)
    return np.asarray(images + _strengths(images, rng) * smooth)


def _bars(images: Images, rng: np.random.Generator) -> Images:
    covered = images.copy()
    height, width = images.shape[1:3]
    for image in covered:
        tall, wide = rng.integers(1, height // 2 + 1), rng.integers(1, width // 2 + 1)
        top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
        image[top : top + tall, left : left + wide] = rng.uniform()
    return covered


def _mixture(images: Images, rng: np.random.Generator) -> Images:
    return np.maximum(images, _strengths(images, rng) * images[rng.permutation(len(images))])


DAMAGES: dict[str, Callable[[Images, np.random.Generator], Images]] = {
    "noise": _noise,
    "specks": _specks,
    "blur": _blur,
    "warp": _warp,
    "light": _light,
    "clouds": _clouds,
    "bars": _bars,
    "mixture": _mixture,
}
