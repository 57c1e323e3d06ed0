"""Where distances are measured: named views of features as vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from driftloop.checker.features import Features
from driftloop.errors import ParameterError

Vectors = npt.NDArray[np.float64]


def view(features: Features, space: str) -> Vectors:
    """Return the vectors, float64 (N, D), of features in a space.

    Args:
        features: any number of rows.
        space: `embeddings` (penultimate layer), `directions` (the same, of length one: what a cosine
            distance sees), `logits`, or `pixels` (in [0, 1], averaged down to at most 1,024 numbers).

    Raises:
        ParameterError: there is no such space.
    """
    if space not in SPACES:
        raise ParameterError(f"a detector's space is {space!r}; it is one of {', '.join(SPACES)}.")
    return SPACES[space](features)


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
    while pixels[0].size > 1024:
        pixels = pixels[:, : pixels.shape[1] // 2 * 2, : pixels.shape[2] // 2 * 2]
        pixels = (
            pixels[:, ::2, ::2] + pixels[:, 1::2, ::2] + pixels[:, ::2, 1::2] + pixels[:, 1::2, 1::2]
        ) / 4
    return pixels.reshape(len(pixels), -1)


SPACES: dict[str, Callable[[Features], Vectors]] = {
    "embeddings": _embeddings,
    "directions": _directions,
    "logits": _logits,
    "pixels": _pixels,
}
