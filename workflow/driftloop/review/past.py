"""What became of earlier windows, and of this one so far: how repairs fared, and how long they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from driftloop import layout
from driftloop.errors import DriftloopError
from driftloop.findings.drift import Drift
from driftloop.findings.evaluation import Evaluations
from driftloop.findings.verdict import Verdict
from driftloop.review.decision import STEPS
from driftloop.tracker.provenance import read_made, record

_STEPS = {**STEPS, "evaluation": "evaluate-candidates"}
"""What takes time after a decision → the step that does it."""


@dataclass(frozen=True)
class Trial:
    """How one candidate fared.

    Attributes:
        before: the incumbent's accuracy on reviewed samples that the candidate did not learn from, in [0, 1].
            None where these are too few to tell.
        after: the candidate's, on the same.
        promoted: whether it was promoted.
    """

    before: float | None
    after: float | None
    promoted: bool


@dataclass(frozen=True)
class Past:
    """What became of a window. None for what does not apply.

    Attributes:
        window: its name.
        drifted: what the check found.
        accuracy: the incumbent's estimated accuracy, in [0, 1].
        decision: keep, retrain, filter or both.
        diagnosis: the corruption that the reviewer saw.
        foremost: the repair that was promoted, or else gained most.
        trials: repair → how its candidate fared, for those that were tried.
        seconds: repair, or `evaluation` → how long it took, where that was recorded.
    """

    window: str
    drifted: bool
    accuracy: float | None = None
    decision: str | None = None
    diagnosis: str | None = None
    foremost: str | None = None
    trials: Mapping[str, Trial] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


def load_past(window: str) -> Past | None:
    """Read what became of a window, as far as it got. None where it was not even checked, or is damaged.

    It is told to a reviewer, and decides nothing. The step that needs a damaged file finds it out.
    """
    try:
        return _load_past(window)
    except DriftloopError:
        return None


def _load_past(window: str) -> Past | None:
    drift = Drift.find(layout.drift(window))
    if drift is None:
        return None
    verdict = Verdict.find(layout.verdict(window))
    evaluation = Evaluations.on(verdict) if verdict else None
    took = {what: seconds_of(_home(what, window), step) for what, step in _STEPS.items()}
    return Past(
        window=window,
        drifted=drift.drifted,
        accuracy=drift.estimated_accuracy and drift.estimated_accuracy.estimate,
        decision=verdict.decision if verdict else None,
        diagnosis=verdict.diagnosis if verdict else None,
        foremost=evaluation.foremost if evaluation else None,
        trials=_trials(evaluation) if evaluation else {},
        seconds={repair: seconds for repair, seconds in took.items() if seconds is not None},
    )


def seconds_of(home: Path, step: str) -> float | None:
    """Return how long a step took, by its record in the folder of its products. None without one."""
    made = read_made(record(home, step))
    return made.seconds if made else None


def _home(what: str, window: str) -> Path:
    return layout.results(window) if what == "evaluation" else layout.candidate(window, what)


def _trials(evaluation: Evaluations) -> dict[str, Trial]:
    return {
        repair: Trial(
            before=found.drift.incumbent_accuracy,
            after=found.drift.candidate_accuracy,
            promoted=repair == evaluation.winner,
        )
        for repair, found in evaluation.candidates.items()
    }
