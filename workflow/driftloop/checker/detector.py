"""What every detector is: settings that turn reference features into a state, and states into scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.models.features import Features

Arrays = Mapping[str, npt.NDArray[Any]]
"""What a detector has learnt: named arrays, ready for a safetensors file."""

BLOCK = 256
"""Rows that are scored at a time: memory does not grow with the window."""


class Detector(ABC):
    """Scores samples by their distance from a reference.

    A detector holds settings only (its constructor's keywords) and is never changed: `fit` returns what
    was learnt as plain arrays, and `score` takes them back. One detector can so be fitted to several kinds
    of data, and a fitted one is stored without any code of its own. A user's class needs these two methods.
    """

    @abstractmethod
    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:
        """Learn what the reference looks like.

        Args:
            reference: features of the images that the model knows. They may be bounded by drawing some.
            rng: the only source of chance.
        """

    @abstractmethod
    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Score each sample: float64 (N,), higher is farther from the reference.

        A sample's score depends on that sample alone, bit for bit: not on the others, not on their order,
        not on how they were split into calls. Pass a result through `settle` where a matrix product is
        part of it.
        """


def settle(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Drop the last bits of float64 scores, which a matrix product takes from the shape of its block.

    >>> bool(settle(np.array([1 / 3]))[0] == settle(np.array([1 / 3 + 1e-15]))[0])
    True
    """
    return np.asarray(scores).astype(np.float32).astype(np.float64)


def blocks(features: Features) -> Iterator[tuple[slice, Features]]:
    """Yield slices of the rows, and those rows filled up to `BLOCK` by repeating them.

    Matrix products and transforms choose their path by the shape of their input. With one shape only, a row's
    result does not depend on the rows beside it.
    """
    for start in range(0, len(features), BLOCK):
        block = slice(start, min(start + BLOCK, len(features)))
        part = rows(features, block)
        size = len(part)
        yield block, part if size == BLOCK else rows(part, np.resize(np.arange(size), BLOCK))


def rows(features: Features, index: slice | npt.NDArray[np.integer[Any]]) -> Features:
    """Return some rows of features. Only these are read where the images are memory-mapped."""
    return Features(np.asarray(features.images[index]), features.embeddings[index], features.logits[index])
