"""Draws what is on a pyte screen as a picture, cell by cell, for the documentation and for looking at it."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path

import pyte
from PIL import Image, ImageDraw, ImageFont

_WIDE, _HIGH = 8, 16
_FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
_NAMED = {
    "default": (220, 220, 220), "black": (0, 0, 0), "red": (224, 90, 90), "green": (110, 200, 110),
    "brown": (225, 190, 90), "blue": (110, 150, 240), "magenta": (205, 120, 205), "cyan": (95, 200, 210),
    "white": (235, 235, 235),
}  # fmt: skip
_GROUND = (24, 24, 28)


def photograph(screen: pyte.Screen) -> Image.Image:
    """Return the screen as a picture."""
    picture = Image.new("RGB", (screen.columns * _WIDE, screen.lines * _HIGH), _GROUND)
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(_FONT, 13)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            ink, ground = _colour(cell.fg, _NAMED["default"]), _colour(cell.bg, _GROUND)
            if cell.reverse:
                ink, ground = ground, ink
            x, y = column * _WIDE, row * _HIGH
            pen.rectangle((x, y, x + _WIDE - 1, y + _HIGH - 1), ground)
            if cell.data == "▀":
                pen.rectangle((x, y, x + _WIDE - 1, y + _HIGH // 2 - 1), ink)
            elif cell.data.strip():
                pen.text((x, y), cell.data, ink, font, stroke_width=0.3 if cell.bold else 0)
    return picture


def _colour(name: str, default: tuple[int, int, int]) -> tuple[int, int, int]:
    if name == "default":
        return default
    if name in _NAMED:
        return _NAMED[name]
    return int(name[:2], 16), int(name[2:4], 16), int(name[4:6], 16)


def main() -> None:
    """Take the pictures of docs/review.md: python tests/golden/review/photograph.py."""
    here = Path(__file__).parent
    build_project = runpy.run_path(str(here / "project.py"))["build_project"]
    person_at = runpy.run_path(str(here / "person.py"))["Person"]
    for dataset, columns, rows, colours, steps, name in _PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            build_project(Path(folder), dataset)
            person = person_at(Path(folder), "review", "w02", columns=columns, rows=rows, colours=colours)
            person.see("has drifted")
            for keys, text in steps:
                person.press(*keys)
                person.see(text)
            path = here.parents[2] / "docs" / f"review-{name}.png"
            photograph(person.screen).quantize(64).save(path, optimize=True)
            person.press("\x03")
            person.leave()


_LABELLED = ("\r9-/\r", "4/24 labelled")
_PICTURES = (
    ("mnist", 80, 24, "truecolor", [], "80x24-story"),
    ("mnist", 80, 24, "truecolor", [_LABELLED], "80x24"),
    ("mnist", 80, 24, "none", [_LABELLED], "80x24-none"),
    ("cifar10", 120, 40, "truecolor", [_LABELLED], "120x40"),
    ("cifar10", 120, 40, "256", [_LABELLED], "120x40-256"),
    ("cifar10", 120, 40, "truecolor", [_LABELLED, ("+", "the model says")], "120x40-closeup"),
    (
        "mnist", 120, 40, "truecolor",
        [_LABELLED, ("+", "the model says"), ("+", "through a filter against")], "120x40-filters",
    ),
    ("mnist", 200, 60, "truecolor", [_LABELLED, ("\t", "through a filter")], "200x60-diagnosis"),
    ("mnist", 200, 60, "truecolor", [_LABELLED], "200x60"),
)  # fmt: skip

if __name__ == "__main__":
    main()
