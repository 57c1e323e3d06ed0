"""Where distances are measured: named views of features as vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from driftloop.checker import appearance
from driftloop.checker.detector import blocks
from driftloop.errors import ParameterError
from driftloop.models.features import Features

Vectors = npt.NDArray[np.float64]


def view(features: Features, space: str) -> Vectors:
    """Return the vectors, float64 (N, D), of features in a space.

    Args:
        features: a block of rows.
        space: `embeddings` (penultimate layer), `directions` (the same, of length one: what a cosine
            distance sees), `logits`, `spectrum`, `profiles`, `tones`, `edges`, `properties` (statistics of
            the image, see `driftloop.checker.appearance`), or `pixels` (in [0, 1], at most 1,024 numbers).

    Raises:
        ParameterError: there is no such space.
    """
    if space not in SPACES:
        raise ParameterError(f"a detector's space is {space!r}; it is one of {', '.join(SPACES)}.")
    return SPACES[space](features)


def view_all(features: Features, space: str) -> npt.NDArray[np.float32]:
    """Return all vectors, float32 (N, D), made a block at a time."""
    parts = [view(part, space)[: block.stop - block.start] for block, part in blocks(features)]
    return np.concatenate(parts or [view(features, space)]).astype(np.float32)


def whitening(
    vectors: npt.NDArray[np.float32], groups: npt.NDArray[np.intp], ridge: float
) -> tuple[Vectors, Vectors]:
    """Return W (D, D), with which x @ W is white within groups, and the groups' means (G, D).

    Args:
        vectors: (N, D).
        groups: (N,), numbered from 0 without gaps.
        ridge: share of the mean variance that is added to every direction.
    """
    sizes = np.bincount(groups)
    means = np.stack([vectors[groups == group].mean(axis=0, dtype=np.float64) for group in range(len(sizes))])
    covariance = np.zeros((vectors.shape[1], vectors.shape[1]))
    for group, mean in enumerate(means):
        centred = vectors[groups == group] - mean
        covariance += centred.T @ centred / len(vectors)
    variances, axes = np.linalg.eigh(covariance)
    variances = np.maximum(variances, 0)
    return axes / np.sqrt(variances + max(ridge * float(variances.mean()), 1e-12)), means


def _embeddings(features: Features) -> Vectors:
    return np.asarray(features.embeddings, dtype=np.float64)


def _directions(features: Features) -> Vectors:
    vectors = _embeddings(features)
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12))


def _logits(features: Features) -> Vectors:
    return np.asarray(features.logits, dtype=np.float64)


def _pixels(features: Features) -> Vectors:
    pixels = np.asarray(features.images, dtype=np.float64) / 255
    while pixels[0].size > 1024 and min(pixels.shape[1:3]) > 1:
        pixels = pixels[:, : pixels.shape[1] // 2 * 2, : pixels.shape[2] // 2 * 2]
        pixels = (pixels[:, ::2] + pixels[:, 1::2]) / 2
        pixels = (pixels[:, :, ::2] + pixels[:, :, 1::2]) / 2
    return pixels.reshape(len(pixels), -1)


SPACES: dict[str, Callable[[Features], Vectors]] = {
    "embeddings": _embeddings,
    "directions": _directions,
    "logits": _logits,
    "spectrum": lambda features: appearance.spectrum(features.images),
    "profiles": lambda features: appearance.profiles(features.images),
    "tones": lambda features: appearance.tones(features.images),
    "edges": lambda features: appearance.edges(features.images),
    "properties": lambda features: appearance.properties(features.images),
    "pixels": _pixels,
}
