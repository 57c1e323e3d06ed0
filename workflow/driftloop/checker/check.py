"""Check a window: is it like anything that the model knows, which samples are not, and what does it cost?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from driftloop.checker.conformal import sample_p_values
from driftloop.checker.copies import Copies, find_copies
from driftloop.checker.detector import rows
from driftloop.checker.fitted import NEIGHBOURS, FittedDetector
from driftloop.checker.label_shift import label_shift
from driftloop.checker.picks import pick_samples, random_share_for
from driftloop.checker.rank_test import novel_share
from driftloop.checker.scores import Scores, score_samples
from driftloop.checker.strata import stand
from driftloop.checker.stream import NEW, Stream
from driftloop.checker.window_test import window_test
from driftloop.errors import DataError
from driftloop.estimate import Estimate
from driftloop.findings.drift import Drift, Pick
from driftloop.findings.product import NOT_KEPT
from driftloop.models.features import Features, in_parts

_LEAST_SHARE = 0.05
"""Of samples that are like a repaired drift, for a window to be named after it."""


@dataclass(frozen=True)
class SampleTable:
    """What the checker says of each sample. Arrays of one length, in the window's order.

    Attributes:
        predicted: int64, the class.
        confidence: float64, its softmax probability.
        drift_score: float64, distance from the known kind that the sample fits best.
        p_value: float64, conformal: the largest over the known kinds. Small is strange.
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
class DriftReport(Drift):
    """What the checker says of a window: what it found, and what no file of findings keeps.

    Attributes:
        samples: the table of all samples.
        carried: what the next window's check takes from this one.
    """

    samples: SampleTable = field(kw_only=True, metadata=NOT_KEPT)
    carried: Stream = field(kw_only=True, metadata=NOT_KEPT)


def check_window(
    fitted: FittedDetector,
    window: Features,
    *,
    alpha: float = 0.01,
    picks: int = 20,
    draws: int = 9999,
    seed: int = 0,
    scores: Scores | None = None,
    stream: Stream = NEW,
    stream_alpha: float = 0.001,
    name: str = "",
    classes: Sequence[str] = (),
) -> DriftReport:
    """Check a window.

    Args:
        fitted: what is known.
        window: features of at least one image, by the model that the detector was fitted for.
        alpha: level of the window test, in (0, 1).
        picks: how many samples a person should see.
        draws: null windows. The smallest p-value is 2 / (draws + 1).
        seed: of the draws and the picks.
        scores: of the window's samples where they are known already, as of a window scored in parts.
        stream: what the check of the window before carried on, with the same detector.
        stream_alpha: level of the test of the windows together, in (0, 1).
        name: the window's, for the report.
        classes: their names, for the report.

    Raises:
        DataError: the window is empty, or its features are not of the detector's form.
    """
    _check_form(fitted, window)
    scores = scores or score_samples(fitted, window)
    table, copies = _tabulate(fitted, window, scores), find_copies(window.images)
    stuck = scores.properties[copies.stuck]
    samples, scores = _weighed(table, scores, copies)
    outputs = window.logits.shape[1]
    evidence = stand(fitted, scores, samples.predicted, samples.kind, outputs)
    test = window_test(evidence, draws=draws, seed=seed)
    novel = novel_share(evidence.novelty, seed=seed)
    # The draws' own limit holds for each test, so that a p-value never says more than they can.
    frozen = 1.0 if _is_known(fitted, stuck) else copies.chance(len(fitted.kinds[0].scores))
    p_value = min(test.p_value, max(frozen, 2 / (draws + 1)))
    drifted = p_value <= alpha
    carried = stream.followed_by(evidence)
    together = None if drifted else carried.test(alpha=stream_alpha, draws=draws, seed=seed)
    drifted = drifted or (together is not None and together.drifted)
    # If no sample is surely novel, all of them may have drifted.
    random_share = random_share_for(novel.estimate if novel.low > 0 else 1.0)
    return DriftReport(
        window=name,
        n=len(window),
        statistic=test.statistic,
        p_value=p_value,
        alpha=alpha,
        drifted=drifted,
        stream=together,
        novel_share=novel,
        moves=test.moves,
        estimated_accuracy=estimate_accuracy(fitted, scores, samples.predicted),
        known_as=None if drifted else _known_as(fitted, samples, scores, outputs, alpha, draws, seed),
        label_shift=label_shift(
            samples.predicted, fitted.kinds[0].predicted, draws=draws, seed=seed, classes=classes
        ),
        kinds=tuple(kind.name for kind in fitted.kinds),
        kind_shares=tuple(map(float, _kind_shares(samples, len(fitted.kinds)))),
        picks=_pick(fitted, window, table, copies.first, novel.low, picks, random_share, seed),
        samples=table,
        copies=copies.count,
        frozen=copies.frozen,
        carried=NEW if drifted else carried,
        seed=seed,
    )


def _is_known(fitted: FittedDetector, properties: npt.NDArray[np.float64]) -> bool:
    """Tell by its properties whether a picture is in the calibration, as a blank one that comes every day."""
    return any(np.isclose(kind.properties, properties, rtol=1e-4).all(axis=1).any() for kind in fitted.kinds)


def _weighed(samples: SampleTable, scores: Scores, copies: Copies) -> tuple[SampleTable, Scores]:
    """Return what the tests count."""
    if len(copies.weighed) == copies.n:
        return samples, scores
    at = copies.weighed
    return SampleTable(**{name: column[at] for name, column in samples.arrays().items()}), Scores(
        scores.by_kind[:, at], scores.properties[at], scores.signals[at]
    )


def estimate_accuracy(
    fitted: FittedDetector, scores: Scores, predicted: npt.NDArray[np.int64]
) -> Estimate | None:
    """Return the accuracy to expect on a window, with its limits. None where nothing taught it."""
    return None if fitted.accuracy is None else fitted.accuracy.estimate(scores.signals, predicted)


def _tabulate(fitted: FittedDetector, window: Features, scores: Scores) -> SampleTable:
    p_values = np.stack(
        [sample_p_values(own, kind.scores) for own, kind in zip(scores.by_kind, fitted.kinds, strict=True)]
    )
    best = p_values.argmax(axis=0).astype(np.int64)
    every = np.arange(len(window))
    logs = (log_softmax(part.astype(np.float64), axis=1) for part in in_parts(window.logits))
    predicted, confidence = zip(
        *((part.argmax(axis=1), np.exp(part.max(axis=1))) for part in logs), strict=True
    )
    return SampleTable(
        predicted=np.concatenate(predicted).astype(np.int64),
        confidence=np.concatenate(confidence),
        drift_score=scores.by_kind[best, every],
        p_value=p_values[best, every],
        kind=best,
    )


def _kind_shares(samples: SampleTable, kinds: int) -> npt.NDArray[np.float64]:
    return np.bincount(samples.kind, minlength=kinds) / len(samples.kind)


def _known_as(
    fitted: FittedDetector,
    samples: SampleTable,
    scores: Scores,
    classes: int,
    alpha: float,
    draws: int,
    seed: int,
) -> str | None:
    """Return which repaired drift explains a window that clean data alone do not explain.

    None also where hardly a sample is like it. Then something else may have raised the alarm of the clean
    data, too little for the test that knows more.
    """
    if len(fitted.kinds) == 1:
        return None
    clean, only = np.zeros_like(samples.kind), replace(scores, by_kind=scores.by_kind[:1])
    evidence = stand(replace(fitted, kinds=fitted.kinds[:1]), only, samples.predicted, clean, classes)
    if window_test(evidence, draws=draws, seed=seed).p_value > alpha:
        return None
    shares = _kind_shares(samples, len(fitted.kinds))[1:]
    return fitted.kinds[1 + int(np.argmax(shares))].name if shares.max() >= _LEAST_SHARE else None


def _pick(
    fitted: FittedDetector,
    window: Features,
    samples: SampleTable,
    among: npt.NDArray[np.int64],
    surely_novel: float,
    count: int,
    random_share: float,
    seed: int,
) -> tuple[Pick, ...]:
    order = np.lexsort((samples.drift_score, -samples.p_value))
    strangeness = np.empty(len(window))
    strangeness[order] = np.arange(len(window))
    chosen = pick_samples(  # nobody is shown a picture twice
        strangeness[among],
        window.embeddings if len(among) == len(window) else window.embeddings[among],
        count=count,
        surely_novel=surely_novel,
        random_share=random_share,
        seed=seed,
    )
    index = np.array([among[pick.index] for pick in chosen], dtype=np.int64)
    _, nearest = NEIGHBOURS.nearest(fitted.neighbours, rows(window, index))
    return tuple(
        replace(pick, index=int(place), nearest=tuple(map(int, near)))
        for pick, place, near in zip(chosen, index, nearest, strict=True)
    )


def _check_form(fitted: FittedDetector, window: Features) -> None:
    if len(window) == 0:
        raise DataError("the window is empty; a check needs one image at least.")
    wide, known = window.embeddings.shape[1:], fitted.neighbours["vectors"].shape[1:]
    if wide != known:
        raise DataError(
            f"the window's embeddings are {wide[0]} wide, the detector's {known[0]}: they come from "
            "different models. Predict the window with the model that the detector was fitted for."
        )
    if not all(
        np.isfinite(part).all() for each in (window.embeddings, window.logits) for part in in_parts(each)
    ):
        raise DataError(
            "the window's features hold NaN or infinite numbers; the model or its input is damaged."
        )
