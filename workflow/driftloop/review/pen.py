"""Styled text and its width in cells, for lines that are put together by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len, chop_cells, set_cell_size

from driftloop.printable import printable
from driftloop.review.pictures import RESET, Depth, draw
from driftloop.review.sharp import Sharp, draw_sharp

_CODES = {
    "bold": "1",
    "dim": "2",
    "reverse": "7",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_COLOURLESS = {"bold", "dim", "reverse"}


def clip(text: str, width: int) -> str:
    """Cut or pad to exactly `width` cells. What is cut off shows as an ellipsis.

    >>> clip("automobile", 6), clip("cat", 6)
    ('autom…', 'cat   ')
    """
    text = printable(text)
    if width <= 0:
        return ""
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    return set_cell_size(text, width)


def fold(text: str, width: int) -> list[str]:
    """Break a text into lines of at most `width` cells, at its spaces as far as possible.

    >>> fold("the lens was dirty", 9), fold("カメラの", 4)
    (['the lens', 'was dirty'], ['カメ', 'ラの'])
    """
    lines, line = [], ""
    for word in re.findall(r"\S+\s*|\s+", printable(re.sub(r"\s", " ", text))):
        if line and cell_len(line + word.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        *full, rest = chop_cells(word, width) if cell_len(word.rstrip()) > width else [word]
        lines += full
        line += rest
    return [*lines, line] if line else lines


@dataclass(frozen=True)
class Pen:
    """Writes styled text for one terminal.

    Attributes:
        depth: the colours it shows. With none, only bold, dim and reversed text are left.
        plain: no styles at all, for a terminal that knows no escape codes.
        sharp: how the terminal shows pictures in pixels. None for pictures made of characters.
    """

    depth: Depth
    plain: bool = False
    sharp: Sharp | None = None

    def __call__(self, text: str, style: str = "") -> str:
        """Return `text` in a style such as `"bold green"`."""
        names = [] if self.plain else style.split()
        if self.depth is Depth.NONE:
            names = [name for name in names if name in _COLOURLESS]
        text = printable(text)
        if not names or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}{RESET}"

    def draw(self, image: npt.NDArray[np.uint8], rows: int, columns: int) -> list[str]:
        """Draw an image, uint8 (H, W, C), in a box of cells: `rows` lines, each `columns` wide."""
        if self.sharp is not None:
            return draw_sharp(image, rows, columns, self.sharp)
        return draw(image, rows, columns, self.depth)
