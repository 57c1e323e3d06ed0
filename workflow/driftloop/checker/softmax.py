"""What the classifier's own output says: cheap, and blind to confident mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, logsumexp

from driftloop.checker.detector import Arrays, Detector, settle
from driftloop.models.features import Features


@dataclass(frozen=True)
class SoftmaxConfidence(Detector):
    """How unsure the classifier is of its prediction (Hendrycks and Gimpel, 2017, arXiv 1610.02136).

    The score is -log of the largest softmax probability: black-box shift detection (Lipton et al., 2018,
    arXiv 1802.03916) by confidence. The reference is not looked at: only the calibration sets the scale.
    """

    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:  # noqa: ARG002
        """Learn nothing."""
        return {}

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:  # noqa: ARG002
        """Return -log of each sample's confidence."""
        return settle(-log_softmax(features.logits.astype(np.float64), axis=1).max(axis=1))


@dataclass(frozen=True)
class Energy(Detector):
    """Minus the log of the summed exponentials of the logits (Liu et al., 2020, arXiv 2010.03759)."""

    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:  # noqa: ARG002
        """Learn nothing."""
        return {}

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:  # noqa: ARG002
        """Return each sample's free energy."""
        return settle(-logsumexp(features.logits.astype(np.float64), axis=1))
