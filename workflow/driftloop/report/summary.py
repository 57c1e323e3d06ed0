"""What a window has come to as its row of the summary, and the whole stream in a few figures."""

from __future__ import annotations

from collections.abc import Sequence

from driftloop.estimate import Told, with_labels
from driftloop.findings.drift import Drift
from driftloop.findings.evaluation import Evaluations
from driftloop.findings.row import Row
from driftloop.findings.score import Score
from driftloop.findings.verdict import Verdict


def summary_row(
    drift: Drift,
    verdict: Verdict | None,
    evaluation: Evaluations | None,
    score: Score | None,
    *,
    reviewer: str | None,
    clean: float | None,
    told: Told | None = None,
) -> Row:
    """Return a window's row.

    Args:
        drift: what the check found.
        verdict: what was decided; None while it is pending.
        evaluation: what the gate found, where candidates were tried.
        score: what the true labels say, where they are known.
        reviewer: who decided, or None where nobody was asked.
        clean: the incumbent's accuracy on the clean test split.
        told: what the labels of the review say of the incumbent; None where none was drawn at random.
    """
    judged = evaluation.best if evaluation else None
    labels = len(verdict.labels) if verdict else 0
    estimate = drift.accuracy
    if estimate and told:
        estimate = with_labels(estimate, told)
    p_value, alpha, together = drift.alarm
    shifted = drift.label_shift.p_value <= alpha and not drift.drifted
    return Row(
        window=drift.window,
        n=drift.n,
        p_value=p_value,
        alpha=alpha,
        windows_together=together,
        label_shift=drift.label_shift if shifted else None,
        drifted=drift.drifted,
        known_as=drift.known_as,
        novel_share=drift.novel_share.estimate,
        estimated_accuracy=estimate and estimate.estimate,
        decision=verdict.decision if verdict else None,
        reviewer=reviewer,
        labels_used=labels + (len(evaluation.settling) if evaluation else 0),
        promoted=evaluation.winner if evaluation else None,
        unsettled=len(evaluation.ask) if evaluation else 0,
        incumbent_accuracy=judged.drift.incumbent_accuracy if judged else None,
        candidate_accuracy=judged.drift.candidate_accuracy if judged else None,
        true_incumbent_accuracy=score.incumbent if score else None,
        true_candidate_accuracy=score.candidate if score else None,
        clean_incumbent_accuracy=clean,
        clean_candidate_accuracy=judged.clean.candidate_accuracy if judged else None,
    )


def metrics(rows: Sequence[Row], clean: float) -> dict[str, float]:
    """Return the whole stream in a few figures, for `dvc metrics` and `dvc exp show`.

    Args:
        rows: of `results/summary.json`.
        clean: accuracy on the clean test split of the model after the last window.

    Returns:
        Counts, and mean true accuracies over the drifted windows that were simulated, before and after.
    """
    known = [row for row in rows if row.drifted and row.true_incumbent_accuracy is not None]
    before = [row.true_incumbent_accuracy or 0.0 for row in known]
    after = [
        (row.true_candidate_accuracy if row.promoted else row.true_incumbent_accuracy) or 0.0 for row in known
    ]
    found: dict[str, float] = {
        "windows": len(rows),
        "drifted": sum(bool(row.drifted) for row in rows),
        "promoted": sum(row.promoted is not None for row in rows),
        "labels_used": sum(row.labels_used for row in rows),
        "clean_accuracy": clean,
    }
    if known:
        found |= {"accuracy_before": sum(before) / len(known), "accuracy_after": sum(after) / len(known)}
    return found
