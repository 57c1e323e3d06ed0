"""Distance from Gaussian classes that share a covariance (Lee et al., 2018, arXiv 1807.03888)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import Arrays, Detector, blocks, settle
from driftloop.checker.spaces import view, view_all, whitening
from driftloop.models.features import Features


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
        """Estimate the means, and what makes the rest white."""
        vectors = view_all(reference, self.space)
        together = np.zeros(len(reference), dtype=np.intp)
        groups = together
        if self.classes:
            _, groups = np.unique(reference.logits.argmax(axis=1), return_inverse=True)
        within, means = whitening(vectors, groups, self.ridge)
        state = {"whitening": within, "means": means @ within}
        if self.relative:
            overall, mean = whitening(vectors, together, self.ridge)
            state |= {"overall_whitening": overall, "overall_mean": mean @ overall}
        return state

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Return the distance to the nearest mean (its square less the overall one's where relative)."""
        scores = np.empty(len(features))
        for block, part in blocks(features):
            vectors = view(part, self.space)
            squares = _squares(vectors @ state["whitening"], state["means"])
            if self.relative:
                squares = squares - _squares(vectors @ state["overall_whitening"], state["overall_mean"])
            scores[block] = squares[: block.stop - block.start]
        return settle(scores if self.relative else np.sqrt(scores))


def _squares(whitened: npt.NDArray[np.float64], means: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(
        np.min([np.einsum("ij,ij->i", whitened - mean, whitened - mean) for mean in means], axis=0)
    )
