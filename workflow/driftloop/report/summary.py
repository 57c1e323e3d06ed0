"""The summary: one flat row for each window, for programs, tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from driftloop.estimate import Told, with_labels
from driftloop.findings import Facts, alarm, foremost, share


def summary_row(
    drift: Facts,
    verdict: Facts,
    evaluation: Facts | None,
    score: Facts | None,
    *,
    reviewer: str | None,
    clean: float | None,
    told: Told | None = None,
) -> dict[str, Any]:
    """Return a window's row of `results/summary.json`; None stands where a figure does not apply.

    Args:
        drift: the window's `drift.json`.
        verdict: its `verdict.json`.
        evaluation: its `evaluation.json`, where candidates were tried.
        score: its `score.json`, where the true labels are known.
        reviewer: who decided, or None where nobody was asked.
        clean: the incumbent's accuracy on the clean test split.
        told: what the labels of the review say of the incumbent; None where none was drawn at random.

    Returns:
        Accuracies in [0, 1]; those called `true_` are measured on the rest of the population that the
        window was drawn from, `incumbent_accuracy` and `candidate_accuracy` on reviewed samples that the
        candidate did not learn from, `clean_` on the clean test split. `p_value` and `alpha` are those of
        the test that alarmed: `windows_together` says of how many windows, None where it was this one alone.
        `unsettled` is how many samples the gate still wants labels for.
        `label_shift` names the class whose share grew, where shares changed and images did not.
    """
    judged = evaluation["candidates"][foremost(evaluation)] if evaluation else None
    estimate, novel = share(drift, "estimated_accuracy"), share(drift, "novel_share")
    if estimate and told:
        estimate = with_labels(estimate, told)
    p_value, alpha, together = alarm(drift)
    shift = drift.get("label_shift")
    return {
        "window": drift["window"],
        "n": drift["n"],
        "p_value": p_value,
        "alpha": alpha,
        "windows_together": together,
        "label_shift": shift if shift and shift["p_value"] <= alpha and not drift["drifted"] else None,
        "drifted": drift["drifted"],
        "known_as": drift["known_as"],
        "novel_share": novel[0] if novel else None,
        "estimated_accuracy": estimate[0] if estimate else None,
        "decision": verdict["decision"],
        "reviewer": reviewer,
        "labels_used": len(verdict["labels"]) + len((evaluation or {}).get("settling", ())),
        "promoted": evaluation["winner"] if evaluation else None,
        "unsettled": len(evaluation.get("ask", ())) if evaluation else 0,
        "incumbent_accuracy": judged["drift"]["incumbent_accuracy"] if judged else None,
        "candidate_accuracy": judged["drift"]["candidate_accuracy"] if judged else None,
        "true_incumbent_accuracy": score["incumbent"] if score else None,
        "true_candidate_accuracy": score["candidate"] if score else None,
        "clean_incumbent_accuracy": clean,
        "clean_candidate_accuracy": judged["clean"]["candidate_accuracy"] if judged else None,
    }


def unfinished_row(
    window: str,
    drift: Facts | None,
    answer: Facts | None = None,
    *,
    reviewer: str | None,
    clean: float | None,
) -> dict[str, Any]:
    """Return the row of a window that nothing has come of yet: not checked, pending, or its repair under way.

    Args:
        window: its name.
        drift: its `drift.json`; None before its check.
        answer: `decision` and `labels` of the answer that stands; None where none does.
        reviewer: who gave it.
        clean: the incumbent's accuracy on the clean test split, or None where it is not there.

    Returns:
        What `summary_row` does, with None for all that is not known; `unsettled` is None, too.
    """
    known = drift or dict.fromkeys(("n", "p_value", "alpha", "drifted", "known_as")) | {"window": window}
    verdict = answer or {"decision": None, "labels": ()}
    row = summary_row(known, verdict, None, None, reviewer=reviewer, clean=clean)
    return {**row, "unsettled": None}


def metrics(rows: Sequence[Facts], clean: float) -> dict[str, float]:
    """Return the whole stream in a few figures, for `dvc metrics` and `dvc exp show`.

    Args:
        rows: of `results/summary.json`.
        clean: accuracy on the clean test split of the model after the last window.

    Returns:
        Counts, and mean true accuracies over the drifted windows that were simulated, before and after.
    """
    known = [row for row in rows if row["drifted"] and row["true_incumbent_accuracy"] is not None]
    before = [row["true_incumbent_accuracy"] for row in known]
    after = [
        row["true_candidate_accuracy" if row["promoted"] else "true_incumbent_accuracy"] for row in known
    ]
    found: dict[str, float] = {
        "windows": len(rows),
        "drifted": sum(bool(row["drifted"]) for row in rows),
        "promoted": sum(row["promoted"] is not None for row in rows),
        "labels_used": sum(row["labels_used"] for row in rows),
        "clean_accuracy": clean,
    }
    if known:
        found |= {"accuracy_before": sum(before) / len(known), "accuracy_after": sum(after) / len(known)}
    return found
