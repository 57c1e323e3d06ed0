"""A detector that was fitted: what it has learnt of every kind of data that the model is known to handle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from driftloop.checker.accuracy import AccuracyModel, fit_accuracy
from driftloop.checker.detector import Arrays, Detector, rows
from driftloop.checker.exposure import Exposure
from driftloop.checker.neighbours import NearestNeighbours
from driftloop.checker.spaces import view_all
from driftloop.errors import DataError
from driftloop.models.features import Features
from driftloop.params.instantiate import instantiate

CLEAN = "clean"
DEFAULT_DETECTOR: Mapping[str, Any] = {"_target_": "driftloop.checker.combined.Combined"}
NEIGHBOURS = NearestNeighbours(k=10)
LEAST_SAMPLES = 20
"""A kind needs as many for its reference, and as many for its calibration."""


@dataclass(frozen=True)
class Kind:
    """One kind of data that the model is known to handle: clean data, or a drift that was repaired.

    Attributes:
        name: `clean`, or the window where the drift was found.
        state: what the detector learnt from this kind's reference.
        scores: float64 (m,), of calibration samples of this kind that are not in its reference.
        predicted: int64 (m,), the classes predicted for them.
        properties: float32 (m, D), of their images, see `driftloop.checker.appearance.PROPERTIES`.
    """

    name: str
    state: Arrays
    scores: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.int64]
    properties: npt.NDArray[np.float32]


@dataclass(frozen=True)
class FittedDetector:
    """A detector with all that it has learnt.

    Attributes:
        spec: `_target_` and settings of the detector.
        kinds: the known kinds, `clean` first.
        neighbours: embeddings of reference samples, for showing what the model takes a sample for.
        classes: int64 (R,), the class of each reference sample.
        accuracy: tells how often predictions are right, or None where nothing taught it.
    """

    spec: Mapping[str, Any]
    kinds: tuple[Kind, ...]
    neighbours: Arrays
    classes: npt.NDArray[np.int64]
    accuracy: AccuracyModel | None = None

    @property
    def detector(self) -> Detector:
        """The detector that `spec` describes."""
        return make_detector(self.spec)


def make_detector(spec: Mapping[str, Any]) -> Detector:
    """Make the detector that `spec` names, ours or a user's.

    Raises:
        ParameterError: it is no detector, or does not take these settings.
    """
    return instantiate(spec, Detector, where="detector")


def fit_detector(
    reference: Features,
    calibration: Features,
    *,
    spec: Mapping[str, Any] = DEFAULT_DETECTOR,
    classes: npt.NDArray[np.int64] | None = None,
    exposure: Exposure | None = None,
    seed: int = 0,
) -> FittedDetector:
    """Fit a detector to clean data.

    Args:
        reference: what the model was trained on.
        calibration: clean data that it was not trained on. They set the scale of every p-value.
        spec: `_target_` and settings of the detector.
        classes: int64, true labels of the reference. By default the predicted ones.
        exposure: damaged images, so that accuracy can be estimated. Without, it is not.
        seed: of everything random.

    Raises:
        DataError: there are too few samples.
        ParameterError: the specification is no detector's.
    """
    _check_size(reference, "the reference")
    _check_size(calibration, "the calibration")
    rng = np.random.default_rng(seed)
    kind = _fit_kind(CLEAN, make_detector(spec), reference, calibration, rng)
    neighbours = NEIGHBOURS.fit(reference, rng)
    known = reference.logits.argmax(axis=1) if classes is None else classes
    fitted = FittedDetector(dict(spec), (kind,), neighbours, known.astype(np.int64))
    if exposure is None:
        return fitted
    model = fit_accuracy(
        accuracy_signals(fitted, exposure.features, fitted.detector.score(kind.state, exposure.features)),
        exposure.features.logits.argmax(axis=1),
        exposure.correct,
        exposure.windows,
        exposure.damages,
        clean=(accuracy_signals(fitted, calibration, kind.scores), kind.predicted),
        classes=calibration.logits.shape[1],
    )
    return replace(fitted, accuracy=model)


def add_kind(
    fitted: FittedDetector,
    name: str,
    features: Features,
    *,
    seed: int = 0,
) -> FittedDetector:
    """Make a repaired drift known: half of its samples become a reference of it, the others calibrate.

    The samples that a person labelled, and the model may have learnt from, are among both like all others. To
    the model they are a little closer than what will come. But half of them were picked for being strange,
    and a calibration without its strangest samples alarms far more often.

    Args:
        fitted: is not changed.
        name: of the kind, such as the window where it was found.
        features: of that window's images, by the model that is now in production.
        seed: of the split.

    Raises:
        DataError: there are too few samples, or the name is taken.
    """
    if name in (kind.name for kind in fitted.kinds):
        raise DataError(f"the detector knows a kind {name} already; give this one another name.")
    if len(features) < 2 * LEAST_SAMPLES:
        raise DataError(f"kind {name} has {len(features)} samples; it needs {2 * LEAST_SAMPLES} or more.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(features))
    half = len(order) // 2
    reference, calibration = (rows(features, np.sort(part)) for part in (order[:half], order[half:]))
    kind = _fit_kind(name, fitted.detector, reference, calibration, rng)
    return replace(fitted, kinds=(*fitted.kinds, kind))


def accuracy_signals(
    fitted: FittedDetector, features: Features, score: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return what correctness is judged from, float64 (N, 4): confidence, agreement, two distances.

    Args:
        fitted: what is known.
        features: of N samples.
        score: float64 (N,), the detector's for clean data. Every caller has it already.
    """
    logs = log_softmax(features.logits.astype(np.float64), axis=1)
    predicted = logs.argmax(axis=1)
    distances, nearest = NEIGHBOURS.nearest(fitted.neighbours, features)
    agreement = (fitted.classes[nearest] == predicted[:, None]).mean(axis=1)
    kind = fitted.kinds[0]
    middle, high = np.quantile(kind.scores, [0.5, 0.9])
    best = logs.max(axis=1)
    odds = best - np.log(np.maximum(-np.expm1(best), 1e-12))
    return np.column_stack(
        [
            odds,
            agreement,
            np.log(distances.mean(axis=1) + 1e-6),
            np.arcsinh((score - middle) / max(high - middle, 1e-9)),
        ]
    )


def _fit_kind(
    name: str, detector: Detector, reference: Features, calibration: Features, rng: np.random.Generator
) -> Kind:
    state = detector.fit(reference, rng)
    predicted = calibration.logits.argmax(axis=1).astype(np.int64)
    properties = view_all(calibration, "properties")
    return Kind(name, state, detector.score(state, calibration), predicted, properties)


def _check_size(features: Features, what: str) -> None:
    if len(features) < LEAST_SAMPLES:
        raise DataError(f"{what} has {len(features)} samples; a detector needs {LEAST_SAMPLES} or more.")
