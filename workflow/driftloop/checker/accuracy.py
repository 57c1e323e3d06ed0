"""How accurate is the classifier on a window that nobody has labelled?

Confidence alone does not say: a classifier can be sure and wrong far from its data. A logistic model learns
how often predictions are right from windows that were damaged on purpose (`driftloop.checker.exposure`). It
sees each sample's signals, and what only a window shows: the signals' means, and how far the predicted
classes are from their usual proportions. A classifier that fails takes everything for the same few classes.
Where images look usual that is label shift instead, so the distance counts with and without their novelty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from driftloop.estimate import Estimate

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]

_RIDGE = 10.0
_STEPS = 50


@dataclass(frozen=True)
class AccuracyModel:
    """A logistic regression of correctness on signals of samples and of their window.

    Attributes:
        centre: (S,), the signals' means where it was fitted.
        scale: (S,), their standard deviations, above 0.
        usual: (S,), the standardised signals' means on clean data.
        proportions: (K,), of the predicted classes on clean data. They sum to 1.
        weights: (3 S + 2,), see `_design`.
        error: standard deviation of (estimated - true accuracy) beyond chance over the windows that it was
            fitted on, with each damage left out in turn. The interval allows this much for shifts that it has
            not seen.
    """

    centre: Floats
    scale: Floats
    usual: Floats
    proportions: Floats
    weights: Floats
    error: float

    def probabilities(self, signals: Floats, predicted: Classes) -> Floats:
        """Return the probability (N,) that each prediction of one window is right.

        Args:
            signals: (N, S).
            predicted: classes (N,).
        """
        return np.asarray(expit(self._design(signals, predicted) @ self.weights))

    def estimate(self, signals: Floats, predicted: Classes, confidence: float = 0.95) -> Estimate:
        """Return the expected accuracy on a window with these signals (N, S) and classes (N,), and limits."""
        right = self.probabilities(signals, predicted)
        accuracy = float(right.mean())
        sampling = float((right * (1 - right)).sum()) / len(right) ** 2
        reach = float(ndtri(0.5 + confidence / 2)) * np.sqrt(sampling + self.error**2)
        return Estimate(accuracy, max(0.0, accuracy - reach), min(1.0, accuracy + reach))

    def _design(self, signals: Floats, predicted: Classes) -> Floats:
        """Return (N, 3 S + 2): signals, their means, the classes' distance with novelty and alone, and 1."""
        own = _standardise(signals, self.centre, self.scale)
        mean = own.mean(axis=0)
        seen = np.bincount(predicted, minlength=len(self.proportions)) / len(predicted)
        distance = np.abs(seen - self.proportions).sum() / 2
        window = np.concatenate([mean, distance * (mean - self.usual), [distance, 1.0]])
        return np.concatenate([own, np.broadcast_to(window, (len(own), len(window)))], axis=1)


def fit_accuracy(
    signals: Floats,
    predicted: Classes,
    correct: npt.NDArray[np.bool_],
    windows: Classes,
    damages: Classes,
    *,
    clean: tuple[Floats, Classes],
    classes: int,
) -> AccuracyModel:
    """Fit the model to predictions known to be right or wrong.

    Args:
        signals: (N, S), finite.
        predicted: classes (N,).
        correct: (N,) whether each prediction is right.
        windows: (N,) which window each sample is of.
        damages: (N,) what has happened to its window. Two or more damages.
        clean: signals (M, S) and predicted classes (M,) of clean data.
        classes: how many there are.
    """
    centre, scale = signals.mean(axis=0), np.maximum(signals.std(axis=0), 1e-9)
    usual = _standardise(clean[0], centre, scale).mean(axis=0)
    proportions = np.bincount(clean[1], minlength=classes) / len(clean[1])
    blank = AccuracyModel(centre, scale, usual, proportions, np.empty(0), 0.0)
    order = np.argsort(windows, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(windows[order])) + 1)
    design = np.empty((len(signals), 3 * signals.shape[1] + 2))
    for group in groups:
        design[group] = blank._design(signals[group], predicted[group])
    squares = []
    for damage in np.unique(damages):
        weights = _logistic(design[damages != damage], correct[damages != damage])
        for group in groups:
            if damages[group[0]] == damage:
                right = expit(design[group] @ weights)
                chance = (right * (1 - right)).sum() / len(group) ** 2
                squares.append((right.mean() - correct[group].mean()) ** 2 - chance)
    error = float(np.sqrt(max(np.mean(squares), 0.0)))
    return AccuracyModel(centre, scale, usual, proportions, _logistic(design, correct), error)


def _standardise(signals: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.clip((signals - centre) / scale, -5, 5)


def _logistic(design: Floats, correct: npt.NDArray[np.bool_]) -> Floats:
    """Return ridge-penalised maximum-likelihood weights by Newton's method. The constant comes last."""
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
