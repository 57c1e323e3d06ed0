"""Distance from Gaussian classes that share a covariance (Lee et al., 2018, arXiv 1807.03888)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import Arrays, Detector, blocks, rows, settle
from driftloop.checker.features import Features
from driftloop.checker.spaces import view


@dataclass(frozen=True)
class Mahalanobis(Detector):
    """Distance to the nearest class mean, in units of the covariance that the predicted classes share.

    Attributes:
        space: where distances are measured, see `driftloop.checker.spaces`.
        relative: subtract the distance to one Gaussian over everything (Ren et al., 2021,
            arXiv 2106.09022), which takes away what all images have in common.
        ridge: share of the mean variance that is added to every direction, above 0.
        classes: False measures the distance to the mean of everything instead.
    """

    space: str = "embeddings"
    relative: bool = False
    ridge: float = 1e-3
    classes: bool = True

    def __post_init__(self) -> None:
        if not self.ridge > 0:
            raise ValueError(f"ridge is {self.ridge}; it lies above 0")

    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:  # noqa: ARG002
        """Estimate means and whitening matrices from all of the reference, a block at a time."""
        predicted = reference.logits.argmax(axis=1)
        groups = predicted if self.classes else np.zeros_like(predicted)
        names, groups = np.unique(groups, return_inverse=True)
        within, means = _whitening(reference, self.space, groups, len(names), self.ridge)
        state = {"whitening": within, "means": means @ within}
        if self.relative:
            everything, mean = _whitening(reference, self.space, np.zeros_like(groups), 1, self.ridge)
            state |= {"overall_whitening": everything, "overall_mean": mean @ everything}
        return state

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Return the distance to the nearest mean (its square less the overall one's where relative)."""
        scores = np.empty(len(features))
        for block in blocks(len(features)):
            vectors = view(rows(features, block), self.space)
            squares = _squares(vectors @ state["whitening"], state["means"])
            if self.relative:
                overall = _squares(vectors @ state["overall_whitening"], state["overall_mean"])
                scores[block] = squares - overall
            else:
                scores[block] = np.sqrt(squares)
        return settle(scores)


def _squares(whitened: npt.NDArray[np.float64], means: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(
        np.min([np.einsum("ij,ij->i", whitened - mean, whitened - mean) for mean in means], axis=0)
    )


def _whitening(
    reference: Features, space: str, groups: npt.NDArray[np.intp], count: int, ridge: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return W (D, D), with x @ W white within groups, and the groups' means (count, D)."""
    sums, second = np.zeros((count, 1)), np.zeros((1, 1))
    for block in blocks(len(reference)):
        vectors = view(rows(reference, block), space)
        member = np.eye(count)[groups[block]]
        sums = sums + member.T @ vectors
        second = second + vectors.T @ vectors
    sizes = np.bincount(groups, minlength=count)[:, None]
    means = sums / sizes
    covariance = (second - means.T @ (sizes * means)) / len(reference)
    variances, axes = np.linalg.eigh(covariance)
    floor = max(ridge * float(np.mean(np.maximum(variances, 0))), 1e-12)
    return axes / np.sqrt(np.maximum(variances, 0) + floor), means
