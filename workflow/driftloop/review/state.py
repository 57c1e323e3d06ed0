"""What the review keeps in mind: the questions, and everything that was said to them so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from string import digits
from typing import Any

from driftloop.review.decision import Answer


class Stage(Enum):
    """Where the review stands. The order is the order of the screens."""

    STORY = "story"
    LABEL = "label"
    DIAGNOSE = "diagnose"
    DECIDE = "decide"
    REASON = "reason"
    SIGN = "sign"
    SIGNED = "signed"
    LEFT = "left"


@dataclass(frozen=True)
class Unsettled:
    """What the gate left open: labels alone are asked for, beside an answer that stands.

    Attributes:
        answer: what was signed.
        said: what the gate said of each candidate.
        images: SHA-256 of the samples of the review. Labels given so far go on from the samples that are
            asked now.
    """

    answer: Answer
    said: tuple[str, ...]
    images: str = ""


@dataclass(frozen=True)
class Questions:
    """What is asked.

    Attributes:
        indices: the samples.
        predicted: the model's own answers to them.
        classes: what they can be.
        diagnoses: what can have happened to them.
        earlier: sample to label, from an answer that can be started from.
        closeups: how many ways there are to look closely at a sample.
        unsettled: what the labels are to settle, where nothing else is asked.
    """

    indices: tuple[int, ...]
    predicted: tuple[str, ...]
    classes: tuple[str, ...]
    diagnoses: tuple[str, ...]
    earlier: Mapping[int, str] = field(default_factory=dict)
    closeups: int = 1
    unsettled: Unsettled | None = None

    @property
    def numbered(self) -> bool:
        """Whether a digit stands for a class by its place: of ten at most, and no name begins with one."""
        return len(self.classes) <= 10 and not any(name[:1] in digits for name in self.classes)

    @property
    def screens(self) -> tuple[Stage, ...]:
        """The screens, in their order."""
        if self.unsettled:
            return (Stage.STORY, Stage.LABEL, Stage.SIGN)
        return (Stage.STORY, Stage.LABEL, Stage.DIAGNOSE, Stage.DECIDE, Stage.REASON, Stage.SIGN)

    @property
    def diagnosis_choices(self) -> tuple[str | None, ...]:
        """The diagnoses, and last "unknown"."""
        return (*self.diagnoses, None)


@dataclass(frozen=True)
class Grid:
    """How many samples stand side by side, and how many rows of them make a page."""

    across: int
    down: int

    @property
    def per_page(self) -> int:
        """Samples a page."""
        return self.across * self.down


@dataclass(frozen=True)
class State:
    """Everything that the reviewer has said and where they are.

    Attributes:
        labels: one a sample, in the order of the questions. None while unanswered.
        cursor: the sample that a key would label.
        diagnosed: whether the diagnosis was chosen, were it "unknown".
        typed: first letters of a class name, or the number to jump to when `jumping`.
        rest: letters of a class name whose first ones were enough, in case that somebody types on.
        spelling: whether somebody does.
        highlighted: the row of the menu, in the stages that have one.
        closeup: which way of looking closely, from 1. 0 for the grid.
        undo: earlier labels with their cursor, newest last.
    """

    labels: tuple[str | None, ...]
    stage: Stage = Stage.STORY
    cursor: int = 0
    typed: str = ""
    jumping: bool = False
    rest: str = ""
    spelling: bool = False
    highlighted: int = 0
    diagnosed: bool = False
    diagnosis: str | None = None
    decision: str | None = None
    reason: str = ""
    reviewer: str = ""
    message: str = ""
    help: bool = False
    closeup: int = 0
    undo: tuple[tuple[tuple[str | None, ...], int], ...] = ()

    @property
    def labelled(self) -> int:
        """How many samples have a label."""
        return sum(label is not None for label in self.labels)


def start(questions: Questions, reviewer: str = "") -> State:
    """Return the state before the first key."""
    state = State(labels=(None,) * len(questions.indices), reviewer=reviewer)
    if questions.unsettled is None:
        return state
    signed = questions.unsettled.answer
    return replace(state, diagnosis=signed.diagnosis, decision=signed.decision, reason=signed.reason)


def answer_of(state: State, questions: Questions) -> Answer:
    """Return what was said so far. The decision is empty while none was chosen."""
    given = zip(questions.indices, state.labels, strict=True)
    labels = {index: label for index, label in given if label is not None}
    return Answer(state.decision or "", state.diagnosis, state.reason.strip(), labels)


def snapshot(state: State, questions: Questions) -> dict[str, Any]:
    """Return what must survive a crash, as JSON."""
    return {
        "stage": state.stage.value,
        "cursor": state.cursor,
        "samples": list(questions.indices),
        "labels": list(state.labels),
        "diagnosed": state.diagnosed,
        "diagnosis": state.diagnosis,
        "decision": state.decision,
        "reason": state.reason,
        "reviewer": state.reviewer,
    }
