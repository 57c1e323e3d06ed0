"""The summary: one row a window, with the figures that its files hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support import SUMMARY_KEYS

from driftloop.cli import driftloop


def run(*arguments: str) -> str:
    result = CliRunner().invoke(driftloop, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def rows(finished) -> dict[str, dict]:
    run("summarize-run")
    return {row["window"]: row for row in json.loads(Path("results/summary.json").read_text())}


def test_each_window_of_the_stream_has_a_row_with_the_promised_keys(rows):
    assert list(rows) == ["w01", "w02", "w03", "w04", "w05"]
    for row in rows.values():
        further = ("known_as", "novel_share", "windows_together", "label_shift", "unsettled")
        assert [key for key in row if key not in further] == SUMMARY_KEYS


def test_the_whole_stream_is_told_in_a_few_figures(rows):
    found = json.loads(Path("results/metrics.json").read_text())
    drifted = [row for row in rows.values() if row["drifted"]]
    assert (found["windows"], found["drifted"], found["promoted"]) == (5, len(drifted), len(drifted))
    assert found["labels_used"] == sum(row["labels_used"] for row in rows.values())
    assert found["accuracy_before"] < found["accuracy_after"]


def test_a_kept_window_has_null_for_all_that_nobody_did(rows):
    kept = rows["w01"]
    assert (kept["decision"], kept["labels_used"]) == ("keep", 0)
    for key in (
        "reviewer",
        "promoted",
        "incumbent_accuracy",
        "candidate_accuracy",
        "true_candidate_accuracy",
    ):
        assert kept[key] is None
    assert kept["clean_incumbent_accuracy"] == 0.9946


def test_a_repaired_window_has_what_was_measured_on_it(rows):
    repaired = rows["w03"]
    assert (repaired["decision"], repaired["promoted"]) == ("retrain", "retrain")
    assert repaired["reviewer"] == "Ada <ada@example.org>"
    assert repaired["labels_used"] == 48
    assert repaired["incumbent_accuracy"] == pytest.approx(0.74, abs=0.02)
    assert repaired["candidate_accuracy"] == pytest.approx(0.95, abs=0.02)
    assert repaired["true_candidate_accuracy"] > repaired["true_incumbent_accuracy"]
    assert repaired["clean_candidate_accuracy"] == pytest.approx(0.994)


def test_an_evaluation_left_from_an_earlier_verdict_does_not_count(finished):
    from driftloop.review.decision import Answer

    finished.write_verdict("w03", Answer("keep"))
    finished.score("w03", 0.74, None)
    run("summarize-run")
    row = json.loads(Path("results/summary.json").read_text())[2]
    assert row["promoted"] is None
    assert row["candidate_accuracy"] is None


def test_of_two_candidates_the_winner_is_reported(project):
    project.repair("w01", "fog", "both", parent="reference", before=0.2, after=0.9)
    run("summarize-run", "stream={w01: {n: 120}}")
    (row,) = json.loads(Path("results/summary.json").read_text())
    assert row["promoted"] == "retrain"
    assert row["candidate_accuracy"] == pytest.approx(0.9)


def test_a_pending_window_stands_in_summary_and_report_as_such(finished) -> None:
    """Whoever waits for a review sees the stream as it is, and the next run that ends writes both anew."""
    run("summarize-run")
    run("render-report")
    drift = Path("results/w03/drift.json")  # checked anew, so that the answer is to another report
    drift.write_text(json.dumps(json.loads(drift.read_text()) | {"p_value": 0.0005}))
    for name in ("results/w03/verdict.json", "results/w05/drift.json"):
        Path(name).unlink()
    said = run("status", "--report")
    assert "driftloop review w03" in said
    rows = {row["window"]: row for row in json.loads(Path("results/summary.json").read_text())}
    assert list(rows) == ["w01", "w02", "w03", "w04", "w05"]
    assert all(set(SUMMARY_KEYS) <= row.keys() for row in rows.values())
    pending, unchecked = rows["w03"], rows["w05"]
    assert (pending["drifted"], pending["decision"], pending["reviewer"]) == (True, None, None)
    assert pending["promoted"] is pending["candidate_accuracy"] is pending["true_incumbent_accuracy"] is None
    assert {key for key, value in unchecked.items() if value is not None} == {
        "window",
        "labels_used",
        "clean_incumbent_accuracy",
    }
    figures = json.loads(Path("results/metrics.json").read_text())
    assert (figures["windows"], figures["drifted"]) == (5, 2)
    page = " ".join(Path("results/report.html").read_text(encoding="utf-8").split())
    assert "and waits for its review: driftloop review w03" in page
    assert "Not checked yet: w05." in page
    assert "one waits for review" in page
    assert "driftloop review w03" in run("report")
    assert not list(Path("results").glob("*.made.json"))  # nothing vouches for what is unfinished


def test_before_anything_is_checked_there_is_nothing_to_report(finished) -> None:
    for drift in Path("results").glob("*/drift.json"):
        drift.unlink()
    assert "snakemake --cores all" in run("status", "--report")
    assert not Path("results/report.html").exists()
