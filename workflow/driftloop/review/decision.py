"""What a reviewer may say about a window, what follows from it, and how far two reviewers agree."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from driftloop.findings.verdict import Verdict

REPAIRS: Mapping[str, tuple[str, ...]] = {
    "keep": (),
    "retrain": ("retrain",),
    "filter": ("filter",),
    "both": ("retrain", "filter", "retrain_filtered"),
}
"""Decision → the repairs that it asks for."""
_ALIGNING = "driftloop.improver.align.Aligned"
STEPS: Mapping[str, str] = {
    "retrain": "retrain-model",
    "filter": "train-filter",
    "retrain_filtered": "retrain-filtered",
}
"""Repair → the step that makes its candidate."""
DECISIONS = tuple(REPAIRS)
NONE = "(none)"
"""The label of a sample that shows none of the classes."""
UNSURE = "(unsure)"
"""The label of a sample that the reviewer cannot tell."""


def repairs_of(decision: str, filter_target: str) -> tuple[str, ...]:
    """Return the repairs that a decision asks for with such a filter.

    Retraining starts from the network before it was aligned. So behind an alignment it gives the same model,
    which would only be a rival to itself.

    >>> repairs_of("both", "driftloop.improver.align.Aligned")
    ('retrain', 'filter')
    """
    behind = "retrain_filtered" if filter_target == _ALIGNING else None
    return tuple(repair for repair in REPAIRS[decision] if repair != behind)


@dataclass(frozen=True)
class Answer:
    """What a reviewer says about one window.

    Attributes:
        decision: one of `DECISIONS`.
        diagnosis: the family of corruption that the reviewer sees, or None.
        reason: the reviewer's own words, possibly empty.
        labels: sample index to class name, `NONE` or `UNSURE`; skipped samples are absent.
    """

    decision: str
    diagnosis: str | None = None
    reason: str = ""
    labels: Mapping[int, str] = field(default_factory=dict)

    def on(self, shown: Collection[int]) -> Answer:
        """Return the answer with the labels of these samples alone."""
        return replace(self, labels={index: self.labels[index] for index in self.labels if index in shown})


@dataclass(frozen=True)
class Agreement:
    """How far two reviewers agree on the samples that both labelled.

    Attributes:
        n: how many samples both labelled.
        observed: share of them with the same label, in [0, 1]. None when n is 0.
        kappa: Cohen's kappa, at most 1. None where it is not defined (n is 0, or both reviewers gave
            one and the same label throughout, so that agreement by chance is certain).
        disagreements: (sample index, first reviewer's label, second's), by index.
    """

    n: int
    observed: float | None
    kappa: float | None
    disagreements: tuple[tuple[int, str, str], ...]

    def __str__(self) -> str:
        if self.observed is None:
            return "labelled no sample in common."
        kappa = "not defined" if self.kappa is None else f"{self.kappa:.2f}"
        return f"agree on {self.observed:.0%} of {self.n} samples (Cohen's kappa {kappa})."


def agreement(first: Mapping[int, str], second: Mapping[int, str]) -> Agreement:
    """Compare two reviewers' labels on the samples that both labelled.

    `UNSURE` is no label and is left out. Kappa after Cohen (1960), "A coefficient of agreement for
    nominal scales".

    >>> agreement({1: "a", 2: "a", 3: "b", 4: "b"}, {1: "a", 2: "b", 3: "b", 4: "b"}).kappa
    0.5
    """
    shared = sorted(
        index for index in first.keys() & second.keys() if UNSURE not in (first[index], second[index])
    )
    if not shared:
        return Agreement(0, None, None, ())
    n = len(shared)
    ones, twos = [first[index] for index in shared], [second[index] for index in shared]
    observed = sum(one == two for one, two in zip(ones, twos, strict=True)) / n
    chance = sum(ones.count(label) * twos.count(label) for label in set(ones)) / n**2
    kappa = (observed - chance) / (1 - chance) if chance < 1 else None
    differing = tuple((i, first[i], second[i]) for i in shared if first[i] != second[i])
    return Agreement(n, observed, kappa, differing)


def verdict(window: str, *, drifted: bool, answer: Answer | None = None) -> Verdict:
    """Return what the steps after the review read, the same bytes for every reviewer and time.

    Give it an answer with the labels of the review alone. Later labels, which settle whether a repair helps,
    are for the gate. It finds them in the ledger, and no candidate is trained again for their sake.

    >>> verdict("w01", drifted=False)
    Verdict(window='w01', drifted=False, decision='keep', diagnosis=None, labels={})
    """
    answer = answer or Answer("keep")
    labels = dict(sorted(answer.labels.items()))
    return Verdict(window, drifted, answer.decision, answer.diagnosis, labels)


# --- the file ---------------------------------------------------------------------------------------


def sorted_labels(labels: Mapping[int, str]) -> dict[str, str]:
    """Return labels as JSON has them: sample indices as text, in the order of the numbers."""
    return {str(index): labels[index] for index in sorted(labels)}
