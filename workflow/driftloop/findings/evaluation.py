"""`evaluation.json`: what the gate found of each candidate for a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from driftloop import layout
from driftloop.findings.product import Product
from driftloop.findings.verdict import Verdict

FEW = 10
"""Labels whose chance is always told: a minute of a person's time."""


@dataclass(frozen=True)
class Comparison:
    """Candidate against incumbent on the same labelled samples.

    Attributes:
        n: labelled samples.
        incumbent_accuracy: in [0, 1]. None where no sample tells.
        candidate_accuracy: in [0, 1]. None where no sample tells.
        better: samples that only the candidate got right.
        worse: samples that only the incumbent got right.
        gain: candidate's accuracy less the incumbent's.
        low: lower end of the interval of the true gain.
        high: upper end. Each end is beyond the truth with probability alpha.
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
class DriftComparison(Comparison):
    """Candidate against incumbent on a window with some labelled samples.

    Accuracies and gain hold for the whole window: labelled disagreements stand for all disagreements, other
    labelled samples for all others.

    Attributes:
        window: samples in the window, or those of them that may judge.
        disagreements: how many of them the two answer differently.
        labelled_disagreements: how many of those are labelled.
        left: how many of them the second look can draw from.
        held_against: drawn disagreements that count as lost in the test alone: nobody labelled them, or
            could, or the candidate lost them though it had learnt from them.
    """

    window: int
    disagreements: int
    labelled_disagreements: int
    left: int
    held_against: int


@dataclass(frozen=True)
class Outlook:
    """What more labels could do.

    Attributes:
        left: disagreements that nobody has looked at.
        in_a_row: how many of them would settle it if all favoured the candidate; None where none can.
        few_chance: how likely the next ten settle it, in [0, 1].
        batch: how many to ask for now; 0 where it is hopeless.
        batch_chance: how likely those settle it.
        chance: how likely all that are left settle it.
    """

    left: int
    in_a_row: int | None
    few_chance: float
    batch: int
    batch_chance: float
    chance: float

    @property
    def sentence(self) -> str:
        """What follows, in plain words."""
        if self.in_a_row is None:
            best = {0: "No such sample is left, so", 1: "Even if the last one favours it,"}
            return f"{best.get(self.left, f'Even if all {self.left} left favour it,')} it shows no gain here."
        if not self.batch:
            return (
                f"All {self.left} samples left would settle it with a chance of {_percent(self.chance)}; "
                f"it takes {self.in_a_row} in a row. More labels are unlikely to change that."
            )
        more = ""
        if self.batch > FEW:
            more = f", {self.batch} more with {_percent(self.batch_chance)}"
        few = min(FEW, self.left)
        return f"{few} more labels would settle it with a chance of {_percent(self.few_chance)}{more}."


@dataclass(frozen=True)
class Evaluation:
    """What the gate found of a candidate, and whether it is promoted.

    Attributes:
        promote: whether everything that is asked of a candidate holds.
        p_value: of the gain on the drift, one-sided. It holds at every number of labels, and is corrected for
            rival candidates.
        alpha: a candidate that is no better is promoted with at most this probability.
        margin: how much accuracy may be lost elsewhere.
        level: what the p-value of this candidate alone must not exceed: alpha, shared by rivals.
        drift: on samples of the window that the candidate did not learn from.
        clean: on the clean samples of the test split.
        held_out: on all clean samples that the candidate did not learn from. What the margin is held against.
        earlier: on each drift repaired before.
        outlook: what more labels could do. None where nothing is open.
        sentence: the verdict in plain words: what was found, how sure that is, what follows.
    """

    promote: bool
    p_value: float
    alpha: float
    margin: float
    level: float
    drift: DriftComparison
    clean: Comparison
    held_out: Comparison
    earlier: Mapping[str, Comparison]
    outlook: Outlook | None
    sentence: str

    @property
    def more_labels(self) -> int:
        """How many more disagreements to label now. 0 where nothing is open, or it is hopeless."""
        return self.outlook.batch if self.outlook else 0


@dataclass(frozen=True)
class Draw:
    """What `driftloop settle` needs to count on by itself, of a candidate that is open.

    Attributes:
        index: samples on which it differs from the incumbent, in the order in which they are drawn.
        incumbent: what the incumbent takes them for.
        candidate: what the candidate does.
        level: as in `Evaluation`.
    """

    index: tuple[int, ...]
    incumbent: tuple[int, ...]
    candidate: tuple[int, ...]
    level: float


@dataclass(frozen=True)
class Strip:
    """What a few reviewed samples, one of each class, are taken for: by the reviewer and by both models.

    Attributes:
        labels: the reviewer's classes.
        incumbent: the incumbent's.
        candidate: the candidate's.
        taught: whether the candidate has learnt from these samples.
    """

    labels: tuple[int, ...]
    incumbent: tuple[int, ...]
    candidate: tuple[int, ...]
    taught: bool


@dataclass(frozen=True)
class Evaluations(Product):
    """What the gate found on a window.

    Attributes:
        window: its name.
        verdict: digest of the verdict that asked for the candidates.
        winner: the candidate that is promoted, or None.
        candidates: each candidate's evaluation, by its repair's name.
        ask: samples to label next, to settle whether a repair helps.
        draws: by candidates that are open.
        settling: what was labelled after the review: sample to class name, or what stands for none.
        strip: of the foremost candidate.
    """

    window: str
    verdict: str
    winner: str | None
    candidates: Mapping[str, Evaluation]
    ask: tuple[int, ...]
    draws: Mapping[str, Draw]
    settling: Mapping[int, str]
    strip: Strip

    @classmethod
    def of(cls, window: str) -> Self | None:
        """Read what the gate found on a window. None where the standing verdict asks for no repair.

        An `evaluation.json` may be left from an earlier verdict. Only the verdict says whether it counts.

        Raises:
            DataError: a file is missing or damaged.
        """
        keeps = Verdict.of(window).decision == "keep"
        return None if keeps else cls.read(layout.evaluation(window))

    @classmethod
    def on(cls, verdict: Verdict) -> Self | None:
        """Read what the gate found on what a verdict asks for.

        None where it has not looked yet, or at what an earlier verdict asked for.
        """
        found = cls.find(layout.evaluation(verdict.window))
        return found if found and found.verdict == verdict.digest else None

    @property
    def foremost(self) -> str:
        """The candidate that won, or else the one that gained most."""
        return foremost(self.candidates, self.winner)

    @property
    def best(self) -> Evaluation:
        """The evaluation of the foremost candidate."""
        return self.candidates[self.foremost]


def foremost(candidates: Mapping[str, Evaluation], winner: str | None) -> str:
    """Return the name of the candidate that won, or else of the one that gained most."""
    return winner or max(candidates, key=lambda name: candidates[name].drift.gain)


def _percent(chance: float) -> str:
    return "under 1%" if chance < 0.01 else f"{min(chance, 0.99):.0%}"
