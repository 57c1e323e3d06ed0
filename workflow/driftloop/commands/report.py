"""What came of it: true scores of simulated windows, the summary, the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from driftloop import layout
from driftloop.commands.console import say
from driftloop.commands.step import step
from driftloop.files import read_json, write_json, write_text


@step("score-window", reads=("stream.{window}.parent",), windowed=True)
def score_window(params: dict[str, Any], window: str) -> None:
    """Score incumbent and candidate on the rest of a simulated window's population, by its true labels."""
    from driftloop.commands.classify import correct, open_model
    from driftloop.data.answers import load_answers
    from driftloop.report.summary import foremost

    population = load_answers(layout.answers(window)).population
    incumbent = layout.model(params["stream"][window]["parent"])
    scores: dict[str, Any] = {"n": len(population), "incumbent": _accuracy(incumbent, population), "candidate": None}
    if evaluation := evaluation_of(window):
        candidate = layout.candidate(window, foremost(evaluation))
        scores["candidate"] = _accuracy(candidate, population)
    write_json(layout.results(window) / "score.json", scores)


@step("summarize-run", reads=("stream",))
def summarize_run(params: dict[str, Any]) -> None:
    """Write one row for each window into results/summary.json."""
    rows = [_row(window, facts["parent"]) for window, facts in params["stream"].items()]
    write_json(layout.SUMMARY, rows)
    promoted = sum(row["promoted"] is not None for row in rows)
    say(f"{len(rows)} windows, {sum(row['drifted'] for row in rows)} drifted, {promoted} repairs promoted.")


@step("render-report", reads=("stream",))
def render_report(params: dict[str, Any]) -> None:
    """Write results/report.html: one self-contained page about the whole stream."""
    from driftloop.report.page import Chapter, render_page

    summary = read_json(layout.SUMMARY)
    chapters = [_chapter(window, Chapter) for window in params["stream"]]
    write_text(layout.REPORT, render_page(summary, chapters))
    say(f"Report: {layout.REPORT}")


def evaluation_of(window: str) -> Any:
    """Return what the gate found on a window, or None where the standing verdict asks for no repair.

    An `evaluation.json` may be left from an earlier verdict; only the verdict says whether it counts.
    """
    if read_json(layout.results(window) / "verdict.json")["decision"] == "keep":
        return None
    return read_json(layout.results(window) / "evaluation.json")
