"""The gate: may a candidate take the incumbent's place? Both answer the same samples: every test is paired.

A candidate must be significantly better on the drift, shown to lose no more than a margin on clean data, and
not shown to lose more than that on any drift repaired before.

What tells the two apart on the drift are the samples that they answer differently, and those are known
before anybody labels them. So labels that judge come from two draws: a random slice of the window, labelled
in the review before there was a candidate, and, if that does not settle it, samples drawn at random from
those on which the two disagree. Of disagreements drawn at random, a candidate that is no better wins at most
every second one: the exact sign test (McNemar's, on labelled disagreements) holds for either draw.
`driftloop.improver.evidence` says which labels these are.

The gate looks at most twice, and the two looks share alpha: whoever asks again until a worthless candidate
happens to look good does not get far. How many labels the second look takes follows from what the first one
saw, so it counts the new ones alone: pooled with those that asked for them, they would promote too often
(Bauer and Köhne, Biometrics 50, 1994). Only where few disagreements are left are all of them labelled
whatever was seen; then all count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from driftloop.errors import DriftloopError, ParameterError
from driftloop.improver.comparison import Comparison, DriftComparison
from driftloop.improver.evidence import FEW
from driftloop.improver.paired import sign_test

_LOOKS = (0.2, 0.8)
"""How alpha is shared between the looks. At 0.02 the first asks for 8 wins to 0 or 11 to 1, the second for 6
to 0 or 9 to 1: the first look is for gains that nobody can overlook."""
_POWER = 0.95
_MOST_LABELS = 100
_HOPED_FOR = (2, 1)
"""Wins and losses that are added to those seen when the labels still needed are worked out."""
_LEAST_HOPE = 0.6
"""The smallest share of wins that labels are asked for: few labels of the first look prove little."""
_HOPELESS = 0.1
"""Nothing is asked where the first look shows a loss, with such a p-value."""


@dataclass(frozen=True)
class Evaluation:
    """What the gate found, and whether the candidate is promoted.

    Attributes:
        promote: whether everything that is asked of a candidate holds.
        p_value: of the gain on the drift, one-sided; corrected for the looks and for rival candidates.
        alpha: a candidate that is no better is promoted with at most this probability.
        margin: how much accuracy may be lost elsewhere.
        second_look: whether disagreements were labelled on purpose; there is no third look.
        drift: on samples of the window that the candidate did not learn from.
        clean: on clean held-out samples.
        earlier: on each drift repaired before.
        more_labels: how many disagreements to label for the second look: enough to show the gain with
            probability 0.95 if it is about as large as it looks, or all there are. 0 where nothing is open,
            None where it is hopeless.
        sentence: the verdict in plain words.
    """

    promote: bool
    p_value: float
    alpha: float
    margin: float
    second_look: bool
    drift: DriftComparison
    clean: Comparison
    earlier: Mapping[str, Comparison]
    more_labels: int | None
    sentence: str

    @property
    def second_level(self) -> float:
        """The level of the second look's test, without rivals."""
        return self.alpha * _LOOKS[True]

    def given_up(self) -> Evaluation:
        """Return the evaluation with nothing more to be asked: no answer could change it."""
        sentence = f"Rejected: {_evidence(self, self.p_value)}. {_advice(self, None)}"
        return replace(self, more_labels=None, sentence=sentence)

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as plain values, for `evaluation.json`."""
        return asdict(self)


def judge(
    drift: DriftComparison,
    clean: Comparison,
    earlier: Mapping[str, Comparison] | None = None,
    *,
    alpha: float,
    margin: float,
    second_look: bool = False,
) -> Evaluation:
    """Judge one candidate.

    Args:
        drift: on a window, by labels that were drawn at random: see the module.
        clean: on clean samples that neither learned from.
        earlier: on each drift that was repaired before.
        alpha: a candidate that is no better is promoted with at most this probability, both looks together.
        margin: how much accuracy may be lost on clean data, as a fraction.
        second_look: whether labels were asked for where the two disagree.

    Raises:
        ParameterError: alpha or margin is out of range.
        DriftloopError: there are no clean samples.

    >>> from driftloop.improver.comparison import compare, compare_on_window
    >>> same = np.zeros(40, np.int64)
    >>> drift = compare_on_window(same, same + 1, np.arange(40), same + 1, 0.02)
    >>> clean = compare(np.ones(5000, bool), np.ones(5000, bool), 0.02)
    >>> judge(drift, clean, alpha=0.02, margin=0.005).promote
    True
    """
    if not 0 < alpha < 1:
        raise ParameterError(f"gate.alpha is {alpha}; it lies between 0 and 1. Try 0.02.")
    if not 0 <= margin <= 1:
        raise ParameterError(f"gate.margin is {margin}; it lies between 0 and 1. Try 0.005.")
    if not clean.n:
        raise DriftloopError("The gate has no clean samples to judge on; give the test split some.")
    p_value = min(1.0, sign_test(drift.better, drift.worse + drift.held_against) / _LOOKS[second_look])
    evaluation = Evaluation(
        promote=False,
        p_value=p_value,
        alpha=alpha,
        margin=margin,
        second_look=second_look,
        drift=drift,
        clean=clean,
        earlier=dict(earlier or {}),
        more_labels=0,
        sentence="",
    )
    return _decide(evaluation, p_value)


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
        rivals = len(ranked) - rank
        corrected = max(corrected, min(1.0, rivals * evaluations[name].p_value))
        decided[name] = _decide(evaluations[name], corrected, rivals)
    fit = [name for name in ranked if decided[name].promote]
    winner = max(fit, key=lambda name: decided[name].drift.gain, default=None)
    for name in ranked:
        if winner is not None and decided[name].promote and name != winner:
            sentence = f"Rejected: {winner} gains more ({_points(decided[winner].drift.gain)})."
            decided[name] = replace(decided[name], promote=False, sentence=sentence)
        if winner is not None:  # the window has its repair: nothing is asked any more
            decided[name] = replace(decided[name], more_labels=0)
    return {name: decided[name] for name in evaluations}, winner


def labels_to_settle(drift: DriftComparison, alpha: float) -> int | None:
    """Return how many more disagreements to label for the second look.

    Args:
        drift: as the first look found it.
        alpha: level of the second look's sign test.

    Returns:
        All, where they are `FEW`. Else as many as show the gain with probability 0.95 if the candidate wins
        about as often as it did so far, 100 at most; None where it looks worse, or where none is left.

    >>> from driftloop.improver.comparison import compare_on_window
    >>> same = np.zeros(40, np.int64)
    >>> drift = compare_on_window(same, np.repeat([0, 1], 20), np.arange(2), same[:2], 0.02, left=20)
    >>> labels_to_settle(drift, 0.016)
    20
    """
    from scipy import stats

    left = min(drift.left, _MOST_LABELS)
    if not left or sign_test(drift.worse, drift.better) < _HOPELESS:
        return None
    if left <= FEW:
        return left
    wins, losses = drift.better + _HOPED_FOR[0], drift.worse + _HOPED_FOR[1]
    share = max(_LEAST_HOPE, wins / (wins + losses))
    labels = np.arange(1, left + 1)
    needed = stats.binom.isf(alpha, labels, 0.5) + 1
    shown = stats.binom.sf(needed - 1, labels, share)
    enough = np.flatnonzero(shown >= _POWER)
    return int(labels[enough[0]]) if len(enough) else left


def _decide(evaluation: Evaluation, p_value: float, rivals: int = 1) -> Evaluation:
    """Fill in `p_value`, `promote`, `more_labels` and `sentence`."""
    unshown, lost = p_value > evaluation.alpha, _loss(evaluation)
    more: int | None = 0
    if unshown and not lost:
        level = evaluation.second_level / rivals
        more = None if evaluation.second_look else labels_to_settle(evaluation.drift, level)
    if unshown:
        sentence = f"Rejected: {_evidence(evaluation, p_value)}. {lost or _advice(evaluation, more)}"
    elif lost:
        sentence = f"Rejected: {lost}"
    else:
        clean = evaluation.clean.gain
        sentence = (
            f"Promoted: {_evidence(evaluation, p_value)}; "
            f"clean accuracy {'holds' if clean == 0 else f'changes by {_points(clean)}'}."
        )
    promote = not (unshown or lost)
    return replace(evaluation, p_value=p_value, promote=promote, more_labels=more, sentence=sentence)


def _loss(evaluation: Evaluation) -> str | None:
    """Say what a candidate loses beyond the margin, or None."""
    clean, margin = evaluation.clean, evaluation.margin
    if clean.low < -margin:
        return (
            f"Clean accuracy changes by {_points(clean.gain)}, and a loss of up to "
            f"{_points(-clean.low, signed=False)} cannot be ruled out; "
            f"{_points(margin, signed=False)} are allowed (gate.margin)."
        )
    for name, comparison in evaluation.earlier.items():
        if comparison.high < -margin:
            return f"It unlearns {name}, repaired before ({_points(comparison.gain)})."
    return None


def _evidence(evaluation: Evaluation, p_value: float) -> str:
    drift = evaluation.drift
    if not drift.disagreements:
        return f"it answers all {drift.window} samples as the incumbent does"
    if not drift.labelled_disagreements:
        return f"of {drift.disagreements} samples on which the two disagree, none that may judge has a label"
    against = f", with {drift.held_against} more held against it" if drift.held_against else ""
    where = f"the {drift.window} samples it has not learnt from" if evaluation.second_look else "this window"
    gain = f"{'a gain' if drift.gain >= 0 else 'a loss'} of about {_points(abs(drift.gain), signed=False)}"
    return (
        f"of {drift.labelled_disagreements} labelled samples on which the two disagree, it has "
        f"{drift.better} right and the incumbent {drift.worse}{against} (p = {p_value:.2g}, for two looks), "
        f"{gain} on {where}"
    )


def _advice(evaluation: Evaluation, more: int | None) -> str:
    if evaluation.second_look:
        return "This was the second look, and the last; only a new review could change it."
    if more is None:
        return "More labels are unlikely to change that."
    return f"Labels for up to {more} more samples on which the two disagree would settle it."


def _points(fraction: float, *, signed: bool = True) -> str:
    return f"{100 * fraction:{'+' if signed else ''}.2f} points"
