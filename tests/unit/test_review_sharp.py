"""Pictures in pixels: what is sent decodes to the image, nothing is sent where it would break."""

import base64
import fcntl
import io
import os
import re
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftloop.review.sharp import (
    ASK,
    Protocol,
    Sharp,
    draw_sharp,
    has_picture,
    in_multiplexer,
    named_protocol,
    reads_sixel,
)
from driftloop.review.terminal import Terminal

STORED = np.load(Path(__file__).parents[1] / "golden/review/images.npz", allow_pickle=False)
IMAGE = STORED["cifar10"][0]
ROWS, COLUMNS, CELL = 8, 20, (10, 20)


def kitty_png(line: str) -> bytes:
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", line)
    assert [head.rpartition("m=")[2] for head, _ in chunks] == ["1"] * (len(chunks) - 1) + ["0"]
    return base64.b64decode("".join(chunk for _, chunk in chunks))


def iterm2_png(line: str) -> bytes:
    found = re.search(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", line)
    assert found
    assert f"width={COLUMNS};height={ROWS};preserveAspectRatio=1" in found[1]
    return base64.b64decode(found[2])


def sixel_pixels(line: str) -> np.ndarray:
    """Draw a sixel image as a terminal does: uint8 (H, W, 3)."""
    found = re.search(r'\x1bP[\d;]*q"\d+;\d+;(\d+);(\d+)([^\x1b]*)\x1b\\', line)
    assert found
    pixels = np.zeros((int(found[2]) + 6, int(found[1]), 3), dtype=np.uint8)
    palette: dict[str, list[int]] = {}
    colour, x, y = "0", 0, 0
    for token in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|(?:!(\d+))?([?-~])|(\$)|(-)", found[3]):
        if token[1]:
            colour = token[1]
            if token[2]:
                palette[colour] = [round(int(token[part]) * 2.55) for part in (2, 3, 4)]
        elif token[6]:
            count, bits = int(token[5] or 1), ord(token[6]) - 63
            for row in range(6):
                if bits >> row & 1:
                    pixels[y + row, x : x + count] = palette[colour]
            x += count
        else:
            x, y = 0, y + (6 if token[8] else 0)
    return pixels[: int(found[2])]


def shown(line: str, protocol: Protocol) -> np.ndarray:
    if protocol is Protocol.SIXEL:
        return sixel_pixels(line)
    png = kitty_png(line) if protocol is Protocol.KITTY else iterm2_png(line)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("size", [(32, 32, 3), (8, 8, 1), (28, 28, 1), (512, 512, 3), (32, 96, 3)])
def test_what_is_sent_is_the_image(protocol: Protocol, size: tuple[int, int, int]) -> None:
    high, wide, channels = size
    image = np.asarray(Image.fromarray(IMAGE).resize((wide, high)))[..., :channels]
    lines = draw_sharp(image, ROWS, COLUMNS, Sharp(protocol, CELL))
    assert len(lines) == ROWS
    assert [has_picture(line) for line in lines] == [False] * (ROWS - 1) + [True]
    seen = shown(lines[-1], protocol)
    scale = min(160 / high, 200 / wide)
    assert seen.shape == (int(high * scale), int(wide * scale), 3)
    wanted = Image.fromarray(np.broadcast_to(image, (high, wide, 3)).copy()).resize(seen.shape[1::-1])
    assert np.abs(seen.astype(float) - np.asarray(wanted)).mean() < 12


def test_who_a_terminal_is_decides_and_a_multiplexer_stands_in_the_way() -> None:
    assert named_protocol({"TERM": "xterm-ghostty"}) is Protocol.KITTY
    assert named_protocol({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}) is Protocol.ITERM2
    assert named_protocol({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}) is Protocol.ITERM2
    assert named_protocol({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}) is None
    for environment in ({"TERM": "tmux-256color"}, {"TERM": "screen"}, {"TERM": "xterm-kitty", "TMUX": "/x"}):
        assert in_multiplexer(environment)
    assert not in_multiplexer({"TERM": "xterm-kitty"})
    assert not reads_sixel(b"\x1b[?4c")  # a VT132: the first number is no ability


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("TMUX", "STY", "ZELLIJ", "NO_COLOR", "KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return monkeypatch


@contextmanager
def at_terminal() -> Iterator[int]:
    """Make a pseudo-terminal standard input and output, with cells of 10 x 20 pixels; yield its other end."""
    outside, inside = os.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 800, 480))
    kept = os.dup(0), os.dup(1)
    try:
        os.dup2(inside, 0)
        os.dup2(inside, 1)
        yield outside
    finally:
        for descriptor, copy in enumerate(kept):
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(inside)
        os.close(outside)


def test_the_answer_may_come_late_and_between_keys(environment: pytest.MonkeyPatch) -> None:
    with at_terminal() as pty, Terminal() as terminal:
        assert terminal.pen.sharp is None
        seen = b""
        while not seen.endswith(ASK.encode()):  # it comes in pieces
            seen += os.read(pty, 1000)
        os.write(pty, b"a\x1b[?62;4")
        assert terminal.read_key() == "a"
        os.write(pty, b";22cb")
        assert terminal.read_key() == "redraw"
        assert terminal.pen.sharp == Sharp(Protocol.SIXEL, CELL)
        assert terminal.read_key() == "b"


def test_a_terminal_without_sixel_keeps_its_half_blocks(environment: pytest.MonkeyPatch) -> None:
    with at_terminal() as pty, Terminal() as terminal:
        os.write(pty, b"\x1b[?62;22cx")
        assert terminal.read_key() == "x"
        assert terminal.pen.sharp is None


@pytest.mark.parametrize(
    ("name", "value"), [("TMUX", "socket"), ("TERM", "screen-256color"), ("NO_COLOR", "1"), ("TERM", "dumb")]
)
def test_nobody_is_asked_where_pictures_would_break(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with at_terminal() as pty, Terminal() as terminal:
        terminal.show(["one"])
        assert ASK.encode() not in os.read(pty, 1000)
        assert terminal.pen.sharp is None


def test_only_changed_lines_are_sent_and_pictures_only_whole(environment: pytest.MonkeyPatch) -> None:
    with at_terminal() as pty, Terminal("kitty") as terminal:
        picture = draw_sharp(IMAGE, 2, 4, terminal.pen.sharp or Sharp(Protocol.KITTY, CELL))
        os.read(pty, 1000)

        def sent(lines: list[str]) -> str:
            terminal.show(lines)
            return os.read(pty, 100_000).decode()

        assert "\x1b_Ga=T" in sent([*picture, "one", "two"])
        again = sent([*picture, "one", "three"])
        assert "three" in again
        assert "one" not in again
        assert "\x1b_G" not in again
        other = sent(["", "", "one", "three"])
        assert "\x1b_Ga=d" in other
        assert "one" in other
