"""Golden screens of the real program at three sizes and three depths of colour.

A golden screen is the text on it, each cell of a picture as a letter for its brightness, so that one can
read it. After a wanted change run UPDATE_GOLDEN=1 pytest tests/e2e/test_review_screens.py, and look at
the difference.
"""

import os
import runpy
from pathlib import Path

import pyte
import pytest

GOLDEN = Path(__file__).parents[1] / "golden/review"
build_project = runpy.run_path(str(GOLDEN / "project.py"))["build_project"]
Person = runpy.run_path(str(GOLDEN / "person.py"))["Person"]

SHADES = "0123456789ABCDEF"
SIZES = [(80, 24), (120, 40), (200, 60)]
# What is pressed, the text to wait for, and what the screen is called.
STEPS = [
    ("", "has drifted", "story"),
    ("\r3-/", "3/24 labelled", "grid"),
    ("+", "the model says", "closeup"),
    ("+", "through a filter against", "filters"),
    ("+===", "24/24 labelled", "labelled"),
    ("\t", "these, through a filter", "diagnosis"),
    ("\r", "What should happen now?", "decision"),
    ("f\rgrainy\r", "grainy", "sign"),
]


@pytest.mark.parametrize("colours", ["truecolor", "256", "none"])
@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_screens(tmp_path: Path, columns: int, rows: int, colours: str) -> None:
    dataset = "cifar10" if columns == 120 else "mnist"
    build_project(tmp_path, dataset)
    person = Person(tmp_path, "review", "w02", columns=columns, rows=rows, colours=colours)
    seen = []
    for keys, text, name in STEPS:
        person.press(*keys)
        person.see(text)
        seen.append(f"=== {name}\n{readable(person.screen)}")
    person.press("\x03")
    assert person.leave() == 75
    hold_against(GOLDEN / f"{columns}x{rows}-{colours}.txt", "".join(seen))


def test_a_changed_size_is_drawn_anew(tmp_path: Path) -> None:
    build_project(tmp_path)
    person = Person(tmp_path, "review", "w02", columns=200, rows=60)
    person.see("has drifted")
    person.press("\r", "3")
    person.see("1/24 labelled")
    person.resize(80, 24)
    person.see("? help")
    golden = (GOLDEN / "80x24-truecolor.txt").read_text(encoding="utf-8")
    assert "1/24 labelled" in person.text()
    assert person.text().splitlines()[-1] == golden.split("=== grid\n")[1].split("=== ")[0].splitlines()[-1]
    person.resize(50, 10)
    person.see("needs a terminal of 60 x 16")
    person.press("\x03")
    assert person.leave() == 75


def readable(screen: pyte.Screen) -> str:
    """Return the screen as text, each cell of a picture as a letter for its brightness."""
    lines = []
    for row in range(screen.lines):
        line = screen.buffer[row]
        lines.append("".join(_letter(line[column]) for column in range(screen.columns)).rstrip())
    return "\n".join(lines) + "\n"


def _letter(cell: pyte.screens.Char) -> str:
    if cell.data != "▀":
        return str(cell.data)
    light = [int(colour[at : at + 2], 16) for colour in (cell.fg, cell.bg) for at in (0, 2, 4)]
    return SHADES[sum(light) // len(light) // 16]


def hold_against(path: Path, seen: str) -> None:
    """Compare with a golden file; brightness may differ by one step, as image libraries round differently."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(seen, encoding="utf-8")
    golden = path.read_text(encoding="utf-8")
    for number, (old, new) in enumerate(zip(golden.splitlines(), seen.splitlines(), strict=True), start=1):
        same = len(old) == len(new) and all(map(_alike, old, new))
        assert same, f"{path.name}, line {number}:\n{old}\n{new}\nIf it is meant: UPDATE_GOLDEN=1"


def _alike(old: str, new: str) -> bool:
    return old == new or (old in SHADES and new in SHADES and abs(SHADES.index(old) - SHADES.index(new)) == 1)
