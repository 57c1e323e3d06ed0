"""Images as lines of text: two pixels a cell where the terminal has colours, shades where it has none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum

import numpy as np
import numpy.typing as npt
from PIL import Image

RESET = "\x1b[0m"
_SHADES = np.array(list(" .:-=+*#%@"))
# The brightness of a colour, after ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_NUMBERS = [str(number) for number in range(256)]
# Colours 16 to 255 of a 256-colour terminal: a cube of 6 x 6 x 6, and 24 greys.
_STEPS = [0, 95, 135, 175, 215, 255]
_CUBE = [(red, green, blue) for red in _STEPS for green in _STEPS for blue in _STEPS]
_PALETTE = np.array([*_CUBE, *[(grey, grey, grey) for grey in range(8, 248, 10)]], dtype=np.float32)
_VIVID = 1.6


class Depth(Enum):
    """How many colours a terminal shows."""

    TRUECOLOR = "truecolor"
    PALETTE = "256"
    NONE = "none"


def detect_depth(environment: Mapping[str, str] = os.environ) -> Depth:
    """Return the colours that a terminal claims to show, after no-color.org and the custom of COLORTERM.

    >>> detect_depth({"TERM": "xterm-256color"}).value
    '256'
    >>> detect_depth({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}).value
    'none'
    """
    term = environment.get("TERM", "dumb")
    if environment.get("NO_COLOR") or term in ("", "dumb", "unknown"):
        return Depth.NONE
    if environment.get("COLORTERM", "") in ("truecolor", "24bit") or term.endswith("-direct"):
        return Depth.TRUECOLOR
    return Depth.PALETTE if "256" in term or "COLORTERM" in environment else Depth.NONE


def fit(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """Return the largest size in cells that an image of this size fills, its aspect ratio kept.

    A cell is taken to be twice as high as wide, so it holds two pixels, one above the other.

    >>> fit(28, 28, rows=7, columns=40)
    (7, 14)
    >>> fit(100, 400, rows=10, columns=40)
    (5, 40)
    """
    scale = min(2 * rows / height, columns / width)
    return max(1, min(rows, round(height * scale / 2))), max(1, min(columns, round(width * scale)))


def draw(image: npt.NDArray[np.uint8], rows: int, columns: int, depth: Depth) -> list[str]:
    """Draw an image centred in a box of cells.

    Args:
        image: uint8 (H, W, C) with C 1 or 3.
        rows: height of the box in cells, at least 1.
        columns: width of the box in cells, at least 1.
        depth: the colours to draw with.

    Returns:
        `rows` lines, each `columns` cells wide. Colours end where the line does.
    """
    high, wide = fit(image.shape[0], image.shape[1], rows, columns)
    pixels = _resize(image, 2 * high, wide)
    match depth:
        case Depth.TRUECOLOR:
            lines = _half_blocks(_truecolor_codes(pixels))
        case Depth.PALETTE:
            lines = _half_blocks(_palette_codes(pixels))
        case Depth.NONE:
            lines = _shades(pixels)
    top, left = (rows - high) // 2, (columns - wide) // 2
    body = [" " * left + line + " " * (columns - wide - left) for line in lines]
    return [" " * columns] * top + body + [" " * columns] * (rows - high - top)


def _resize(image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return uint8 (height, width, 3), averaged where it shrinks. Whole-numbered enlargements stay crisp."""
    rgb = np.broadcast_to(image, (*image.shape[:2], 3)) if image.shape[2] == 1 else image
    if rgb.shape[:2] == (height, width):
        return np.ascontiguousarray(rgb)
    crisp = height % rgb.shape[0] == 0 and width % rgb.shape[1] == 0
    how = Image.Resampling.NEAREST if crisp else Image.Resampling.BOX
    if height > rgb.shape[0] and not crisp:
        how = Image.Resampling.BILINEAR
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    return np.asarray(picture.resize((width, height), how, reducing_gap=3.0))


def _half_blocks(codes: list[list[str]]) -> list[str]:
    """Join colour codes, two rows of pixels a line: the upper is the block's colour, the lower its ground."""
    lines = []
    for upper, lower in zip(codes[::2], codes[1::2], strict=True):
        parts: list[str] = []
        ink = ground = ""
        for above, below in zip(upper, lower, strict=True):  # only what changes from cell to cell is sent
            if above != ink and below != ground:
                parts.append(f"\x1b[38;{above};48;{below}m▀")
            elif above != ink:
                parts.append(f"\x1b[38;{above}m▀")
            elif below != ground:
                parts.append(f"\x1b[48;{below}m▀")
            else:
                parts.append("▀")
            ink, ground = above, below
        lines.append("".join(parts) + RESET)
    return lines


def _truecolor_codes(pixels: npt.NDArray[np.uint8]) -> list[list[str]]:
    return [[f"2;{_NUMBERS[r]};{_NUMBERS[g]};{_NUMBERS[b]}" for r, g, b in row] for row in pixels.tolist()]


def _palette_codes(pixels: npt.NDArray[np.uint8]) -> list[list[str]]:
    """Nearest of the 256 colours, after making them more colourful: the cube has few pale ones."""
    values = pixels.astype(np.float32)
    grey = values @ _LUMA[:, None]
    values = (grey + _VIVID * (values - grey)).clip(0, 255).reshape(-1, 3)
    # |v - p|² less |v|², which is the same for every p.
    distance = (_PALETTE**2).sum(1) - 2 * values @ _PALETTE.T
    index = 16 + distance.argmin(1).reshape(pixels.shape[:2])
    return [[f"5;{_NUMBERS[code]}" for code in row] for row in index.tolist()]


def _shades(pixels: npt.NDArray[np.uint8]) -> list[str]:
    light = (pixels @ _LUMA).reshape(len(pixels) // 2, 2, -1).mean(1) / 255
    return ["".join(row) for row in _SHADES[(light * (len(_SHADES) - 1)).round().astype(int)]]
