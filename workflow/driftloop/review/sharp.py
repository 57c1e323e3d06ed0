"""Pictures in pixels, for terminals that show them: kitty's and iTerm2's protocols, and sixel.

They take the place of the half-blocks in the same lines of text. The cells stay blank, and the last line of a
picture draws it over them. So code that puts lines together need not know. Inside a multiplexer there are
none: tmux and screen swallow them or lose track of the cursor.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

ASK = "\x1b[c"
"""Asks a terminal what it can do. Every one answers, some time, and `reads_sixel` reads it."""
FORGET = "\x1b_Ga=d,q=2\x1b\\"
"""Takes kitty's pictures off the screen. Text does not cover them as it does the others."""

_KITTY_CHUNK = 4096
_MULTIPLEXERS = ("TMUX", "STY", "ZELLIJ")
_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_ITERM2_PROGRAMS = ("iTerm.app", "WezTerm")


class Protocol(Enum):
    """How pictures go to a terminal."""

    KITTY = "kitty"
    ITERM2 = "iterm2"
    SIXEL = "sixel"


@dataclass(frozen=True)
class Sharp:
    """A terminal that shows pictures.

    Attributes:
        protocol: how they are sent.
        cell: width and height of one cell of text, in pixels.
    """

    protocol: Protocol
    cell: tuple[int, int]


def in_multiplexer(environment: Mapping[str, str]) -> bool:
    """Tell whether tmux, screen or Zellij stands between this program and the terminal."""
    term = environment.get("TERM", "")
    return term.startswith(("tmux", "screen")) or any(environment.get(name) for name in _MULTIPLEXERS)


def named_protocol(environment: Mapping[str, str]) -> Protocol | None:
    """Return the protocol of a terminal that says by its name what it is, or None.

    >>> named_protocol({"TERM": "xterm-kitty"}), named_protocol({"TERM": "xterm-256color"})
    (<Protocol.KITTY: 'kitty'>, None)
    """
    if environment.get("TERM") in _KITTY_TERMS or environment.get("KITTY_WINDOW_ID"):
        return Protocol.KITTY
    # SSH hands LC_TERMINAL on, but not TERM_PROGRAM.
    names = (environment.get("TERM_PROGRAM"), environment.get("LC_TERMINAL"))
    if "iTerm2" in names or any(name in _ITERM2_PROGRAMS for name in names):
        return Protocol.ITERM2
    return None


def reads_sixel(answer: bytes) -> bool:
    r"""Tell whether an answer to `ASK` has sixel among the terminal's abilities, which is number 4.

    >>> reads_sixel(b"\x1b[?62;4;22c"), reads_sixel(b"\x1b[?64;22c")
    (True, False)
    """
    return b"4" in answer.removeprefix(b"\x1b[?").removesuffix(b"c").split(b";")[1:]


def draw_sharp(image: npt.NDArray[np.uint8], rows: int, columns: int, terminal: Sharp) -> list[str]:
    """Draw an image centred in a box of cells, its aspect ratio kept.

    Args:
        image: uint8 (H, W, C) with C 1 or 3.
        rows: height of the box in cells, at least 1.
        columns: width of the box in cells, at least 1.
        terminal: where it will show.

    Returns:
        `rows` lines, each `columns` cells wide.
    """
    wide, high = terminal.cell
    height, width = image.shape[:2]
    scale = min(rows * high / height, columns * wide / width)
    size = max(1, int(height * scale)), max(1, int(width * scale))
    data = np.ascontiguousarray(image).tobytes()
    if terminal.protocol is Protocol.ITERM2:  # centres it by itself, and counts pixels in ways of its own
        placed = _move("A", rows - 1) + _iterm2(data, image.shape, size, (rows, columns))
    else:
        top, left = (rows - -(-size[0] // high)) // 2, (columns - -(-size[1] // wide)) // 2
        encode = _kitty if terminal.protocol is Protocol.KITTY else _sixel
        placed = _move("A", rows - 1 - top) + _move("C", left) + encode(data, image.shape, size)
    blank = " " * columns
    # Save where the cursor is, blank the cells, go back and draw, go back again and past the cells.
    return [blank] * (rows - 1) + [f"\x1b7{blank}\x1b8{placed}\x1b8{_move('C', columns)}"]


def has_picture(line: str) -> bool:
    """Tell whether a line draws a picture, over lines above it as well."""
    return "\x1b7" in line


def _move(direction: str, count: int) -> str:
    return f"\x1b[{count}{direction}" if count else ""


@lru_cache(maxsize=512)
def _kitty(data: bytes, shape: tuple[int, ...], size: tuple[int, int]) -> str:
    text = base64.b64encode(_png(data, shape, size)).decode()
    chunks = [text[start : start + _KITTY_CHUNK] for start in range(0, len(text), _KITTY_CHUNK)]
    heads = ["a=T,f=100,q=2,C=1,", *[""] * (len(chunks) - 1)]
    more = [1] * (len(chunks) - 1) + [0]
    parts = zip(heads, more, chunks, strict=True)
    return "".join(f"\x1b_G{head}m={flag};{chunk}\x1b\\" for head, flag, chunk in parts)


@lru_cache(maxsize=512)
def _iterm2(data: bytes, shape: tuple[int, ...], size: tuple[int, int], box: tuple[int, int]) -> str:
    png = _png(data, shape, size)
    facts = f"inline=1;size={len(png)};width={box[1]};height={box[0]};preserveAspectRatio=1;doNotMoveCursor=1"
    return f"\x1b]1337;File={facts}:{base64.b64encode(png).decode()}\x07"


@lru_cache(maxsize=512)
def _sixel(data: bytes, shape: tuple[int, ...], size: tuple[int, int]) -> str:
    # Not through the package's front: importing that asks the terminal, and reads keys as its answer.
    from textual_image._sixel import image_to_sixels

    return str(image_to_sixels(_resized(data, shape, size).convert("RGB")))


def _png(data: bytes, shape: tuple[int, ...], size: tuple[int, int]) -> bytes:
    stored = io.BytesIO()
    _resized(data, shape, size).save(stored, "PNG", compress_level=1)
    return stored.getvalue()


def _resized(data: bytes, shape: tuple[int, ...], size: tuple[int, int]) -> Image.Image:
    """Return an image `size` pixels high and wide, averaged where it shrinks. Where it grows, pixels stay."""
    pixels = np.frombuffer(data, dtype=np.uint8).reshape(shape)
    picture = Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels)
    if size[0] >= shape[0]:
        return picture.resize((size[1], size[0]), Image.Resampling.NEAREST)
    return picture.resize((size[1], size[0]), Image.Resampling.BOX, reducing_gap=3.0)
