"""Keys, made of the bytes that a terminal sends. A slow line may tear these apart anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from driftloop.review.session import PASTED

REDRAW, ANSWER = "redraw", "answer"
"""No keys: the screen is to be drawn anew. The terminal has answered what it can do."""

_TORN_WAIT = 0.5
"""The rest of an escape sequence that was torn apart comes within so many seconds."""
_PASTE, _PASTE_END = b"\x1b[200~", b"\x1b[201~"
_KEYS = {
    b"\r": "enter",
    b"\n": "enter",
    b"\t": "tab",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x1b": "escape",
    b"\x03": "ctrl-c",
    b"\x04": "ctrl-d",
    b"\x0c": REDRAW,
    b"\x15": "ctrl-u",
    b"\x1b[Z": "shift-tab",
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1bOC": "right",
    b"\x1bOD": "left",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1bOH": "home",
    b"\x1bOF": "end",
    b"\x1b[1~": "home",
    b"\x1b[4~": "end",
    b"\x1b[5~": "pageup",
    b"\x1b[6~": "pagedown",
}


class Keys:
    """Takes keys off the bytes that have come.

    Args:
        more: waits a moment for more bytes, feeds them, and tells whether any came.

    Attributes:
        answer: what the terminal said last of what it can do.
    """

    def __init__(self, more: Callable[[], bool]) -> None:
        self._more = more
        self._waiting = b""
        self._torn, self._torn_at = b"", 0.0
        self._pasted: bytes | None = None
        self.answer = b""

    def __bool__(self) -> bool:
        """Whether bytes wait."""
        return bool(self._waiting)

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        self._waiting += data

    def take(self) -> str | None:
        """Take one key off, as `driftloop.review.session.press` takes it. None for what is none."""
        if self._pasted is not None:
            return self._take_pasted()
        self._mend()
        first = self._waiting[:1]
        if first == b"\x1b":
            return self._take_sequence()
        if first in _KEYS:
            return _KEYS[self._cut(1)]
        length = 1 if first < b"\x80" else 2 if first < b"\xe0" else 3 if first < b"\xf0" else 4
        while len(self._waiting) < length and self._more():  # a terminal of another encoding sends one alone
            pass
        text = self._cut(length).decode(errors="replace")
        return text if text.isprintable() else None

    def _take_sequence(self) -> str | None:
        while not (length := _escape_length(self._waiting)):
            if not self._more():
                self._torn, self._torn_at = self._waiting, time.monotonic()
                length = len(self._waiting)
                break
        sequence = self._cut(length)
        if sequence == _PASTE:
            self._pasted = b""
            return self._take_pasted()
        if sequence.startswith(b"\x1b[?") and sequence.endswith(b"c"):
            self.answer = sequence
            return ANSWER
        return _KEYS.get(sequence)

    def _mend(self) -> None:
        """Put the beginning of an escape sequence before its rest, which came late."""
        torn, self._torn = self._torn, b""
        soon = time.monotonic() - self._torn_at < _TORN_WAIT
        if torn and soon and (torn != b"\x1b" or self._waiting.startswith(b"[")):
            self._waiting = torn + self._waiting

    def _take_pasted(self) -> str | None:
        """Take what was pasted, as one key, once all of it is there. Ctrl-C does not wait for that."""
        pasted, end, rest = ((self._pasted or b"") + self._waiting).partition(_PASTE_END)
        if not end:
            left = b"\x03" in pasted
            self._pasted, self._waiting = (None, b"\x03") if left else (pasted, b"")
            return None
        self._pasted, self._waiting = None, rest
        text = pasted.decode(errors="replace")
        return PASTED + "".join(letter if letter.isprintable() else " " for letter in text)

    def _cut(self, count: int) -> bytes:
        cut, self._waiting = self._waiting[:count], self._waiting[count:]
        return cut


def _escape_length(data: bytes) -> int:
    """Length of the escape sequence at the start: ESC [ … letter, or ESC O letter. 0 while it is unfinished.

    The function keys of a Linux console have one [ more.

    Anything else behind ESC is the Escape key, and another key.
    """
    if data[1:2] == b"O":
        return 3 if len(data) >= 3 else 0
    if data[1:2] != b"[":
        return min(len(data) - 1, 1)
    if data[2:3] == b"[":
        return 4 if len(data) >= 4 else 0
    for place, byte in enumerate(data[2:], start=3):
        if 0x40 <= byte <= 0x7E:
            return place
    return 0
