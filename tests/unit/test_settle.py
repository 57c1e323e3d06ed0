"""`driftloop settle`: what the gate asks for is labelled without losing what the review said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from driftloop import layout
from driftloop.commands import watch
from driftloop.commands.ledger import entries_of
from driftloop.commands.settle import settling_labels
from driftloop.commands.table import find_command
from driftloop.data.inbox import Waiting
from driftloop.files import read_json, write_json
from driftloop.params.load import load_params
from driftloop.report.status import next_step, windows
from driftloop.review.decision import Answer
from driftloop.review.ledger import project_id, read_ledger
from driftloop.review.material import load_material
from driftloop.review.story import earlier_labels, tell


@pytest.fixture
def asked(finished) -> list[int]:
    """The finished project, where the gate has asked for five samples of w03 that nobody has seen."""
    picked = {pick["index"] for pick in read_json(layout.results("w03") / "drift.json")["picks"]}
    asked = [index for index in range(120) if index not in picked][:5]
    path = layout.results("w03") / "evaluation.json"
    write_json(path, {**read_json(path), "ask": asked})
    return asked


def settle(*arguments: str):
    return CliRunner().invoke(find_command("settle"), arguments)


def newest():
    return read_ledger(layout.ledger("w03"), project=project_id(layout.DECISIONS))[-1]


def test_the_samples_are_listed_for_programs(asked):
    assert json.loads(settle("w03", "--json").output) == {"window": "w03", "samples": asked}


def test_new_labels_stand_beside_those_of_the_review(asked):
    entry = newest()
    before = entry.answer
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in asked))
    result = settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    assert result.exit_code == 0, result.output
    after = newest()
    assert after.reviewer == "Grace"
    assert after.answer.labels == {**before.labels, **dict.fromkeys(asked, "7")}
    assert (after.answer.decision, after.answer.diagnosis) == (before.decision, before.diagnosis)
    # The decision still stands for what the check found, so a run goes on with it.
    assert (after.report, after.images) == (entry.report, entry.images)


def test_the_verdict_stays_so_that_no_candidate_is_trained_again(asked):
    verdict = layout.results("w03") / "verdict.json"
    before = verdict.read_bytes()
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in asked))
    settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    again = CliRunner().invoke(find_command("review"), ["w03", "--verdict", str(verdict)])
    assert again.exit_code == 0, again.output
    assert verdict.read_bytes() == before
    # The gate finds the new labels in the ledger.
    assert settling_labels("w03", [], load_params())[0] == dict.fromkeys(asked, "7")


def test_status_asks_for_it_once_nothing_else_is_to_be_done(asked):
    assert next_step(windows(load_params())) == "driftloop settle w03"


def test_once_it_is_signed_the_workflow_is_next(asked):
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in asked))
    settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    states = windows(load_params())
    assert next(state.state for state in states if state.window == "w03") == "decided"
    assert next_step(states) == "snakemake --cores all"


def test_what_is_left_of_it_is_asked_again_before_the_gate_looks(asked):
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in asked[:2]))
    result = settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    assert "2 of 5 samples answered" in " ".join(result.output.split())
    assert "Next: driftloop settle w03" in " ".join(result.output.split())
    # The gate can look at these by now, or the rest is labelled first.
    state = next(each for each in windows(load_params()) if each.window == "w03")
    assert state.state == "decided"
    assert json.loads(settle("w03", "--json").output)["samples"] == asked[2:]
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},(unsure)\n" for index in asked[2:]))
    result = settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    assert result.exit_code == 0, result.exception
    assert settling_labels("w03", [], load_params())[0].keys() == set(asked)
    assert "All that was asked for w03 is answered" in str(settle("w03").exception)


def draw(index: list[int], candidate: int = 7, level: float = 0.02) -> dict[str, object]:
    return {
        "index": index,
        "incumbent": [1] * len(index),
        "candidate": [candidate] * len(index),
        "level": level,
    }


def test_labelling_goes_on_without_a_run_until_it_is_settled(asked):
    """After each batch it is said what more would do; what the gate asked for is only the first of them."""
    path = layout.results("w03") / "evaluation.json"
    picked = {pick["index"] for pick in read_json(layout.results("w03") / "drift.json")["picks"]}
    others = [index for index in range(120) if index not in picked][:40]
    write_json(path, {**read_json(path), "ask": others[:5], "draws": {"retrain": draw(others)}})
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in others[:5]))
    said = " ".join(settle("w03", "--labels", "new.csv", "--reviewer", "Grace").output.split())
    assert "more labels would settle it with a chance of" in said
    assert "Next: driftloop settle w03" in said
    following = json.loads(settle("w03", "--json").output)["samples"]
    assert following == others[5 : 5 + len(following)]
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in following))
    said = " ".join(settle("w03", "--labels", "new.csv", "--reviewer", "Grace").output.split())
    assert "its gain on the drift is shown. Next: snakemake --cores all" in said
    assert "its gain on the drift is shown. Run: snakemake" in str(settle("w03").exception)


def test_a_check_that_the_next_run_replaces_is_settled_by_nobody(asked, finished):
    finished.record_check("w03")
    before = Path("decisions/w03.jsonl").read_bytes()
    assert settle("w03", "--json").exit_code == 0
    path = Path("params.yaml")
    path.write_text(re.sub(r"alpha: 0\.01\b", "alpha: 0.02", path.read_text()))
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in asked))
    refused = settle("w03", "--labels", "new.csv", "--reviewer", "Grace").exception
    assert "check-window w03: detector.alpha was 0.01 and is 0.02" in str(refused)
    assert Path("decisions/w03.jsonl").read_bytes() == before


def test_what_has_become_hopeless_is_asked_no_more(asked):
    path = layout.results("w03") / "evaluation.json"
    write_json(path, {**read_json(path), "draws": {"retrain": draw([*asked, 118, 119])}})
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},1\n" for index in asked))
    said = " ".join(settle("w03", "--labels", "new.csv", "--reviewer", "Grace").output.split())
    assert "it shows no gain here" in said
    assert "Next: snakemake --cores all" in said


def test_a_new_review_loses_neither_those_labels_nor_its_own(asked):
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in asked))
    settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    before = newest().answer.labels
    review = ["w03", "--decision", "retrain", "--reason", "Said better.", "--reviewer"]
    result = CliRunner().invoke(find_command("review"), [*review, "Ada <ada@example.org>"])
    assert result.exit_code == 0, result.output
    assert newest().answer.reason == "Said better."
    assert {**newest().answer.labels, **settling_labels("w03", [], load_params())[0]} == before
    # Nobody signs another's labels, nor goes before them without any.
    said = str(CliRunner().invoke(find_command("review"), [*review, "Bob"]).exception)
    assert "an answer without labels would go before the 48 of Ada" in said
    assert newest().reviewer == "Ada <ada@example.org>"


def test_whoever_settles_a_repair_gives_no_second_opinion(asked):
    Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in asked))
    settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    told = CliRunner().invoke(find_command("ledger"), ["show", "w03"]).output
    assert "Grace: to settle what the gate left open" in told
    assert "agree on" not in told


def test_whoever_settles_a_repair_has_not_decided_it(asked):
    (before,) = (state for state in windows(load_params()) if state.window == "w03")
    Path("new.csv").write_text(f"index,label\n{asked[0]},7\n")
    for _ in range(2):
        settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    (after,) = (state for state in windows(load_params()) if state.window == "w03")
    assert newest().reviewer == "Grace"
    assert (after.reviewer, after.simulated) == (before.reviewer, before.simulated)
    for step in ("summarize-run", "render-report"):
        assert CliRunner().invoke(find_command(step)).exit_code == 0
    (row,) = (row for row in read_json(layout.SUMMARY) if row["window"] == "w03")
    assert row["reviewer"] == before.reviewer
    told = "\n".join(text for text, _ in tell(load_material("w03", "mnist_c"), entries_of("w03"), "Bob"))
    assert told.count("answered retrain on") == 1


def test_a_decision_that_came_meanwhile_is_not_signed_away(asked, monkeypatch):
    """Ada decides anew while Grace labels what the gate asked about the repair of before."""

    def label_slowly(material, entries, drafts, record, **how):
        ada = ["w03", "--decision", "keep", "--reviewer", "Ada <ada@example.org>"]
        assert CliRunner().invoke(find_command("review"), ada).exit_code == 0
        return record(Answer("retrain", "rotate", "", dict.fromkeys(asked, "7")), "Grace")

    monkeypatch.setattr("driftloop.review.terminal.is_interactive", lambda: True)
    monkeypatch.setattr("driftloop.review.ask.ask", label_slowly)
    assert "was decided anew by Ada" in str(settle("w03").exception)
    assert (newest().reviewer, newest().answer.decision) == ("Ada <ada@example.org>", "keep")


def test_a_draft_is_found_again_whatever_is_asked_by_now(asked, monkeypatch):
    kept = []

    def leave(material, entries, drafts, record, *, unsettled, **how):
        kept.append(unsettled.images)
        return newest()

    monkeypatch.setattr("driftloop.review.terminal.is_interactive", lambda: True)
    monkeypatch.setattr("driftloop.review.ask.ask", leave)
    settle("w03")
    Path("new.csv").write_text(f"index,label\n{asked[0]},3\n")
    assert settle("w03", "--labels", "new.csv", "--reviewer", "Bob").exit_code == 0
    settle("w03")
    assert kept == [newest().images] * 2


def test_whoever_settles_is_offered_no_labels_of_another_s_review(asked):
    Path("new.csv").write_text(f"index,label\n{asked[0]},3\n")
    assert settle("w03", "--labels", "new.csv", "--reviewer", "Bob").exit_code == 0
    material = load_material("w03", "mnist_c")
    assert earlier_labels(material, entries_of("w03"), "Bob") is None
    assert earlier_labels(material, entries_of("w03"), "Ada <ada@example.org>")[1].keys() == material.shown


def test_a_later_review_with_more_labels_is_a_review(asked):
    """Ada answers again with more samples; what she says later without labels starts from all of them."""
    material = load_material("w03", "mnist_c")
    shown = sorted(material.shown)
    for count in (10, 24):
        Path("new.csv").write_text("index,label\n" + "".join(f"{index},7\n" for index in shown[:count]))
        again = ["w03", "--decision", "retrain", "--reviewer", "Grace", "--labels", "new.csv"]
        assert CliRunner().invoke(find_command("review"), again).exit_code == 0
    again = ["w03", "--decision", "both", "--reviewer", "Grace"]
    assert CliRunner().invoke(find_command("review"), again).exit_code == 0
    assert newest().answer.labels == dict.fromkeys(shown[:24], "7")


def test_two_who_settle_at_once_lose_no_label(asked, monkeypatch):
    def label_slowly(material, entries, drafts, record, **how):
        Path("new.csv").write_text(f"index,label\n{asked[0]},3\n")
        assert settle("w03", "--labels", "new.csv", "--reviewer", "Bob").exit_code == 0
        return record(Answer("retrain", "rotate", "", {asked[1]: "7"}), "Grace")

    monkeypatch.setattr("driftloop.review.terminal.is_interactive", lambda: True)
    monkeypatch.setattr("driftloop.review.ask.ask", label_slowly)
    assert settle("w03").exit_code == 0
    assert {asked[0]: "3", asked[1]: "7"}.items() <= newest().answer.labels.items()


def test_an_answer_that_says_nothing_is_not_signed(asked):
    entries = newest()
    Path("new.csv").write_text("index,label\n")
    assert "no sample has an answer" in str(settle("w03", "--labels", "new.csv").exception)
    assert newest() == entries


def test_watch_says_what_waits_for_labels_and_what_came_of_the_others(asked, capsys, monkeypatch):
    path = layout.results("w03") / "evaluation.json"
    write_json(path, {**read_json(path), "winner": None})
    lineage = layout.model("w03") / "lineage.json"
    write_json(lineage, {**read_json(lineage), "repairs": []})
    monkeypatch.setattr(watch, "_waiting", lambda: Waiting((), (), ("'my window' cannot name a window",)))
    assert watch._tell({"w01": "waiting", "w02": "promoted"})
    said = "".join(capsys.readouterr())
    assert "w03 has drifted and its repair waits for labels: driftloop settle w03" in said
    assert "w01: kept." in said
    assert "w02" not in said
    assert "'my window' cannot name a window" in said


def test_only_what_is_asked_is_taken(asked):
    entries = newest()
    shown = read_json(layout.results("w03") / "drift.json")["picks"][0]["index"]
    Path("new.csv").write_text(f"index,label\n{shown},7\n")
    result = settle("w03", "--labels", "new.csv", "--reviewer", "Grace")
    assert "was not shown" in str(result.exception)
    assert newest() == entries


def test_where_nothing_is_open_nothing_is_asked(finished):
    assert "Nothing is open for w03. Promoted" in str(settle("w03").exception)
    assert "No decision stands for w01" in str(settle("w01").exception)
