"""How accurate is the classifier on a window that nobody has labelled?

Confidence alone does not say: a classifier can be sure and wrong far from its data. A logistic model learns
how often predictions are right from confidence, from distance, and from whether the nearest reference
samples are of the predicted class, on images that were damaged on purpose (`driftloop.checker.exposure`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

Floats = npt.NDArray[np.float64]

_RIDGE = 1.0
_STEPS = 50


@dataclass(frozen=True)
class AccuracyModel:
    """A logistic regression of correctness on signals.

    Attributes:
        centre: (S,), the signals' means where it was fitted.
        scale: (S,), their standard deviations, above 0.
        weights: (S + 1,), of the standardised signals and, last, the constant.
        error: standard deviation of (estimated - true accuracy) over the groups it was fitted on, each left
            out in turn: what the interval allows for shifts that the model has not seen.
    """

    centre: Floats
    scale: Floats
    weights: Floats
    error: float

    def probabilities(self, signals: Floats) -> Floats:
        """Return the probability (N,) that each prediction is right, from signals (N, S)."""
        return np.asarray(expit(_design((signals - self.centre) / self.scale) @ self.weights))

    def estimate(self, signals: Floats, confidence: float = 0.95) -> tuple[float, tuple[float, float]]:
        """Return the expected accuracy on samples with these signals (N, S), and an interval around it."""
        right = self.probabilities(signals)
        accuracy = float(right.mean())
        sampling = float((right * (1 - right)).sum()) / len(right) ** 2
        reach = float(ndtri(0.5 + confidence / 2)) * np.sqrt(sampling + self.error**2)
        return accuracy, (max(0.0, accuracy - reach), min(1.0, accuracy + reach))


def fit_accuracy(
    signals: Floats, correct: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]
) -> AccuracyModel:
    """Fit the model to signals (N, S) of predictions known to be right or wrong (N,).

    Args:
        signals: finite.
        correct: whether each prediction is right.
        groups: (N,) which shift each sample comes from; two or more shifts.
    """
    centre, scale = signals.mean(axis=0), np.maximum(signals.std(axis=0), 1e-9)
    design = _design((signals - centre) / scale)
    errors = []
    for group in np.unique(groups):
        inside = groups == group
        weights = _logistic(design[~inside], correct[~inside])
        errors.append(expit(design[inside] @ weights).mean() - correct[inside].mean())
    return AccuracyModel(
        centre, scale, _logistic(design, correct), float(np.sqrt(np.mean(np.square(errors))))
    )


def _design(standardised: Floats) -> Floats:
    return np.concatenate([np.clip(standardised, -5, 5), np.ones((len(standardised), 1))], axis=1)


def _logistic(design: Floats, correct: npt.NDArray[np.bool_]) -> Floats:
    """Return ridge-penalised maximum-likelihood weights by Newton's method."""
    weights = np.zeros(design.shape[1])
    penalty = np.full(len(weights), _RIDGE)
    penalty[-1] = 1e-6
    for _ in range(_STEPS):
        right = expit(design @ weights)
        gradient = design.T @ (right - correct) + penalty * weights
        curvature = (design * (right * (1 - right))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-8:
            break
    return weights
