"""`summary.json`: one flat row for each window, for programs, tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driftloop.files import write_json
from driftloop.findings.drift import LabelShift
from driftloop.findings.product import Product, read_typed
from driftloop.layout import SUMMARY


@dataclass(frozen=True)
class Row(Product):
    """What a window has come to. None stands where a figure does not apply, or is not known yet.

    Accuracies are in [0, 1]. Those called `true_` are measured on the rest of the population that the window
    was drawn from, those called `clean_` on the clean test split. `incumbent_accuracy` and
    `candidate_accuracy` are measured on reviewed samples that the candidate did not learn from.

    Attributes:
        window: its name.
        n: samples in the window.
        p_value: of the test that alarmed.
        alpha: its level.
        windows_together: how many windows that test took together, None where it was this one alone.
        label_shift: names the class whose share grew, where shares changed and images did not.
        drifted: what the check found; None before it.
        known_as: the repaired drift that this window shows again.
        novel_share: the share of samples that no known kind explains.
        estimated_accuracy: the incumbent's, with what the labels of the review add.
        decision: keep, retrain, filter or both.
        reviewer: who decided.
        labels_used: how many samples have labels.
        promoted: the repair that won.
        unsettled: how many samples the gate still wants labels for. None while a repair is under way.
        incumbent_accuracy: see above, as the others.
    """

    window: str
    n: int | None = None
    p_value: float | None = None
    alpha: float | None = None
    windows_together: int | None = None
    label_shift: LabelShift | None = None
    drifted: bool | None = None
    known_as: str | None = None
    novel_share: float | None = None
    estimated_accuracy: float | None = None
    decision: str | None = None
    reviewer: str | None = None
    labels_used: int = 0
    promoted: str | None = None
    unsettled: int | None = None
    incumbent_accuracy: float | None = None
    candidate_accuracy: float | None = None
    true_incumbent_accuracy: float | None = None
    true_candidate_accuracy: float | None = None
    clean_incumbent_accuracy: float | None = None
    clean_candidate_accuracy: float | None = None


def read_rows() -> tuple[Row, ...]:
    """Read the summary. Raises DataError where it is missing or damaged."""
    rows: tuple[Row, ...] = read_typed(tuple[Row, ...], SUMMARY)
    return rows


def write_rows(rows: Sequence[Row]) -> None:
    """Write the summary."""
    write_json(SUMMARY, [row.to_json() for row in rows])
