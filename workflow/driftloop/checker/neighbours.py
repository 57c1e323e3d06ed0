"""Distance to the nearest reference samples (Sun et al., 2022, arXiv 2204.06507, without its ReLU clip)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import Arrays, Detector, blocks, rows, settle
from driftloop.checker.features import Features
from driftloop.checker.spaces import view

_SPARE = 8
"""Candidates beyond k. They are found with float32 products, whose last bits vary, and measured exactly."""


@dataclass(frozen=True)
class NearestNeighbours(Detector):
    """Mean distance to the k nearest reference samples.

    Attributes:
        k: neighbours that are averaged; 1 or more.
        space: where distances are measured, see `driftloop.checker.spaces`.
        limit: reference samples that are kept, drawn at random where there are more: it bounds memory
            (limit x D float32) and time (linear in it).
    """

    k: int = 5
    space: str = "embeddings"
    limit: int = 10_000

    def __post_init__(self) -> None:
        if self.k < 1 or self.limit <= self.k:
            raise ValueError(f"k is {self.k} and limit {self.limit}; 1 <= k < limit")

    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:
        """Keep at most `limit` reference vectors, and their places in the reference."""
        kept = np.arange(len(reference))
        if len(kept) > self.limit:
            kept = np.sort(rng.choice(len(reference), self.limit, replace=False))
        vectors = np.concatenate([view(rows(reference, kept[b]), self.space) for b in blocks(len(kept))])
        return {"vectors": vectors.astype(np.float32), "index": kept.astype(np.int64)}

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Return the mean Euclidean distance to the k nearest."""
        return settle(self.nearest(state, features)[0].mean(axis=1))

    def nearest(
        self, state: Arrays, features: Features
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return distances (N, k), nearest first, and the neighbours' rows in the reference (N, k)."""
        k = min(self.k, len(state["vectors"]))
        distances = np.empty((len(features), k))
        index = np.empty((len(features), k), dtype=np.int64)
        squares = np.einsum("ij,ij->i", state["vectors"], state["vectors"])
        for block in blocks(len(features)):
            vectors = view(rows(features, block), self.space).astype(np.float32)
            distances[block], index[block] = _nearest(vectors, state["vectors"], squares, k)
        return distances, state["index"][index]


def _nearest(
    vectors: npt.NDArray[np.float32],
    reference: npt.NDArray[np.float32],
    squares: npt.NDArray[np.float32],
    k: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    rough = squares - 2 * (vectors @ reference.T)  # the squared distances, less each sample's own length
    spare = min(k + _SPARE, len(reference))
    candidates = np.argpartition(rough, spare - 1, axis=1)[:, :spare]
    candidates.sort(axis=1)  # so that equal distances come in the reference's order
    exact = np.empty(candidates.shape)
    for column in range(spare):
        difference = vectors - reference[candidates[:, column]]
        exact[:, column] = np.einsum("ij,ij->i", difference, difference, dtype=np.float64)
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(exact, order, 1)), np.take_along_axis(candidates, order, 1)
