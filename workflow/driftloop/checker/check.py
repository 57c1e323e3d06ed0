"""Check a window: is it like anything that the model knows, which samples are not, and what does it cost?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from driftloop.checker.accuracy import AccuracyModel, fit_accuracy
from driftloop.checker.conformal import sample_p_values
from driftloop.checker.detector import Arrays, Detector, rows
from driftloop.checker.exposure import Exposure
from driftloop.checker.features import Features
from driftloop.checker.label_shift import label_shift_p_value
from driftloop.checker.neighbours import NearestNeighbours
from driftloop.checker.picks import Pick, pick_samples
from driftloop.checker.rank_test import RankTest, Stratum, rank_test
from driftloop.errors import DataError
from driftloop.params.instantiate import instantiate

CLEAN = "clean"
DEFAULT_DETECTOR: Mapping[str, Any] = {"_target_": "driftloop.checker.combined.Combined"}
_NEIGHBOURS = NearestNeighbours(k=10)
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
    """

    name: str
    state: Arrays
    scores: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.int64]


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


@dataclass(frozen=True)
class SampleTable:
    """What the checker says of each sample; arrays of one length, in the window's order.

    Attributes:
        predicted: int64, the class.
        confidence: float64, its softmax probability.
        drift_score: float64, distance from the known kind that the sample fits best.
        p_value: float64, conformal: the largest over the known kinds; small is strange.
        kind: int64, place in the report's `kinds` of the kind that it fits best.
    """

    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    drift_score: npt.NDArray[np.float64]
    p_value: npt.NDArray[np.float64]
    kind: npt.NDArray[np.int64]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class DriftReport:
    """What the checker says of a window.

    Attributes:
        n: samples in the window.
        statistic: of the window test, see `RankTest`.
        p_value: that samples of known kinds, in any mixture, stand as high; valid at every n, never 0.
        alpha: level of the test.
        drifted: p_value <= alpha.
        novel_share: how large the drift is: the share of samples that no known kind explains.
        novel_share_interval: its 95 % limits.
        estimated_accuracy: of the classifier on this window, without labels; None if nothing taught it.
        estimated_accuracy_interval: its 95 % limits.
        known_as: the repaired drift that this window shows again; None where clean data explain it, or
            nothing does.
        label_shift_p_value: that the predicted classes come in the calibration's proportions.
        kinds: names of the known kinds.
        kind_shares: the share of samples that fit each of them best.
        picks: samples worth a person's time.
        samples: the table of all samples.
        seed: of the draws and the picks.
    """

    n: int
    statistic: float
    p_value: float
    alpha: float
    drifted: bool
    novel_share: float
    novel_share_interval: tuple[float, float]
    estimated_accuracy: float | None
    estimated_accuracy_interval: tuple[float, float] | None
    known_as: str | None
    label_shift_p_value: float
    kinds: tuple[str, ...]
    kind_shares: tuple[float, ...]
    picks: tuple[Pick, ...]
    samples: SampleTable
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return `drift.json`: all but the table of samples, each estimate together with its interval."""
        facts = asdict(replace(self, samples=None))  # type: ignore[arg-type]
        del facts["samples"]
        for name in ("novel_share", "estimated_accuracy"):
            estimate, limits = facts[name], facts.pop(f"{name}_interval")
            facts[name] = limits and {"estimate": estimate, "low": limits[0], "high": limits[1]}
        return facts


def make_detector(spec: Mapping[str, Any]) -> Detector:
    """Make the detector that `spec` names, ours or a user's.

    Raises:
        ParameterError: it is no detector, or does not take these settings.
    """
    base: type[Detector] = Detector
    return instantiate(spec, base, where="detector")


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
        calibration: clean data that it was not trained on; they set the scale of every p-value.
        spec: `_target_` and settings of the detector.
        classes: int64, true labels of the reference; by default the predicted ones.
        exposure: damaged images, so that accuracy can be estimated; without, it is not.
        seed: of everything random.

    Raises:
        DataError: there are too few samples.
        ParameterError: the specification is no detector's.
    """
    _check_size(reference, "the reference")
    _check_size(calibration, "the calibration")
    rng = np.random.default_rng(seed)
    kind = _fit_kind(CLEAN, make_detector(spec), reference, calibration, rng)
    neighbours = _NEIGHBOURS.fit(reference, rng)
    known = reference.logits.argmax(axis=1) if classes is None else classes
    fitted = FittedDetector(dict(spec), (kind,), neighbours, known.astype(np.int64))
    if exposure is None:
        return fitted
    signals = accuracy_signals(fitted, exposure.features)
    return replace(fitted, accuracy=fit_accuracy(signals, exposure.correct, exposure.damages))


def add_kind(
    fitted: FittedDetector,
    name: str,
    features: Features,
    *,
    learnt: npt.NDArray[np.int64] | None = None,
    seed: int = 0,
) -> FittedDetector:
    """Make a repaired drift known: half of its samples become a reference of it, the others calibrate.

    Args:
        fitted: is not changed.
        name: of the kind, such as the window where it was found.
        features: of that window's images, by the model that is now in production.
        learnt: int64, samples that the model was trained on: to it they are closer than any that will come,
            so they do not calibrate.
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
    if learnt is not None:
        order = np.concatenate([learnt, order[~np.isin(order, learnt)]])
    half = max(len(order) // 2, 0 if learnt is None else len(learnt))
    reference, calibration = (rows(features, np.sort(part)) for part in (order[:half], order[half:]))
    kind = _fit_kind(name, fitted.detector, reference, calibration, rng)
    return replace(fitted, kinds=(*fitted.kinds, kind))


def check_window(
    fitted: FittedDetector,
    window: Features,
    *,
    alpha: float = 0.01,
    picks: int = 20,
    random_share: float = 0.25,
    draws: int = 9999,
    seed: int = 0,
) -> DriftReport:
    """Check a window.

    Args:
        fitted: what is known.
        window: features of at least one image, by the model that the detector was fitted for.
        alpha: level of the window test, in (0, 1).
        picks: how many samples a person should see.
        random_share: of the picks that are drawn at random, in [0, 1].
        draws: null windows; the smallest p-value is 1 / (draws + 1).
        seed: of the draws and the picks.

    Raises:
        DataError: the window is empty, or its features are not of the detector's form.
    """
    _check_form(fitted, window)
    samples, by_kind = _score_samples(fitted, window)
    test = _test(fitted, samples.kind, by_kind, draws, seed)
    shares = np.bincount(samples.kind, minlength=len(fitted.kinds)) / len(window)
    drifted = test.p_value <= alpha
    accuracy, interval = estimate_accuracy(fitted, window)
    return DriftReport(
        n=len(window),
        statistic=test.statistic,
        p_value=test.p_value,
        alpha=alpha,
        drifted=drifted,
        novel_share=test.novel_share,
        novel_share_interval=test.novel_share_interval,
        estimated_accuracy=accuracy,
        estimated_accuracy_interval=interval,
        known_as=None if drifted else _known_as(fitted, shares, by_kind, alpha, draws, seed),
        label_shift_p_value=label_shift_p_value(
            samples.predicted, fitted.kinds[0].predicted, draws=draws, seed=seed
        ),
        kinds=tuple(kind.name for kind in fitted.kinds),
        kind_shares=tuple(map(float, shares)),
        picks=_pick(fitted, window, samples, test.novel_share, picks, random_share, seed),
        samples=samples,
        seed=seed,
    )


def estimate_accuracy(
    fitted: FittedDetector, window: Features
) -> tuple[float | None, tuple[float, float] | None]:
    """Return the accuracy to expect on a window and an interval; (None, None) where nothing taught it."""
    if fitted.accuracy is None:
        return None, None
    return fitted.accuracy.estimate(accuracy_signals(fitted, window))


def accuracy_signals(fitted: FittedDetector, features: Features) -> npt.NDArray[np.float64]:
    """Return what correctness is judged from, float64 (N, 4): confidence, agreement, two distances."""
    logs = log_softmax(features.logits.astype(np.float64), axis=1)
    predicted = logs.argmax(axis=1)
    distances, nearest = _NEIGHBOURS.nearest(fitted.neighbours, features)
    agreement = (fitted.classes[nearest] == predicted[:, None]).mean(axis=1)
    kind = fitted.kinds[0]
    score = fitted.detector.score(kind.state, features)
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
    return Kind(name, state, detector.score(state, calibration), predicted)


def _score_samples(
    fitted: FittedDetector, window: Features
) -> tuple[SampleTable, list[npt.NDArray[np.float64]]]:
    """Return the table, and all samples' scores under each kind."""
    detector = fitted.detector
    by_kind = [detector.score(kind.state, window) for kind in fitted.kinds]
    p_values = np.stack(
        [sample_p_values(scores, kind.scores) for scores, kind in zip(by_kind, fitted.kinds, strict=True)]
    )
    best = p_values.argmax(axis=0).astype(np.int64)
    every = np.arange(len(window))
    logs = log_softmax(window.logits.astype(np.float64), axis=1)
    table = SampleTable(
        predicted=logs.argmax(axis=1).astype(np.int64),
        confidence=np.exp(logs.max(axis=1)),
        drift_score=np.stack(by_kind)[best, every],
        p_value=p_values[best, every],
        kind=best,
    )
    return table, by_kind


def _test(
    fitted: FittedDetector,
    assigned: npt.NDArray[np.int64],
    by_kind: list[npt.NDArray[np.float64]],
    draws: int,
    seed: int,
) -> RankTest:
    """Test every sample against the kind it fits best; with one kind the test is exact.

    With several, a sample of a known kind stands no higher than under its own kind, so that a window
    that mixes known kinds alarms no more often than alpha.
    """
    strata = [
        Stratum(scores[assigned == place], kind.scores)
        for place, (scores, kind) in enumerate(zip(by_kind, fitted.kinds, strict=True))
    ]
    return rank_test(strata, draws=draws, seed=seed)


def _known_as(
    fitted: FittedDetector,
    shares: npt.NDArray[np.float64],
    by_kind: list[npt.NDArray[np.float64]],
    alpha: float,
    draws: int,
    seed: int,
) -> str | None:
    if len(fitted.kinds) == 1:
        return None
    clean = rank_test([Stratum(by_kind[0], fitted.kinds[0].scores)], draws=draws, seed=seed)
    return None if clean.p_value > alpha else fitted.kinds[1 + int(np.argmax(shares[1:]))].name


def _pick(
    fitted: FittedDetector,
    window: Features,
    samples: SampleTable,
    novel_share: float,
    count: int,
    random_share: float,
    seed: int,
) -> tuple[Pick, ...]:
    order = np.lexsort((samples.drift_score, -samples.p_value))
    strangeness = np.empty(len(window))
    strangeness[order] = np.arange(len(window))
    chosen = pick_samples(
        strangeness,
        window.embeddings,
        count=count,
        novel_share=novel_share,
        random_share=random_share,
        seed=seed,
    )
    index = np.array([pick.index for pick in chosen], dtype=np.int64)
    _, nearest = _NEIGHBOURS.nearest(fitted.neighbours, rows(window, index))
    return tuple(
        replace(pick, nearest=tuple(map(int, near))) for pick, near in zip(chosen, nearest, strict=True)
    )


def _check_size(features: Features, what: str) -> None:
    if len(features) < LEAST_SAMPLES:
        raise DataError(f"{what} has {len(features)} samples; a detector needs {LEAST_SAMPLES} or more.")


def _check_form(fitted: FittedDetector, window: Features) -> None:
    if len(window) == 0:
        raise DataError("the window is empty; a check needs one image at least.")
    wide, known = window.embeddings.shape[1:], fitted.neighbours["vectors"].shape[1:]
    if wide != known:
        raise DataError(
            f"the window's embeddings are {wide[0]} wide, the detector's {known[0]}: they come from "
            "different models. Predict the window with the model that the detector was fitted for."
        )
    if not (np.isfinite(window.embeddings).all() and np.isfinite(window.logits).all()):
        raise DataError(
            "the window's features hold NaN or infinite numbers; the model or its input is damaged."
        )
