"""The loop on real digits: what reruns, who is waited for, what survives."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support import SUMMARY_KEYS, planned, run, snakemake

from driftloop.commands.gate import Rivals
from driftloop.commands.repair import Occasion
from driftloop.commands.track import settle_times
from driftloop.improver.outlook import Outlook
from driftloop.params.load import load_params

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warmed")]


def summary(project: Path) -> dict[str, dict]:
    return {row["window"]: row for row in json.loads((project / "results" / "summary.json").read_text())}


def configure(project: Path, *changes: str) -> None:
    """Change parameters in params.yaml, as with an editor."""
    import yaml

    from driftloop.params.merge import override

    path = project / "params.yaml"
    path.write_text(yaml.safe_dump(override(yaml.safe_load(path.read_text()), changes), sort_keys=False))


def answer(project: Path, window: str, decision: str, diagnosis: str) -> str:
    """Answer a pending review as a script does, with the true labels of the samples that were asked about."""
    asked = json.loads(run(project, "driftloop", "review", window, "--json").stdout)
    truth = np.load(project / "answers" / window / "labels.npy")
    with (project / "labels.csv").open("w", newline="") as stream:
        rows = [(sample["index"], int(truth[sample["index"]])) for sample in asked["samples"]]
        csv.writer(stream).writerows([("index", "label"), *rows])
    given = ["--decision", decision, "--diagnosis", diagnosis, "--labels", "labels.csv", "--reviewer", "Ada"]
    result = run(project, "driftloop", "review", window, *given)
    assert result.returncode == 0, result.stdout
    return (project / "decisions" / f"{window}.jsonl").read_text()


def test_the_summary_has_a_row_for_every_window(digits_run: Path) -> None:
    rows = summary(digits_run)
    assert list(rows) == ["w01", "w02", "w03", "w04", "w05"]
    assert all([key for key in row if key in SUMMARY_KEYS] == SUMMARY_KEYS for row in rows.values())
    assert not rows["w01"]["drifted"]
    assert [row["drifted"] for row in rows.values()][1:3] == [True, True]
    assert [row["decision"] for row in rows.values()][1:3] == ["filter", "retrain"]
    assert (digits_run / "results" / "report.html").stat().st_size > 1000


def test_a_second_run_does_nothing(digits_run: Path) -> None:
    assert planned(digits_run) == []


@pytest.mark.parametrize(
    ("change", "reruns", "spares"),
    [
        ("gate.margin=0.04", {"w02: evaluating", "w03: evaluating"}, {"w02: training a filter"}),
        ("detector.alpha=0.02", {"w01: checking", "w05: checking"}, {"Fitting", "w01: predicting"}),
        ("filter.steps=90", {"w02: training a filter"}, {"w02: reviewing", "w01: checking", "Training"}),
        ("stream.w05.share=0.5", {"w05: drawing"}, {"w01: drawing", "w04: drawing"}),
        ("review.error_rate=0.1", {"w02: reviewing"}, {"Fitting", "w01: drawing", "w01: checking"}),
    ],
)  # fmt: skip
def test_a_changed_parameter_reruns_what_reads_it_and_nothing_before(
    copied: Path, change: str, reruns: set[str], spares: set[str]
) -> None:
    configure(copied, change)
    jobs = planned(copied)
    assert all(any(job.startswith(begin) for job in jobs) for begin in reruns), jobs
    assert not any(job.startswith(begin) for job in jobs for begin in spares), jobs


def test_a_moved_threshold_keeps_the_answers_also_when_it_moves_back(copied: Path) -> None:
    before = (copied / "decisions" / "w02.jsonl").read_text()
    verdict = (copied / "results" / "w02" / "verdict.json").read_bytes()
    configure(copied, "detector.alpha=0.05")
    same = snakemake(copied, "results/w02/verdict.json")
    assert same.returncode == 0, same.stdout  # the window is as drifted as it was, by the same samples
    assert (copied / "decisions" / "w02.jsonl").read_text() == before
    assert (copied / "results" / "w02" / "verdict.json").read_bytes() == verdict
    configure(copied, "review.reviewer=human")
    moved = snakemake(copied, "results/w02/verdict.json")
    assert moved.returncode != 0  # no person has answered
    assert "No decision for window w02 yet. Run: driftloop review w02" in moved.stdout
    configure(copied, "detector.alpha=0.01", "review.reviewer=auto")
    back = snakemake(copied, "results/w02/verdict.json")
    assert back.returncode == 0, back.stdout
    assert (copied / "decisions" / "w02.jsonl").read_text() == before
    assert (copied / "results" / "w02" / "verdict.json").read_bytes() == verdict


def test_a_person_is_waited_for_and_the_run_goes_on_from_the_answer(
    reference_only: Callable[[Path], Path], tmp_path: Path
) -> None:
    project = reference_only(tmp_path / "project")
    stopped = snakemake(project)
    assert stopped.returncode != 0
    assert "No decision for window w02 yet. Run: driftloop review w02" in stopped.stdout
    assert "Traceback" not in stopped.stdout
    assert "driftloop review w02" in run(project, "driftloop", "status").stdout

    first = answer(project, "w02", "both", "impulse_noise")
    stopped = snakemake(project)
    assert "No decision for window w03 yet. Run: driftloop review w03" in stopped.stdout
    answer(project, "w03", "retrain", "rotate")
    going_on = snakemake(project)
    while going_on.returncode != 0:  # the last window may have drifted as well, on so little data
        assert "No decision for window w05 yet" in going_on.stdout, going_on.stdout
        answer(project, "w05", "keep", "impulse_noise")
        going_on = snakemake(project)
    assert summary(project)["w02"]["reviewer"] == "Ada"
    evaluation = json.loads((project / "results/w02/evaluation.json").read_text())
    assert set(evaluation["candidates"]) == {"retrain", "filter", "retrain_filtered"}
    assert (project / "decisions" / "w02.jsonl").read_text() == first


def test_what_teaches_by_its_looks_never_judges(digits_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(digits_run)
    params = load_params()
    occasion = Occasion("w03", params)
    rivals = Rivals(occasion, params)
    first, teaching = rivals.judge({})[0]["retrain"], occasion.parts.unlabelled
    outlook = Outlook(1000, 1, 0.5, 1000, 0.5, 0.5)
    every = rivals.ask({"retrain": replace(first, outlook=outlook)}, {})
    shown = sorted(occasion.picks)
    differs = np.flatnonzero(rivals._answers[""] != rivals._answers["retrain"])
    # All others that the two answer differently are asked about, and some of those would have been.
    assert sorted(every) == sorted(set(differs) - set(shown) - set(teaching))
    assert set(differs) & set(teaching)


def test_products_whose_record_is_gone_are_named_and_made_again(copied: Path) -> None:
    assert "still holds" in run(copied, "driftloop", "why", "--stale").stdout
    (copied / "data/splits/split-dataset.made.json").unlink()
    said = run(copied, "driftloop", "why", "--stale").stdout
    assert "data/splits/train/meta.json: the record of what made it is gone, so it is made again" in said
    assert "Splitting the dataset" in planned(copied)


def test_what_taught_a_candidate_is_read_where_it_was_kept(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied)
    params = load_params()
    kept = copied / "results/w03/candidates/retrain/learnt.json"
    learnt = json.loads(kept.read_text())
    assert learnt

    def disagreements() -> set[int]:
        rivals = Rivals(Occasion("w03", params), params)
        first = rivals.judge({})[0]["retrain"]
        every = replace(first, outlook=Outlook(1000, 1, 0.5, 1000, 0.5, 0.5))
        return set(rivals.ask({"retrain": every}, {}))

    fewer = disagreements()
    assert len(fewer) > 1
    assert not fewer & set(learnt)
    kept.write_text(json.dumps([*learnt, min(fewer)]))
    assert disagreements() == fewer - {min(fewer)}


def test_a_candidate_of_an_earlier_decision_is_not_called_stale(copied: Path) -> None:
    change = "filter.steps=41"
    assert "train-filter w02: filter.steps" in run(copied, "driftloop", "why", "--stale", change).stdout
    answer(copied, "w02", "keep", "impulse_noise")
    assert snakemake(copied, "results/w02/verdict.json").returncode == 0
    said = run(copied, "driftloop", "why", "--stale", change).stdout
    assert "promote-model w02: results/w02/verdict.json" in said
    assert "train-filter w02" not in said


def test_the_production_model_predicts(digits_run: Path) -> None:
    result = run(digits_run, "driftloop", "predict", "models/w05", "data/windows/w01/images.npy")
    lines = [line for line in result.stdout.splitlines() if line.startswith("data/windows/w01")]
    assert result.returncode == 0, result.stdout
    assert len(lines) == 60
    truth = np.load(digits_run / "answers" / "w01" / "labels.npy")
    assert np.mean([int(line.split(",")[1]) == label for line, label in zip(lines, truth, strict=True)]) > 0.8


def test_a_plan_leaves_finished_windows_out_until_something_of_them_changes(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied)
    params = load_params([])
    assert settle_times(params, keep=False) == {"w01", "w02", "w03", "w04", "w05"}
    train = copied / "models/reference/train-model.made.json"
    record = train.read_bytes()
    train.unlink()  # as an interrupted training leaves it
    assert not settle_times(params, keep=False)
    train.write_bytes(record)
    score = copied / "results/w03/score.json"
    score.write_text(score.read_text().replace("0", "1", 1))
    assert settle_times(params, keep=False) == {"w01", "w02"}
    assert "w03: scoring against the true labels" in planned(copied)
    (copied / "models/w02/lineage.json").unlink()
    assert settle_times(params, keep=False) == {"w01"}
    (copied / "results/summarize-run.made.json").unlink()  # as while a review waits
    assert settle_times(params, keep=False) == {"w01"}
    assert "Summing up the stream" in planned(copied)
