"""Which model a window that arrives is checked against: what is in production then, whoever put it there."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support import drift_of

from driftloop import layout
from driftloop.commands.arrive import arrivals_now
from driftloop.errors import DataError
from driftloop.files import digest_file, digest_json, write_json, write_text
from driftloop.findings.drift import Drift
from driftloop.findings.evaluation import Evaluations, Strip
from driftloop.models.store import FIELDS, FORMAT
from driftloop.params.arrivals import REFERENCE, add_arrivals, read_arrivals, write_arrivals
from driftloop.params.compose import compose, render
from driftloop.review.decision import Answer, verdict
from driftloop.review.ledger import append, new_entry, project_id, reported
from driftloop.tracker.production import follow, move, roll_back


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with an inbox, whose reference model is in production."""
    monkeypatch.chdir(tmp_path)
    changes = ("dataset=digits", "inbox={folder: inbox, settle: 0, cut: null}")
    write_text(Path("params.yaml"), render(compose(changes), changes))
    made(REFERENCE, "reference")
    move(REFERENCE, "workflow")


def made(owner: str, weights: str) -> str:
    """Make a model, and return its digest."""
    arrays = layout.model(owner) / "model.safetensors"
    write_text(arrays, weights)
    meta = {"format": FORMAT, **dict.fromkeys(FIELDS, weights), "sha256": digest_file(arrays)}
    write_json(layout.model(owner) / "model.json", meta)
    return digest_json(meta)


def arrive(*windows: str) -> dict[str, str]:
    for window in windows:
        (Path("inbox") / window).mkdir(parents=True)
        (Path("inbox") / window / "a.png").touch()
    return arrivals_now(keep=True)


def test_a_window_follows_the_repair_that_is_in_production() -> None:
    assert arrive("monday") == {"monday": REFERENCE}
    follow("monday", made("monday", "filtered"), (REFERENCE, made(REFERENCE, "reference")))
    assert arrive("tuesday")["tuesday"] == "monday"


def test_of_windows_that_left_the_model_in_production_the_last_is_followed() -> None:
    arrive("monday", "tuesday")
    made("monday", "reference")
    made("tuesday", "reference")
    assert arrive("wednesday")["wednesday"] == "tuesday"


def test_after_a_rollback_nothing_that_is_undecided_follows_the_repair() -> None:
    arrive("monday")
    follow("monday", made("monday", "filtered"), (REFERENCE, made(REFERENCE, "reference")))
    assert arrive("tuesday") == {"monday": REFERENCE, "tuesday": "monday"}
    roll_back("Ada")
    assert arrive("wednesday") == {"monday": REFERENCE, "tuesday": REFERENCE, "wednesday": REFERENCE}


def test_of_two_repairs_side_by_side_the_one_in_production_is_followed() -> None:
    arrive("monday", "tuesday")
    reference = (REFERENCE, made(REFERENCE, "reference"))
    follow("monday", made("monday", "filtered"), reference)
    tuesday = made("tuesday", "retrained")
    assert follow("tuesday", tuesday, reference) is None
    assert arrive("wednesday")["wednesday"] == "monday"
    move("tuesday", "Ada")
    assert arrivals_now(keep=True)["wednesday"] == "tuesday"


def test_an_answer_to_another_report_does_not_keep_its_window_from_a_repair() -> None:
    """The old check would ask for ever, though the promoted repair may know the drift."""
    path, report = layout.drift("tuesday"), drift_of("tuesday", drifted=True)
    arrive("monday", "tuesday")
    report.write(path)
    answer(report)
    follow("monday", made("monday", "filtered"), (REFERENCE, made(REFERENCE, "reference")))
    assert arrivals_now(keep=True)["tuesday"] == REFERENCE
    replace(report, alpha=0.02).write(path)
    assert arrivals_now(keep=True)["tuesday"] == REFERENCE
    replace(report, alpha=0.02, n=40).write(path)
    made("tuesday", "of the old check")
    assert arrivals_now(keep=True)["tuesday"] == "monday"


def answer(report: Drift) -> None:
    seen = {"report": reported(report), "images": "", "content": ""}
    project = project_id(layout.DECISIONS)
    entry = new_entry(Answer("keep"), project=project, window="tuesday", reviewer="Ada", **seen)
    append(layout.ledger("tuesday"), entry)


def test_what_a_person_has_answered_keeps_its_incumbent() -> None:
    arrive("monday", "tuesday")
    write_text(layout.ledger("tuesday"), "an entry\n")
    follow("monday", made("monday", "filtered"), (REFERENCE, made(REFERENCE, "reference")))
    assert arrivals_now(keep=True)["tuesday"] == REFERENCE


def test_a_window_that_may_yet_be_repaired_is_not_followed() -> None:
    arrive("monday", "tuesday")
    made("monday", "reference")
    made("tuesday", "reference")
    decided = verdict("tuesday", drifted=True, answer=Answer("filter"))
    decided.write(layout.verdict("tuesday"))
    strip = Strip((), (), (), taught=False)
    judged = Evaluations("tuesday", decided.digest, None, {}, ask=(3,), draws={}, settling={}, strip=strip)
    judged.write(layout.evaluation("tuesday"))
    assert arrive("wednesday")["wednesday"] == "monday"
    replace(decided, decision="keep").write(layout.verdict("tuesday"))  # is what it stays now
    assert arrive("thursday")["thursday"] == "tuesday"


def test_a_damaged_model_stops_no_plan() -> None:
    arrive("monday")
    made("monday", "reference")
    write_text(layout.model("monday") / "model.json", "{")
    assert arrive("tuesday")["tuesday"] == REFERENCE


def test_where_models_are_lost_no_line_changes() -> None:
    """As in a clone before `dvc pull`."""
    arrive("monday")
    follow("monday", made("monday", "filtered"), (REFERENCE, made(REFERENCE, "reference")))
    before = arrive("tuesday")
    for owner in (REFERENCE, "monday"):
        (layout.model(owner) / "model.json").unlink()
    assert arrivals_now(keep=True) == before
    assert arrive("wednesday")["wednesday"] == "monday"


def test_no_window_ever_follows_itself() -> None:
    """An undecided window that production was made from, as its own model is lost."""
    arrivals = {"monday": REFERENCE, "tuesday": "monday", "wednesday": "monday"}
    models = {REFERENCE: "0", "tuesday": "1"}
    path = Path("arrivals.txt")
    write_arrivals(path, add_arrivals(arrivals, [], models, ("tuesday", "1")))
    assert read_arrivals(path) == {"monday": REFERENCE, "tuesday": "monday", "wednesday": "tuesday"}


def test_a_long_chain_is_followed_once(tmp_path: Path) -> None:
    """Hourly windows are thousands in a year, and every command reads them."""
    names = [f"w{place:05}" for place in range(20_000)]
    lines = [f"{name} {owner}" for owner, name in pairwise(["reference", *names])]
    path = tmp_path / "arrivals.txt"
    path.write_text("\n".join(lines))
    assert list(read_arrivals(path)) == names
    path.write_text("\n".join([*lines, "x y", "y x"]))
    with pytest.raises(DataError, match="x follows y follows x"):
        read_arrivals(path)
