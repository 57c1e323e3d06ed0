"""Distance to the nearest reference samples (Sun et al., 2022, arXiv 2204.06507, without its ReLU clip)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import Arrays, Detector, blocks, rows, settle
from driftloop.checker.spaces import view, view_all, whitening
from driftloop.models.features import Features

_RIDGE = 1e-3
_GROUP = 16
_SPARE = 8
"""Candidates beyond k. They are found with float32 products, whose last bits vary, and measured exactly."""


@dataclass(frozen=True)
class NearestNeighbours(Detector):
    """Mean distance to the k nearest reference samples.

    Attributes:
        k: neighbours that are averaged. 1 or more.
        space: where distances are measured, see `driftloop.checker.spaces`.
        whiten: measure in units of the covariance within predicted classes, as `Mahalanobis` does.
        limit: reference samples that are kept, drawn at random where there are more: it bounds memory
            (limit x D float32) and time (linear in it).
    """

    k: int = 2
    space: str = "embeddings"
    whiten: bool = False
    limit: int = 10_000

    def __post_init__(self) -> None:
        if not 1 <= self.k < self.limit:
            raise ValueError(f"k is {self.k} and limit {self.limit}; 1 <= k < limit")

    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:
        """Keep at most `limit` reference vectors, and their places in the reference."""
        kept = np.arange(len(reference))
        if len(kept) > self.limit:
            kept = np.sort(rng.choice(len(reference), self.limit, replace=False))
        sample = rows(reference, kept)
        vectors = view_all(sample, self.space)
        state: dict[str, npt.NDArray[Any]] = {"index": kept.astype(np.int64)}
        if self.whiten:
            _, groups = np.unique(sample.logits.argmax(axis=1), return_inverse=True)
            state["whitening"], _ = whitening(vectors, groups, _RIDGE)
            vectors = (vectors @ state["whitening"]).astype(np.float32)
        return state | {"vectors": vectors}

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Return the mean Euclidean distance to the k nearest."""
        return settle(self.nearest(state, features)[0].mean(axis=1))

    def nearest(
        self, state: Arrays, features: Features
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return distances (N, k), nearest first, and the neighbours' rows in the reference (N, k)."""
        reference = state["vectors"]
        k = min(self.k, len(reference))
        distances = np.empty((len(features), k))
        index = np.empty((len(features), k), dtype=np.int64)
        lengths = np.einsum("ij,ij->i", reference, reference)
        sides = np.concatenate([-2 * reference.T, lengths[None]])
        for block, part in blocks(features):
            vectors = view(part, self.space)
            if self.whiten:
                vectors = vectors @ state["whitening"]
            gaps, near = _nearest(vectors.astype(np.float32), reference, sides, k)
            size = block.stop - block.start
            distances[block], index[block] = gaps[:size], state["index"][near[:size]]
        return distances, index


def _nearest(
    vectors: npt.NDArray[np.float32],
    reference: npt.NDArray[np.float32],
    sides: npt.NDArray[np.float32],
    k: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return distances (n, k) of vectors (n, D) and places (n, k) in the reference (R, D).

    `sides` (D + 1, R) turn a vector with a 1 at its end into the squared distances, less its own length: one
    product and no pass after it.
    """
    ones = np.ones((len(vectors), 1), dtype=np.float32)
    rough = np.concatenate([vectors, ones], axis=1) @ sides
    candidates = _smallest(rough, min(k + _SPARE, len(reference)))
    candidates.sort(axis=1)  # so that equal distances come in the reference's order
    difference = vectors[:, None] - reference[candidates]
    exact = np.einsum("ijk,ijk->ij", difference, difference, dtype=np.float64)
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(exact, order, 1)), np.take_along_axis(candidates, order, 1)


def _smallest(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
    """Return the columns (N, count) of each row's smallest values, in no order.

    They lie in the `count` groups of columns with the smallest minima. So only those are searched, several
    times as fast as a partition of whole rows.
    """
    width = values.shape[1] // _GROUP
    if width <= count:
        return np.argpartition(values, count - 1, axis=1)[:, :count]
    minima = values[:, : width * _GROUP].reshape(len(values), _GROUP, width).min(axis=1)
    groups = np.argpartition(minima, count - 1, axis=1)[:, :count]
    members = (groups[:, :, None] + width * np.arange(_GROUP)).reshape(len(values), -1)
    rest = np.broadcast_to(
        np.arange(width * _GROUP, values.shape[1]), (len(values), values.shape[1] % _GROUP)
    )
    columns = np.concatenate([members, rest], axis=1)
    inside = np.argpartition(np.take_along_axis(values, columns, 1), count - 1, axis=1)[:, :count]
    return np.take_along_axis(columns, inside, 1)
