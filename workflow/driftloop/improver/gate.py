"""The gate: may a candidate take the incumbent's place? Both answer the same samples: every test is paired.

A candidate must be significantly better on the drift. It must be shown to lose no more than a margin on clean
data. It must not be shown to lose more than that on any drift repaired before.

The samples that they answer differently tell the two apart on the drift. Those samples are known before
anybody labels them. They are drawn in random order, and a person labels as many as they like: the test holds
at every number of them (`driftloop.improver.tally`). `driftloop.improver.evidence` says which labels judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from driftloop.errors import DriftloopError, ParameterError
from driftloop.findings.evaluation import Comparison, DriftComparison, Evaluation
from driftloop.improver.margin import images_to_pass
from driftloop.improver.outlook import foresee
from driftloop.improver.tally import Tally


def judge(
    drift: DriftComparison,
    clean: Comparison,
    earlier: Mapping[str, Comparison] | None = None,
    *,
    tally: Tally,
    alpha: float,
    margin: float,
    held_out: Comparison | None = None,
) -> Evaluation:
    """Judge one candidate.

    Args:
        drift: on a window, by labels that were drawn at random.
        clean: on clean samples of the test split, that neither learned from.
        earlier: on each drift that was repaired before.
        tally: its wins and losses on the window, as they were drawn.
        alpha: a candidate that is no better is promoted with at most this probability.
        margin: how much accuracy may be lost on clean data, as a fraction.
        held_out: on all clean samples that the candidate did not learn from. Those of `clean` by default.

    Raises:
        ParameterError: alpha or margin is out of range.
        DriftloopError: there are no clean samples.

    >>> import numpy as np
    >>> from driftloop.improver.comparison import compare, compare_on_window
    >>> from driftloop.improver.tally import count_draws
    >>> same = np.zeros(40, np.int64)
    >>> drift = compare_on_window(same, same + 1, np.arange(40), same + 1, 0.02)
    >>> clean = compare(np.ones(5000, bool), np.ones(5000, bool), 0.02)
    >>> judge(drift, clean, tally=count_draws(same, same + 1, same + 1), alpha=0.02, margin=0.005).promote
    True
    """
    if not 0 < alpha < 1:
        raise ParameterError(f"gate.alpha is {alpha}; it lies between 0 and 1. Try 0.02.")
    if not 0 <= margin <= 1:
        raise ParameterError(f"gate.margin is {margin}; it lies between 0 and 1. Try 0.005.")
    if not clean.n:
        raise DriftloopError("The gate has no clean samples to judge on; give the test split some.")
    evaluation = Evaluation(
        promote=False,
        p_value=tally.p_value,
        alpha=alpha,
        margin=margin,
        level=alpha,
        drift=drift,
        clean=clean,
        held_out=held_out or clean,
        earlier=dict(earlier or {}),
        outlook=None,
        sentence="",
    )
    return _decide(evaluation, tally, tally.p_value)


def choose(
    evaluations: Mapping[str, Evaluation], tallies: Mapping[str, Tally]
) -> tuple[dict[str, Evaluation], str | None]:
    """Choose among several candidates for the same window.

    The p-values are corrected for how many candidates tried (Holm, Scandinavian Journal of Statistics 6,
    1979). So a window of worthless candidates promotes one with probability alpha at most.

    Args:
        evaluations: by the candidate's name.
        tallies: of the same, as they were judged by.

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
        decided[name] = _decide(evaluations[name], tallies[name], corrected, len(ranked))
    fit = [name for name in ranked if decided[name].promote]
    winner = max(fit, key=lambda name: decided[name].drift.gain, default=None)
    for name in ranked:
        if winner is not None and decided[name].promote and name != winner:
            sentence = f"Rejected: {winner} gains more ({_points(decided[winner].drift.gain)})."
            decided[name] = replace(decided[name], promote=False, sentence=sentence)
        if winner is not None:  # the window has its repair: nothing is asked any more
            decided[name] = replace(decided[name], outlook=None)
    return {name: decided[name] for name in evaluations}, winner


def _decide(evaluation: Evaluation, tally: Tally, p_value: float, rivals: int = 1) -> Evaluation:
    """Fill in `p_value`, `promote`, `level`, `outlook` and `sentence`."""
    level, lost = evaluation.alpha / rivals, _loss(evaluation)
    shown = p_value <= evaluation.alpha
    outlook = None if shown or lost else foresee(tally, level)
    found = _found(evaluation, p_value)
    if lost:
        sentence = f"Rejected: {lost}" if shown else f"Rejected: {found} {lost}"
    elif outlook:
        sentence = f"{'Open' if outlook.batch else 'Rejected'}: {found} {outlook.sentence}"
    else:
        sentence = f"Promoted: {found} {_kept(evaluation)}"
    return replace(
        evaluation,
        p_value=p_value,
        promote=shown and not lost,
        level=level,
        outlook=outlook,
        sentence=sentence,
    )


def _found(evaluation: Evaluation, p_value: float) -> str:
    """Say what was found on the drift, and how sure that is."""
    drift = evaluation.drift
    if not drift.disagreements:
        return f"it answers all {drift.window} samples as the incumbent does."
    if not drift.labelled_disagreements:
        return f"of {drift.disagreements} samples on which the two disagree, none that may judge has a label."
    against = f", and {drift.held_against} more count against it" if drift.held_against else ""
    gain = f"{'a gain' if drift.gain >= 0 else 'a loss'} of about {_points(abs(drift.gain), signed=False)}"
    sure = ""
    if p_value < 1:
        sure = (
            f" One that is no better looks as good in {_odds(p_value)}; {_odds(evaluation.alpha)} "
            "are allowed (gate.alpha)."
        )
    return (
        f"of {drift.labelled_disagreements} labelled samples on which the two disagree, it has "
        f"{drift.better} right and the incumbent {drift.worse}{against}: "
        f"{gain} on {drift.window} samples.{sure}"
    )


def _kept(evaluation: Evaluation) -> str:
    clean = evaluation.held_out
    kept = "holds" if clean.gain == 0 else f"changes by {_points(clean.gain)}"
    return (
        f"Clean accuracy {kept} on {clean.n} images; "
        f"a loss beyond {_points(evaluation.margin, signed=False)} is ruled out."
    )


def _loss(evaluation: Evaluation) -> str | None:
    """Say what a candidate loses beyond the margin, or None."""
    clean, margin = evaluation.held_out, evaluation.margin
    if clean.low < -margin:
        differ = max((clean.better + clean.worse) / clean.n, 1 / clean.n)
        return (
            f"On {clean.n:,} clean images it alone has {clean.better} right and the incumbent alone "
            f"{clean.worse} ({_points(clean.gain)}). A loss of up to {_points(-clean.low, signed=False)} "
            f"cannot be ruled out; {_points(margin, signed=False)} are allowed (gate.margin). "
            f"{_remedy(clean, margin, differ, evaluation)}"
        )
    for name, comparison in evaluation.earlier.items():
        if comparison.high < -margin:
            return f"It unlearns {name}, repaired before ({_points(comparison.gain)})."
    return None


def _remedy(clean: Comparison, margin: float, differ: float, evaluation: Evaluation) -> str:
    """Say what would help a candidate whose loss on clean images is not ruled out."""
    if clean.high < -margin or clean.gain < -margin:
        return "It does lose more than that; decide anew."
    needed = images_to_pass(differ, margin, evaluation.alpha)
    return f"If it loses nothing, about {needed:,} clean images would show that: add labelled images."


def _odds(p_value: float) -> str:
    """Say a probability in windows.

    >>> _odds(0.02), _odds(0.3), _odds(1e-9)
    ('2 of 100 windows', '30 of 100 windows', 'fewer than 1 of 10,000 windows')
    """
    if p_value < 1e-4:
        return "fewer than 1 of 10,000 windows"
    of = 100 if p_value >= 0.01 else 10_000
    return f"{of * p_value:.2g} of {of:,} windows"


def _points(fraction: float, *, signed: bool = True) -> str:
    return f"{100 * fraction:{'+' if signed else ''}.2f} points"
