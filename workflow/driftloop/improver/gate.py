"""The gate: may a candidate take the incumbent's place? Both answer the same samples: every test is paired.

A candidate must be significantly better on the drift (the exact form of McNemar's test, on samples that it
did not learn from), shown to lose no more than a margin on clean data, and not shown to lose more than
that on any drift repaired before. Intervals are Tango's score intervals for a difference between paired
proportions (Statistics in Medicine 17, 1998), which hold for few samples and for rare disagreements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from driftloop.errors import DriftloopError, ParameterError

Correct = npt.NDArray[np.bool_]
"""bool (n,): which samples were answered rightly."""

_POWER = 0.8
_MOST_DISAGREEMENTS = 2000
_RESOLUTION = 1e-9


@dataclass(frozen=True)
class Comparison:
    """Candidate against incumbent on the same samples.

    Attributes:
        n: samples.
        incumbent_accuracy: in [0, 1]; None where there are no samples.
        candidate_accuracy: in [0, 1]; None where there are no samples.
        better: samples that only the candidate got right.
        worse: samples that only the incumbent got right.
        gain: candidate's accuracy less the incumbent's.
        low: lower end of the interval of the true gain.
        high: upper end; each end is beyond the truth with probability alpha.
    """

    n: int
    incumbent_accuracy: float | None
    candidate_accuracy: float | None
    better: int
    worse: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """What the gate found, and whether the candidate is promoted.

    Attributes:
        promote: whether everything that is asked of a candidate holds.
        p_value: of the gain on the drift, one-sided; corrected where it was chosen among several.
        alpha: level of all tests.
        margin: how much accuracy may be lost elsewhere.
        drift: on reviewed samples that the candidate never saw.
        clean: on clean held-out samples.
        earlier: on each drift repaired before.
        more_labels: how many more reviewed samples of this kind would show the gain with probability 0.8,
            if it is as large as it looks; 0 where it is shown, None where there is no gain to show.
        sentence: the verdict in plain words.
    """

    promote: bool
    p_value: float
    alpha: float
    margin: float
    drift: Comparison
    clean: Comparison
    earlier: Mapping[str, Comparison]
    more_labels: int | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as plain values, for `evaluation.json`."""
        return asdict(self)


def judge(
    incumbent_correct: Correct,
    candidate_correct: Correct,
    clean_incumbent_correct: Correct,
    clean_candidate_correct: Correct,
    *,
    alpha: float,
    margin: float,
    earlier: Mapping[str, tuple[Correct, Correct]] | None = None,
) -> Evaluation:
    """Judge one candidate.

    Args:
        incumbent_correct: on reviewed samples of the drift that the candidate never saw, bool (n,).
        candidate_correct: on the same samples.
        clean_incumbent_correct: on clean samples that neither learned from, bool (m,).
        clean_candidate_correct: on the same samples.
        alpha: a candidate that is no better is promoted with at most this probability.
        margin: how much accuracy may be lost on clean data, as a fraction.
        earlier: for each drift repaired before, what incumbent and candidate got right, paired.

    Raises:
        ParameterError: alpha or margin is out of range.
        DriftloopError: two arrays that must be paired differ in length, or there are no clean samples.

    >>> right, wrong = np.ones(40, bool), np.zeros(40, bool)
    >>> clean = np.ones(5000, bool)
    >>> judge(wrong, right, clean, clean, alpha=0.02, margin=0.005).sentence  # doctest: +ELLIPSIS
    'Promoted: right on 100.0 % of 40 samples it never saw, up from 0.0 % (p = 9.1e-13); clean accuracy...'
    """
    if not 0 < alpha < 1:
        raise ParameterError(f"gate.alpha is {alpha}; it lies between 0 and 1. Try 0.02.")
    if not 0 <= margin <= 1:
        raise ParameterError(f"gate.margin is {margin}; it lies between 0 and 1. Try 0.005.")
    if not len(clean_incumbent_correct):
        raise DriftloopError("The gate has no clean samples to judge on; give the test split some.")
    drift = compare(incumbent_correct, candidate_correct, alpha)
    evaluation = Evaluation(
        promote=False,
        p_value=mcnemar(drift.better, drift.worse),
        alpha=alpha,
        margin=margin,
        drift=drift,
        clean=compare(clean_incumbent_correct, clean_candidate_correct, alpha),
        earlier={name: compare(*pair, alpha) for name, pair in (earlier or {}).items()},
        more_labels=more_labels(drift, alpha),
        sentence="",
    )
    return _decide(evaluation, evaluation.p_value)


def choose(evaluations: Mapping[str, Evaluation]) -> tuple[dict[str, Evaluation], str | None]:
    """Choose among several candidates for the same window.

    The p-values are corrected for how many candidates tried (Holm, Scandinavian Journal of Statistics 6,
    1979), so that a window of worthless candidates promotes one with probability alpha at most.

    Args:
        evaluations: by the candidate's name.

    Returns:
        The evaluations with corrected p-values, and the name of the one that gained most among those that
        may be promoted, or None. All others have `promote` False.
    """
    ranked = sorted(evaluations, key=lambda name: evaluations[name].p_value)
    decided: dict[str, Evaluation] = {}
    corrected = 0.0
    for rank, name in enumerate(ranked):
        corrected = max(corrected, min(1.0, (len(ranked) - rank) * evaluations[name].p_value))
        decided[name] = _decide(evaluations[name], corrected)
    fit = [name for name in ranked if decided[name].promote]
    winner = max(fit, key=lambda name: decided[name].drift.gain, default=None)
    for name in fit:
        if name != winner:
            sentence = f"Rejected: {winner} gains more ({_points(decided[str(winner)].drift.gain)})."
            decided[name] = replace(decided[name], promote=False, sentence=sentence)
    return {name: decided[name] for name in evaluations}, winner


def compare(incumbent: Correct, candidate: Correct, alpha: float) -> Comparison:
    """Compare two classifiers on the same samples.

    Raises:
        DriftloopError: the arrays differ in length.

    >>> compare(np.array([True, False, False]), np.array([True, True, False]), 0.05).gain
    0.3333333333333333
    """
    if len(incumbent) != len(candidate):
        raise DriftloopError(
            f"Incumbent and candidate must answer the same samples; they answered {len(incumbent)} and "
            f"{len(candidate)}."
        )
    n = len(incumbent)
    better, worse = int((candidate & ~incumbent).sum()), int((incumbent & ~candidate).sum())
    low, high = gain_interval(better, worse, n, alpha)
    return Comparison(
        n=n,
        incumbent_accuracy=float(incumbent.mean()) if n else None,
        candidate_accuracy=float(candidate.mean()) if n else None,
        better=better,
        worse=worse,
        gain=(better - worse) / n if n else 0.0,
        low=low,
        high=high,
    )


def mcnemar(better: int, worse: int) -> float:
    """Return the p-value of the exact one-sided McNemar test: does the candidate win more than it loses?

    Samples on which both are right, or both wrong, say nothing about which is better.

    >>> mcnemar(5, 0)
    0.03125
    """
    return float(stats.binom.sf(better - 1, better + worse, 0.5))


def gain_interval(better: int, worse: int, n: int, alpha: float) -> tuple[float, float]:
    """Return Tango's interval of the true gain; each of its ends is passed with probability alpha.

    >>> low, high = gain_interval(0, 0, 5000, 0.05)
    >>> round(low, 5), round(high, 5)
    (-0.00054, 0.00054)
    """
    if not n:
        return -1.0, 1.0
    z = float(stats.norm.isf(alpha))
    return -_upper(worse, better, n, z), _upper(better, worse, n, z)


def _upper(better: int, worse: int, n: int, z: float) -> float:
    """Return the largest gain that is no more than `z` standard errors above the one seen."""

    def excess(gain: float) -> float:
        # The likeliest rate of losses if this were the true gain, as the root of a quadratic.
        b = (2 * n - better + worse) * gain - better - worse
        c = -worse * gain * (1 - gain)
        rate = (np.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = 2 * rate + gain * (1 - gain)
        return float(n * gain - (better - worse) - z * np.sqrt(max(n * variance, 0.0)))

    above = (better - worse) / n + _RESOLUTION  # without a disagreement, `excess` is 0 also at a gain of 0
    if above >= 1 or excess(1.0) <= 0:
        return 1.0
    return float(optimize.brentq(excess, above, 1.0))


def more_labels(drift: Comparison, alpha: float) -> int | None:
    """Return how many more reviewed samples would show the gain seen, if it is the true one.

    Args:
        drift: the comparison on reviewed samples.
        alpha: level of the exact McNemar test.

    Returns:
        Labels for a probability of 0.8; 0 where the gain is shown already; None where there is no gain.

    >>> more_labels(compare(np.zeros(4, bool), np.ones(4, bool), 0.02), 0.02)
    2
    """
    if mcnemar(drift.better, drift.worse) <= alpha:
        return 0
    if drift.better <= drift.worse:
        return None
    disagreements = np.arange(1, _MOST_DISAGREEMENTS)
    wins = stats.binom.isf(alpha, disagreements, 0.5) + 1
    share = drift.better / (drift.better + drift.worse)
    enough = np.flatnonzero(stats.binom.sf(wins - 1, disagreements, share) >= _POWER)
    if not len(enough):
        return None
    needed = disagreements[enough[0]] * drift.n / (drift.better + drift.worse)
    return max(1, int(np.ceil(needed)) - drift.n)


def _decide(evaluation: Evaluation, p_value: float) -> Evaluation:
    """Fill in `p_value`, `promote` and `sentence`."""
    refusal = _refusal(evaluation, p_value)
    drift, clean = evaluation.drift, evaluation.clean
    sentence = refusal or (
        f"Promoted: right on {_percent(drift.candidate_accuracy)} of {drift.n} samples it never saw, "
        f"up from {_percent(drift.incumbent_accuracy)} (p = {p_value:.2g}); clean accuracy "
        f"{'holds' if clean.gain == 0 else f'changes by {_points(clean.gain)}'}."
    )
    return replace(evaluation, p_value=p_value, promote=refusal is None, sentence=sentence)


def _refusal(evaluation: Evaluation, p_value: float) -> str | None:
    """Say why a candidate is rejected, the weightiest reason first; None if it is not."""
    drift, clean, margin = evaluation.drift, evaluation.clean, evaluation.margin
    if not drift.n:
        return "Rejected: no reviewed sample is left to judge on; label more samples."
    if p_value > evaluation.alpha:
        return (
            f"Rejected: no gain shown on {drift.n} reviewed samples it never saw "
            f"({_percent(drift.incumbent_accuracy)} before, {_percent(drift.candidate_accuracy)} after, "
            f"p = {p_value:.2g}). {_advice(evaluation.more_labels)}"
        )
    if clean.low < -margin:
        return (
            f"Rejected: clean accuracy changes by {_points(clean.gain)}, and a loss of up to "
            f"{_points(-clean.low, signed=False)} cannot be ruled out; "
            f"{_points(margin, signed=False)} are allowed."
        )
    for name, comparison in evaluation.earlier.items():
        if comparison.high < -margin:
            return f"Rejected: it unlearns {name}, repaired before ({_points(comparison.gain)})."
    return None


def _advice(more: int | None) -> str:
    return (
        f"About {more} more labels would settle it." if more else "More labels are unlikely to change that."
    )


def _percent(fraction: float | None) -> str:
    return "no samples" if fraction is None else f"{100 * fraction:.1f} %"


def _points(fraction: float, *, signed: bool = True) -> str:
    return f"{100 * fraction:{'+' if signed else ''}.2f} points"
