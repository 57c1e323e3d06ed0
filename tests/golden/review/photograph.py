"""Draws what is on a pyte screen as a picture, cell by cell, for the documentation and for looking at it."""

from __future__ import annotations

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
