"""The summary: one flat row for each window, for programs, tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from driftloop.files import digest_json
from driftloop.report.estimate import Estimate, Told, widened, with_labels

Facts = Mapping[str, Any]


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


def alarm(drift: Facts) -> tuple[float, float, int | None]:
    """Return p-value and level of the test that decided, and how many windows it took together.

    >>> alarm({"p_value": 0.2, "alpha": 0.01, "stream": None})
    (0.2, 0.01, None)
    >>> together = {"windows": 6, "p_value": 0.0004, "alpha": 0.001, "drifted": True}
    >>> alarm({"p_value": 0.2, "alpha": 0.01, "stream": together})
    (0.0004, 0.001, 6)
    """
    stream = drift.get("stream")
    if stream and stream["drifted"]:
        return stream["p_value"], stream["alpha"], stream["windows"]
    return drift["p_value"], drift["alpha"], None


_MORE_OR_LESS = {
    "brightness": ("brighter", "darker"),
    "contrast": ("richer in contrast", "poorer in contrast"),
    "saturation": ("more colourful", "paler"),
    "sharpness": ("sharper", "softer"),
    "grain": ("grainier", "smoother"),
}
_BEYOND_CHANCE = 3.0
"""Standard deviations from which a property is said to have moved."""


def moved(drift: Facts) -> list[tuple[str, str]]:
    """Return how a window's images have moved together: how many are so beside usual images, and how.

    The surest three come, the surest first; none where nothing is beyond chance. Where a few have moved far,
    and the others have not, they are called some.

    >>> moves = [{"name": "brightness", "effect": -0.5, "standard": 4.0, "few": -3.5},
    ...          {"name": "grain", "effect": 0.8, "standard": 7.0, "few": 6.0},
    ...          {"name": "contrast", "effect": 0.1, "standard": 1.0, "few": -5.0}]
    >>> moved({"moves": moves})
    [('90%', 'grainier'), ('some', 'much poorer in contrast'), ('75%', 'darker')]
    """
    told = []
    for each in drift.get("moves", ()):
        more_or_less = _MORE_OR_LESS[each["name"]]
        if each["standard"] >= _BEYOND_CHANCE:
            many = f"{(1 + abs(each['effect'])) / 2:.0%}"
            told.append((each["standard"], many, more_or_less[each["effect"] < 0]))
        elif abs(each["few"]) >= _BEYOND_CHANCE:
            told.append((abs(each["few"]), "some", f"much {more_or_less[each['few'] < 0]}"))
    return [(many, how) for _, many, how in sorted(told, key=lambda each: -each[0])[:3]]


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


def foremost(evaluation: Facts) -> str:
    """Return the name of the candidate that won, or else of the one that gained most.

    >>> foremost({"winner": None, "candidates": {"retrain": {"drift": {"gain": 0.1}},
    ...                                          "filter": {"drift": {"gain": 0.2}}}})
    'filter'
    """
    candidates = evaluation["candidates"]
    return str(evaluation["winner"] or max(candidates, key=lambda name: candidates[name]["drift"]["gain"]))


def believed(verdict: Facts, evaluation: Facts | None) -> Facts | None:
    """Return the evaluation if it is of what the verdict asks for, else None: it is left from an earlier one.

    >>> believed({"decision": "keep"}, {"winner": "filter", "candidates": {"filter": {}}}) is None
    True
    """
    return evaluation if evaluation and evaluation.get("verdict") == digest_json(verdict) else None


def share(drift: Facts, name: str) -> Estimate | None:
    """Return a drift report's estimate called `name` with its 95 % limits, or None where it has none.

    Those of the accuracy are told wider than the report has them, by how much of the window is novel.

    >>> share({"novel_share": {"estimate": 0.5, "low": 0.4, "high": 0.6}}, "novel_share")
    Estimate(estimate=0.5, low=0.4, high=0.6)
    """
    value = drift.get(name)
    if value is None:
        return None
    found = Estimate(value["estimate"], value["low"], value["high"])
    novel = share(drift, "novel_share") if name == "estimated_accuracy" else None
    return widened(found, novel) if novel else found
