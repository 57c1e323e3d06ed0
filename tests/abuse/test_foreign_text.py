"""Text that came out of files is shown by every command, and obeyed by no terminal and no spreadsheet."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.abuse.conftest import Command

from driftloop.printable import printable
from driftloop.review.grid import describe_label
from driftloop.review.material import load_material
from driftloop.review.pen import Pen, clip, fold
from driftloop.review.pictures import Depth

HOSTILE = "zero\x1b[2J\x1b]0;OWNED\x07\x9b31m\r\u202edrow\x7f"
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
REVIEW = ("review", "w01", "--decision", "keep", "--diagnosis", "fog")
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("lineage",),
    ("lineage", "--json"),
    ("ledger", "show"),
    ("ledger", "show", "--json"),
    ("ledger", "verify"),
    ("why", "--stale"),
    ("why", "models/reference/model.json"),
    ("why", "decisions/w01.jsonl"),
    ("review", "w01", "--json"),
    ("predict", "models/reference", "shown"),
    ("predict", "--jsonl", "models/reference", "shown"),
    ("report",),
    ("check-window", "w01", "--anew"),
    ("promote", HOSTILE),
    ("predict", f"-{HOSTILE}"),
    ("nothing" + HOSTILE,),
    ("configure", f"dataset={HOSTILE}"),
    ("images", "build", HOSTILE),
    ("ledger", "verify", HOSTILE),
    ("settle", HOSTILE),
)


@pytest.fixture
def hostile(project: Path, driftloop: Command) -> Path:
    """The project with a hostile class, reviewer, reason and picture, as far as files can bring them."""
    answer = (*REVIEW, "--reviewer", "Ada", "--reason", "dark", "--reviewer", f"Ada{HOSTILE}")
    driftloop(*answer, "--reason", HOSTILE)
    for path in ("models/reference/model.json", "data/windows/w01/meta.json"):
        meta = json.loads(Path(path).read_text())
        if "classes" in meta:
            meta["classes"][0] = HOSTILE
            Path(path).write_text(json.dumps(meta))
    Path("shown").mkdir()
    for name in ("plain.png", "red\x1b[31m\u202e.png", "=1+1.png"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(Path("shown", name))
    Path("shown", "no\x1b[2Jpicture.png").write_text(HOSTILE)
    return project


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: printable(" ".join(command))[:40])
def test_no_command_prints_a_control_character_of_a_file(
    command: tuple[str, ...], hostile: Path, driftloop: Command
) -> None:
    said = driftloop(*command).said
    assert said.strip()
    assert RAW.findall(said) == []


@pytest.mark.parametrize("text", [HOSTILE, f"[red]{HOSTILE}[/]", ":bomb:" + HOSTILE])
def test_a_message_shows_what_it_quotes(text: str, project: Path, driftloop: Command) -> None:
    said = driftloop("predict", "models/reference", text).said
    assert RAW.findall(said) == []
    assert printable(text) in said


def test_cells_are_no_formulas(hostile: Path, driftloop: Command) -> None:
    received = Path(shutil.copytree("models/reference", "received"), "model.json")
    meta = json.loads(received.read_text())
    meta["classes"] = [f"=cmd|{name}" for name in "0123456789"]
    received.write_text(json.dumps(meta))
    shutil.copy("shown/plain.png", "=SUM(A1).png")
    said = driftloop("predict", "received", "=SUM(A1).png").said
    row = next(csv.DictReader(said[said.index("name,") :].splitlines()))
    assert row["name"] == "'=SUM(A1).png"
    assert row["class"].startswith("'=cmd|")


def test_the_review_draws_names_and_obeys_none() -> None:
    pen = Pen(Depth.TRUECOLOR)
    for drawn in (clip(HOSTILE, 12), clip(HOSTILE, 200), *fold(HOSTILE, 10), Pen(Depth.NONE)(HOSTILE)):
        assert RAW.findall(drawn) == []
    assert re.fullmatch(r"\x1b\[1m[^\x1b]*\x1b\[0m", pen(HOSTILE, "bold"))


def test_a_label_is_shown_as_it_is(project: Path) -> None:
    pick = load_material("w01", "mnist_c").picks[0]
    assert RAW.findall(describe_label(HOSTILE, pick)[0]) == []


@pytest.mark.parametrize("text", ["Größe", "カメラ", "مرحبا", "👩\u200d🔬", "e\u0301", "naïve “quoted”"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
