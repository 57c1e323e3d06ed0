"""The demo as it comes: real MNIST, the stream of `params.yaml`, no terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import ROOT, make_project, planned, run, snakemake

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, warmed: None) -> Path:
    project = make_project(tmp_path_factory.mktemp("demo") / "project", ())
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()
    result = snakemake(project, timeout=1800)
    assert result.returncode == 0, result.stdout
    assert "SIMULATED" in result.stdout
    return project


@pytest.fixture(scope="module")
def rows(demo: Path) -> dict[str, dict]:
    return {row["window"]: row for row in json.loads((demo / "results" / "summary.json").read_text())}


def test_the_network_is_good(demo: Path) -> None:
    assert json.loads((demo / "models" / "reference" / "lineage.json").read_text())["clean_accuracy"] >= 0.993


def test_drift_is_seen_where_there_is_some_and_nowhere_else(rows: dict[str, dict]) -> None:
    drifted = {window: row["drifted"] for window, row in rows.items()}
    assert drifted == {"w01": False, "w02": True, "w03": True, "w04": False, "w05": False}
    assert rows["w05"]["known_as"] == "w02"


def test_the_filter_wins_back_four_fifths_and_the_retrained_model_half(rows: dict[str, dict]) -> None:
    for window, repair, share in (("w02", "filter", 0.8), ("w03", "retrain", 0.5)):
        row = rows[window]
        lost = row["clean_incumbent_accuracy"] - row["true_incumbent_accuracy"]
        won = row["true_candidate_accuracy"] - row["true_incumbent_accuracy"]
        assert row["promoted"] == repair
        assert won >= share * lost > 0


def test_no_promotion_costs_clean_accuracy(rows: dict[str, dict]) -> None:
    for row in rows.values():
        if row["promoted"]:
            assert row["clean_candidate_accuracy"] >= row["clean_incumbent_accuracy"] - 0.005


def test_what_is_done_stays_done(demo: Path) -> None:
    assert planned(demo) == []


def test_the_status_tells_the_story_and_the_next_command(demo: Path) -> None:
    said = run(demo, "driftloop", "status").stdout
    assert "results/report.html" in said
    assert "driftloop predict IMAGE…" in said
