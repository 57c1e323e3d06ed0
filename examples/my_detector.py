"""A detector of your own: how far a sample is from what the model knows. In params.yaml.

detector: {method: {_target_: my_detector.Distance}, …}
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import Arrays, Detector
from driftloop.models.features import Features


class Distance(Detector):
    """The distance to the mean embedding, each number in units of its spread."""

    def __init__(self, power: float = 2.0) -> None:
        self.power = power

    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:
        """Return what was learnt as plain arrays: they are stored without any code."""
        embeddings = reference.embeddings.astype(np.float64)
        return {"mean": embeddings.mean(0), "scale": embeddings.std(0) + 1e-6}

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Score each sample by itself, higher is stranger."""
        away = np.abs(features.embeddings - state["mean"]) / state["scale"]
        return np.asarray((away**self.power).sum(axis=1) ** (1 / self.power), dtype=np.float64)
