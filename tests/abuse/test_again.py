"""Windows that come again, or late, or go; and those that are broken: nothing is taken in or lost in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.abuse.conftest import Command, refused

from driftloop import layout
from driftloop.commands import watch
from driftloop.commands.arrive import arrivals_now
from driftloop.data.dataset import load_dataset
from driftloop.data.inbox import Waiting


def paint(folder: Path, *levels: int) -> None:
    folder.mkdir(exist_ok=True)
    for level in levels:
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(folder / f"{level}.png")


def levels(window: str = "monday") -> list[int]:
    return np.asarray(load_dataset(layout.window(window)).images[:, 0, 0, 0]).tolist()


@pytest.fixture
def monday(project: Path, driftloop: Command) -> Path:
    """The inbox's folder of a window that was taken in."""
    Path("arrivals.txt").write_text("monday reference\n")
    folder = project / "inbox" / "monday"
    paint(folder, 10, 20, 30)
    assert driftloop("take-window", "monday").status == 0
    return folder


def test_pictures_that_come_late_are_said_and_change_nothing(monday: Path, driftloop: Command) -> None:
    paint(monday, 40)
    for said in (driftloop("status").said, driftloop("take-window", "monday", "--anew").said):
        assert "driftloop retake monday" in " ".join(said.split())
    assert levels() == [10, 20, 30]


def test_cron_is_told_that_a_person_is_needed(monday: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_waiting", lambda: Waiting((), (), ()))
    before = {state.window: state.state for state in watch._states()}
    shutil.rmtree(monday.parents[1] / "results" / "w01")  # which waits for a person, too
    assert not watch._tell(before)
    paint(monday, 40)
    assert watch._tell(before)


def test_retake_takes_in_what_lies_there(monday: Path, driftloop: Command) -> None:
    shutil.rmtree(monday)
    paint(monday, 50, 60)
    assert driftloop("retake", "monday").status == 0
    assert levels() == [50, 60]
    assert "retake" not in driftloop("status").said


def test_retake_leaves_what_somebody_answered(monday: Path, driftloop: Command) -> None:
    paint(monday, 40)
    layout.DECISIONS.mkdir(exist_ok=True)
    layout.ledger("monday").write_text('{"an": "answer"}\n')
    refused(driftloop("retake", "monday"), "driftloop retake monday --as-new")
    assert levels() == [10, 20, 30]


def test_a_window_that_comes_again_becomes_one_of_its_own(monday: Path, driftloop: Command) -> None:
    paint(monday, 40)
    assert driftloop("retake", "monday", "--as-new").status == 0
    (new,) = arrivals_now(keep=True).keys() - {"monday"}
    assert new.startswith("monday-20")
    assert (levels(), driftloop("take-window", new).status, len(levels(new))) == ([10, 20, 30], 0, 4)


def test_by_a_rule_it_does_so_by_itself(monday: Path, driftloop: Command) -> None:
    paint(monday, 40)
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  settle: 0", "  settle: 0\n  again: date"))
    assert len(arrivals_now(keep=True)) == 2
    assert arrivals_now(keep=True).keys() == arrivals_now(keep=True).keys()
    assert not monday.exists()


def test_what_was_taken_in_serves_once_the_inbox_is_empty(monday: Path, driftloop: Command) -> None:
    shutil.rmtree(monday)
    outcome = driftloop("take-window", "monday", "--anew")
    assert (outcome.status, levels()) == (0, [10, 20, 30])
    assert "no longer holds it" in outcome.said
    shutil.rmtree(monday.parent)
    assert driftloop("take-window", "monday", "--anew").status == 0


def test_what_serves_again_has_the_classes_of_today(monday: Path, driftloop: Command) -> None:
    """An earlier version had other classes, or another order of them."""
    shutil.rmtree(monday)
    images, meta = (layout.window("monday") / name for name in ("images.npy", "meta.json"))
    facts = json.loads(meta.read_text())
    meta.write_text(json.dumps({**facts, "classes": [*reversed(facts["classes"])]}))
    written = images.stat().st_ino
    assert driftloop("take-window", "monday", "--anew").status == 0
    assert load_dataset(layout.window("monday")).classes == load_dataset(layout.split("train")).classes
    assert (levels(), images.stat().st_ino) == (
        [10, 20, 30],
        written,
    )  # a crash could have taken the only one


def test_an_answered_window_of_an_earlier_version_stays_what_it_was(monday: Path, driftloop: Command) -> None:
    """That did not note what lay in the inbox, and looked at no window that came again."""
    layout.source("monday").unlink()
    layout.DECISIONS.mkdir(exist_ok=True)
    layout.ledger("monday").write_text('{"an": "answer"}\n')
    assert driftloop("take-window", "monday", "--anew").status == 0
    assert layout.source("monday").exists()  # it is the same, so it is noted now
    layout.source("monday").unlink()
    shutil.rmtree(monday)
    paint(monday, 40)
    outcome = driftloop("take-window", "monday", "--anew")
    assert (outcome.status, levels()) == (0, [10, 20, 30])
    assert "retake monday" in outcome.said


def test_a_second_window_of_that_name_stops_nothing(monday: Path, driftloop: Command) -> None:
    shutil.make_archive(str(monday), "zip", monday)
    assert driftloop("take-window", "monday", "--anew").status == 0
    assert levels() == [10, 20, 30]
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  settle: 0", "  settle: 0\n  again: date"))
    (new,) = arrivals_now(keep=True).keys() - {"monday"}
    assert (monday.exists(), monday.with_name(f"{new}.zip").exists()) == (True, True)


def test_what_was_taken_in_is_not_believed_once_it_is_damaged(monday: Path, driftloop: Command) -> None:
    shutil.rmtree(monday)
    images = layout.window("monday") / "images.npy"
    content = bytearray(images.read_bytes())
    content[-1] ^= 1
    images.write_bytes(content)
    refused(driftloop("take-window", "monday", "--anew"), "nothing of that name")


def test_a_broken_window_says_why_and_is_tried_again_once_it_is_mended(
    project: Path, driftloop: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_waiting", lambda: Waiting((), (), ()))
    archive = project / "inbox" / "monday.zip"
    archive.write_bytes(b"PK and no more")
    Path("arrivals.txt").write_text("monday reference\n")
    refused(driftloop("take-window", "monday", "--log", layout.log("monday", "take_window")), "cut short")
    state = json.loads(driftloop("status", "--json").said)[-1]
    assert (state["state"], "cut short" in state["problem"]) == ("broken", True)
    before = watch._situation()
    assert watch._situation() == before
    paint(project / "inbox" / ".made", 10)
    shutil.make_archive(str(archive.with_suffix("")), "zip", project / "inbox" / ".made")
    assert watch._situation() != before
