"""`driftloop status`: what state each window is in, and what to type next."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from driftloop import layout
from driftloop.cli import driftloop
from driftloop.errors import DataError
from driftloop.files import read_json, write_json
from driftloop.params.load import load_params
from driftloop.report.status import WindowState, next_step, table, windows
from driftloop.review.decision import Answer


def state_of(window: str, *overrides: str) -> str:
    return {state.window: state.state for state in windows(load_params(overrides))}[window]


def drawn(width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        console.print(table(windows(load_params())))
    return captured.get()


def test_an_untouched_project_waits_for_snakemake(project):
    states = windows(load_params())
    assert [state.state for state in states] == ["waiting"] * 5
    assert next_step(states) == "snakemake --cores all"


def test_a_window_without_drift_is_checked_then_kept(project):
    project.check("w01", drifted=False)
    assert state_of("w01") == "checked"
    project.write_verdict("w01")
    assert state_of("w01") == "checked"
    project.promote("w01", "reference")
    assert state_of("w01") == "kept"


def test_a_drifted_window_is_pending_and_names_the_review(project):
    project.check("w01", "fog", drifted=True)
    assert state_of("w01") == "pending"
    assert next_step(windows(load_params())) == "driftloop review w01"


def test_nobody_is_sent_to_review_what_a_simulated_reviewer_will_answer(project):
    project.check("w01", "fog", drifted=True)
    states = windows(load_params(["review.reviewer=simulated"]))
    assert states[0].state == "checked"
    assert next_step(states) == "snakemake --cores all"


def test_a_repair_is_decided_until_it_stands_in_production(project):
    project.check("w01", "fog", drifted=True)
    project.decide("w01", "filter", diagnosis="fog")
    assert state_of("w01") == "decided"
    winner = project.evaluate("w01", "impulse_noise", "filter", before=0.3, after=0.9)
    assert state_of("w01") == "decided"
    project.promote("w01", "reference", winner, "fog")
    assert state_of("w01") == "promoted"


def test_a_repair_that_does_not_help_is_rejected(project):
    project.repair("w01", "fog", "filter", parent="reference", before=0.7, after=0.7)
    assert state_of("w01") == "rejected"
    assert "70% ✗ 70%" in drawn(80)


def test_a_decision_to_keep_a_drifted_window_keeps_it(project):
    project.check("w01", "fog", drifted=True)
    project.decide("w01", "keep")
    project.promote("w01", "reference")
    assert state_of("w01") == "kept"


@pytest.mark.parametrize("decision", ["keep", "retrain", "both"])
def test_an_evaluation_of_an_earlier_decision_is_not_shown(project, decision):
    project.repair("w01", "fog", "filter", parent="reference", before=0.3, after=0.9)
    project.decide("w01", decision, diagnosis="fog")
    (first, *_) = windows(load_params())
    assert first.state == "decided"
    assert first.repair is first.candidate_accuracy is None


def test_a_decision_on_another_drift_report_does_not_count(project):
    project.repair("w01", "fog", "filter", parent="reference", before=0.3, after=0.9)
    project.check("w01", "spatter", drifted=True, known_as="something else")
    assert state_of("w01") == "pending"


def test_an_answer_outlives_a_moved_threshold_unless_the_verdict_moves(project):
    """Nobody is asked again: neither where the window stays drifted, nor where it is drifted once more."""
    project.check("w01", "fog", drifted=True)
    project.decide("w01", "filter", diagnosis="fog", reviewer="Ada")
    path, ledger = layout.results("w01") / "drift.json", Path("decisions/w01.jsonl").read_bytes()
    report, said = read_json(path), layout.results("w01") / "verdict.json"
    answered = said.read_bytes()
    for alpha, drifted in ((0.02, True), (0.00001, False), (0.02, True), (0.01, True)):
        write_json(path, {**report, "alpha": alpha, "drifted": drifted})
        done = CliRunner().invoke(driftloop, ["review", "w01", "--verdict", str(said)])
        assert done.exit_code == 0, done.output
        assert (said.read_bytes() == answered) == drifted
        assert state_of("w01") == ("decided" if drifted else "checked")
    assert Path("decisions/w01.jsonl").read_bytes() == ledger


def test_a_simulated_decision_does_not_stand_where_people_are_asked(project):
    project.repair("w01", "fog", "filter", parent="reference", before=0.3, after=0.9)
    assert state_of("w01") == "promoted"
    assert state_of("w01", "review.reviewer=human") == "pending"


def test_a_verdict_that_the_ledger_has_left_behind_is_only_decided(project):
    project.repair("w01", "fog", "filter", parent="reference", before=0.3, after=0.9)
    project.write_verdict("w01", Answer("retrain"))
    assert state_of("w01") == "decided"


def test_the_table_fits_80_columns_and_marks_what_was_simulated(finished):
    text = drawn(80)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    (filtered,) = [line for line in lines if line.lstrip().startswith("w02")]
    assert "simulated" in filtered
    assert "promoted" in filtered
    assert "filter impulse_noise" in filtered
    (again,) = [line for line in lines if line.lstrip().startswith("w05")]
    assert "w02 again" in again
    assert "simulated" not in again


def test_no_figure_loses_a_digit_however_long_the_names_are():
    states = [
        WindowState(
            "rehearsal-noise",
            "promoted",
            drifted=True,
            p_value=0.0001,
            decision="retrain",
            diagnosis="gaussian_blur",
            reviewer="Augusta Ada King, Countess of Lovelace",
            incumbent_accuracy=1.0,
            candidate_accuracy=1.0,
        )
    ]
    console = Console(width=80, file=io.StringIO())
    with console.capture() as captured:
        console.print(table(states))
    assert "100% → 100%" in captured.get()


def test_a_finished_stream_names_the_report_and_the_model_to_try(finished):
    Path("results/report.html").write_text("")
    output = CliRunner().invoke(driftloop, ["status"], catch_exceptions=False).output
    assert "results/report.html" in output
    assert "driftloop predict IMAGE…" in output


def test_where_nothing_has_arrived_yet_the_inbox_is_next(project):
    path = Path("params.yaml")
    path.write_text(re.sub(r"^  w0\d: .*\n", "", path.read_text(), flags=re.MULTILINE))
    inbox = "inbox: {folder: inbox, settle: 10, cut: null}"
    path.write_text(path.read_text().replace("stream:", "stream: {}").replace("inbox: null", inbox))
    output = CliRunner().invoke(driftloop, ["status"], catch_exceptions=False).output
    assert "driftloop watch" in output


def test_json_holds_every_window(finished):
    output = CliRunner().invoke(driftloop, ["status", "--json"], catch_exceptions=False).output
    states = {state["window"]: state for state in json.loads(output)}
    assert states["w02"]["state"] == "promoted"
    assert states["w02"]["simulated"] is True
    assert states["w03"]["reviewer"] == "Ada <ada@example.org>"


def test_status_needs_neither_torch_nor_scipy(finished):
    code = (
        "import sys; from click.testing import CliRunner; from driftloop.cli import driftloop;"
        "assert CliRunner().invoke(driftloop, ['status']).exit_code == 0;"
        "print(sorted({'torch', 'scipy', 'hydra', 'jinja2', 'PIL'} & set(sys.modules)))"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_a_damaged_ledger_is_named_and_the_others_are_told(finished):
    path = Path("decisions/w02.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    states = {state.window: state for state in windows(load_params())}
    assert (states["w02"].state, states["w03"].state) == ("damaged", "promoted")
    said = CliRunner().invoke(driftloop, ["status"], catch_exceptions=False).output
    assert "w02.jsonl has lost entries" in " ".join(said.split())
    assert "Next:   driftloop ledger restore w02" in said
    CliRunner().invoke(driftloop, ["ledger", "restore", "w02"], catch_exceptions=False)
    assert state_of("w02") == "promoted"


def test_a_damaged_report_is_named_and_the_others_are_told(finished):
    path = Path("results/w02/drift.json")
    for damage in ("", "[]", path.read_text().replace("drifted", "drifded")):
        path.write_text(damage)
        states = {state.window: state for state in windows(load_params())}
        assert (states["w02"].state, states["w03"].state) == ("waiting", "promoted")
        assert "results/w02" in (states["w02"].problem or "")


def test_a_damaged_file_leaves_the_report_of_a_stopped_run_as_it_was(finished):
    for damage in ("{}", "[]", '{"epochs": 3}'):
        (layout.results("reference") / "training.json").write_text(damage)
        said = CliRunner().invoke(driftloop, ["status", "--report"], catch_exceptions=False).output
        assert "w05" in said
    assert "The report stays as it was" in said


@pytest.mark.parametrize(
    "damage", ['{"netwprk": {}}', '{"network": 3}', "[]", '{"network": {"network": []}}']
)
def test_a_damaged_model_ends_no_review_with_a_traceback(project, damage):
    project.check("w01", "fog", drifted=True)
    (layout.model("reference") / "model.json").write_text(damage)
    CliRunner().invoke(driftloop, ["review", "w01", "--json"], catch_exceptions=False)


def test_a_check_that_the_next_run_replaces_is_answered_by_nobody(project):
    project.check("w01", "fog", drifted=True)
    project.record_check("w01")
    refused = CliRunner().invoke(driftloop, ["review", "w01", "--decision", "keep"]).exception
    assert not isinstance(refused, DataError), refused
    Path("decisions/w01.jsonl").unlink(missing_ok=True)
    Path("decisions/w01.jsonl.head").unlink(missing_ok=True)
    path = Path("params.yaml")
    path.write_text(re.sub(r"alpha: 0\.01\b", "alpha: 0.02", path.read_text()))
    refused = CliRunner().invoke(driftloop, ["review", "w01", "--decision", "keep"]).exception
    assert "check-window w01: detector.alpha was 0.01 and is 0.02" in str(refused)
    assert not Path("decisions/w01.jsonl").exists()
    said = " ".join(CliRunner().invoke(driftloop, ["status"], catch_exceptions=False).output.split())
    assert "w01: it was checked under other circumstances: check-window w01: detector.alpha was" in said
    assert "Next: snakemake --cores all" in said
