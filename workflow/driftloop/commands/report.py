"""What came of it: true scores of simulated windows, the summary, the report."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.console import say
from driftloop.commands.step import step
from driftloop.errors import DataError
from driftloop.files import read_array, read_json, write_json, write_text
from driftloop.findings.drift import Drift
from driftloop.findings.evaluation import Evaluations
from driftloop.findings.row import Row, read_rows, write_rows
from driftloop.findings.score import Score
from driftloop.findings.verdict import Verdict
from driftloop.params.load import load_params

if TYPE_CHECKING:
    from driftloop.report.page import Chapter
    from driftloop.report.status import WindowState
    from driftloop.review.ledger import Entry
    from driftloop.review.material import Material
    from driftloop.tracker.provenance import Made


@step("score-window", reads=(), home="results/{window}")
def score_window(params: dict[str, Any], window: str) -> None:  # noqa: ARG001
    """Score incumbent and candidate on the rest of a simulated window's population, by its true labels."""
    from driftloop.data.answers import load_answers
    from driftloop.data.dataset import load_dataset
    from driftloop.report.score import score

    evaluation, candidate = Evaluations.of(window), None
    if evaluation:
        by_candidate = read_array(layout.results(window) / "population.npy")
        candidate = by_candidate[list(evaluation.candidates).index(evaluation.foremost)]
    found = score(
        load_answers(layout.answers(window)).population_labels,
        read_array(layout.predictions(window) / "population.npy"),
        candidate,
        classes=len(load_dataset(layout.window(window)).classes),
    )
    found.write(layout.score(window))


@step("summarize-run", reads=("stream", "corruptions"), home="results")
def summarize_run(params: dict[str, Any]) -> None:
    """Write one row for each window into results/summary.json."""
    rows = [_finished_row(window, params) for window in params["stream"]]
    _write_summary(rows, next(reversed(params["stream"])))
    drifted, promoted = sum(bool(row.drifted) for row in rows), sum(row.promoted is not None for row in rows)
    say(f"Windows: {len(rows)}; drifted: {drifted}; repairs promoted: {promoted}.")


def _finished_row(window: str, params: dict[str, Any]) -> Row:
    from driftloop.report.summary import summary_row
    from driftloop.tracker.lineage import load_lineage

    material = _material(window, params)
    entry, _ = _decision(material)
    return summary_row(
        Drift.of(window),
        Verdict.of(window),
        Evaluations.of(window),
        _score(window, params),
        reviewer=entry.reviewer if entry else None,
        clean=load_lineage(layout.model(params["stream"][window]["parent"])).clean_accuracy,
        told=material.told(entry.answer.labels) if entry else None,
    )


def _write_summary(rows: Sequence[Row], last: str) -> None:
    """Write summary and metrics; `last` is whose model came into being last."""
    from driftloop.report.summary import metrics
    from driftloop.tracker.lineage import load_lineage

    write_rows(rows)
    write_json(layout.METRICS, metrics(rows, load_lineage(layout.model(last)).clean_accuracy))


@step("render-report", reads=("stream", "corruptions"), home="results")
def render_report(params: dict[str, Any]) -> None:
    """Write results/report.html: one self-contained page about the whole stream."""
    _write_report(read_rows(), params, params["stream"])
    say(f"Report: {layout.REPORT}")


def _write_report(rows: Sequence[Row], params: dict[str, Any], owners: Collection[str]) -> None:
    """Write the page about windows with these rows; `owners` are those that something has come of."""
    from driftloop.report.page import render_page
    from driftloop.tracker.lineage import load_lineage

    parents = {params["stream"][owner]["parent"] for owner in owners}
    ends = [owner for owner in owners if owner not in parents] or [layout.REFERENCE]
    checked = [row for row in rows if row.drifted is not None]
    first = checked[0].window
    page = render_page(
        [_chapter(row, params) for row in checked],
        {owner: load_lineage(layout.model(owner)) for owner in (layout.REFERENCE, *owners)},
        ends,
        len(read_json(layout.results(layout.REFERENCE) / "training.json")["epochs"]),
        read_json(layout.window(first) / "meta.json")["name"].removesuffix(f"-{first}"),
        _made(ends),
        unchecked=[row.window for row in rows if row.drifted is None],
    )
    write_text(layout.REPORT, page)


def write_as_it_stands(params: dict[str, Any], states: Sequence[WindowState]) -> None:
    """Write summary and report of the stream as it stands, after a run that has not come to its end.

    No record vouches for them: the next run that does come to its end writes both anew.
    """
    from driftloop.report.status import FINAL

    owners = [state.window for state in states if state.state in FINAL]
    if not any(state.drifted is not None for state in states):
        return  # nothing was checked: there is nothing to tell
    for made in (summarize_run, render_report):
        made.record().unlink(missing_ok=True)
    rows = [
        _finished_row(state.window, params) if state.window in owners else _unfinished_row(state, params)
        for state in states
    ]
    _write_summary(rows, owners[-1] if owners else layout.REFERENCE)
    _write_report(rows, params, owners)


def _unfinished_row(state: WindowState, params: dict[str, Any]) -> Row:
    """Return the row of a window of which nothing has come yet: not checked, pending, or under repair."""
    from dataclasses import replace

    from driftloop.report.summary import summary_row
    from driftloop.tracker.lineage import load_lineage

    window, home = state.window, layout.model(params["stream"][state.window]["parent"])
    clean = load_lineage(home).clean_accuracy if (home / "lineage.json").exists() else None
    if state.drifted is None:
        return Row(window, clean_incumbent_accuracy=clean)
    row = summary_row(Drift.of(window), None, None, None, reviewer=state.reviewer, clean=clean)
    return replace(row, decision=state.decision, labels_used=state.labels or 0, unsettled=None)


def _made(ends: Sequence[str]) -> list[Made]:
    """Return the records of what made the models in production, from the training to the last repair."""
    from driftloop.review.decision import STEPS
    from driftloop.tracker.lineage import load_lineage
    from driftloop.tracker.provenance import read_made, record

    repairs = {each.window: each for end in ends for each in load_lineage(layout.model(end)).repairs}
    reference = layout.model(layout.REFERENCE)
    steps = [(reference, "train-model"), (reference, "fit-detector")]
    for window, each in repairs.items():
        steps.append((layout.candidate(window, each.repair), STEPS[each.repair]))
        steps.append((layout.results(window), "evaluate-candidates"))
        steps.append((layout.model(window), "promote-model"))
    return [made for home, step in steps if (made := read_made(record(home, step)))]


@click.command()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def report(overrides: tuple[str, ...]) -> None:
    """Tell what happened to each window, in a sentence; results/report.html has the whole story."""
    from rich.table import Table
    from rich.text import Text

    from driftloop.commands.plain_console import PlainConsole
    from driftloop.report.status import next_step, under_way, windows
    from driftloop.report.story import headline, sentence
    from driftloop.tracker.provenance import vouched

    states = windows(load_params(overrides))
    if not layout.SUMMARY.exists():
        raise DataError(f"{layout.SUMMARY} does not exist yet. Run: {next_step(states)}")
    with vouched():
        rows, now = read_rows(), {state.window: state for state in states}
    told = Table.grid(padding=(0, 2, 1, 0))
    for row in (each for each in rows if each.drifted is not None):
        state = now.get(row.window)
        diagnosis, simulated = (state.diagnosis, bool(state.simulated)) if state else (None, False)
        told.add_row(Text(row.window, style="bold"), Text(sentence(row, diagnosis, simulated=simulated)))
    told_of = {row.window for row in rows if row.drifted is not None}
    others = [state for state in states if state.window not in told_of]
    for state in others:
        told.add_row(Text(state.window, style="bold"), Text(under_way(state)))
    more = f"; {len(others)} more are under way" if others else ""
    console = PlainConsole()
    console.print(Text(f"\n{headline(rows)}{more}\n", style="bold"), told)
    console.print(f"Report: {layout.REPORT}\nNext:   {next_step(states)}")


def _material(window: str, params: dict[str, Any]) -> Material:
    from driftloop.review.material import load_material

    return load_material(window, params["corruptions"])


def _score(window: str, params: dict[str, Any]) -> Score | None:
    """Return the true score of a simulated window, or None of one whose labels nobody knows."""
    return Score.read(layout.score(window)) if params["stream"][window]["simulated"] else None


def _decision(material: Material) -> tuple[Entry | None, int]:
    """Return the decision that stands, or None where nobody was asked, and how many other entries there are.

    A person's goes before a simulated reviewer's here also where only people may answer: without an
    answer of theirs there would be no verdict, and nothing to report.
    """
    from driftloop.review.ledger import as_decided, project_id, read_ledger, standing_decision

    if not material.drifted:
        return None, 0
    entries = read_ledger(layout.ledger(material.window), project=project_id(layout.DECISIONS))
    standing = standing_decision(entries, material.reported, material.images_digest)
    return standing and as_decided(entries, standing), len(entries) - (standing is not None)


def _chapter(row: Row, params: dict[str, Any]) -> Chapter:
    from driftloop.report.page import Chapter

    window, finished = row.window, row.unsettled is not None
    material = _material(window, params)
    entry, others = _decision(material) if row.decision is not None else (None, 0)
    evaluation = Evaluations.of(window) if finished else None
    return Chapter(
        row=row,
        material=material,
        entry=entry,
        others=others,
        evaluation=evaluation,
        score=_score(window, params) if finished else None,
        strip=read_array(layout.results(window) / "strip.npy") if evaluation else None,
    )
