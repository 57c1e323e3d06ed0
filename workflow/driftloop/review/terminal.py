"""The thin edge to a real terminal: bytes in, screens out, and always back to normal."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import tty
from contextlib import suppress
from types import FrameType

from driftloop.review.keys import ANSWER, REDRAW, Keys
from driftloop.review.pen import Pen
from driftloop.review.pictures import Depth, detect_depth
from driftloop.review.sharp import (
    ASK,
    FORGET,
    Protocol,
    Sharp,
    has_picture,
    in_multiplexer,
    named_protocol,
    reads_sixel,
)

_ESCAPE_WAIT = 0.05
_ANSWER_WAIT = 0.1


def is_interactive() -> bool:
    """Whether a person can be asked: standard input is a terminal, and this process may read from it.

    A background job passes `isatty` and would hang at the first key.
    """
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


class Terminal:
    """A terminal in raw mode on its alternate screen. Leaving the `with` block puts everything back.

    Signals that end the process (interrupt, hang-up, termination) arrive as the key `"eof"`, so that
    there is one way out.

    Args:
        pictures: the value of a `Protocol`. `blocks` for characters alone. `auto` for whatever the terminal
            is known to show.
        redraw_after: seconds after which the screen is drawn anew, once. 0 for never.
    """

    def __init__(self, pictures: str = "auto", redraw_after: float = 0) -> None:
        self._redraw_after = redraw_after
        self._input = 0
        self._keys = Keys(self._more)
        self._shown: list[str] = []
        self.plain = os.environ.get("TERM", "dumb") in ("", "dumb", "unknown")
        self._depth = detect_depth()
        self._protocol: Protocol | None = None
        self._asking = False
        if pictures not in ("auto", "blocks"):
            self._protocol = Protocol(pictures)
        elif pictures == "auto" and self._depth is not Depth.NONE and not in_multiplexer(os.environ):
            self._protocol = named_protocol(os.environ)
            self._asking = self._protocol is None

    def __enter__(self) -> Terminal:
        self._output = 1 if os.isatty(1) else os.open(os.ctermid(), os.O_WRONLY | os.O_CLOEXEC)
        self._before = termios.tcgetattr(self._input)
        self._wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._waker = waker
        self._handlers = {number: signal.signal(number, _note) for number in (*_ENDINGS, *_REDRAWING)}
        self._old_waker = signal.set_wakeup_fd(waker)
        signal.setitimer(signal.ITIMER_REAL, self._redraw_after)
        tty.setraw(self._input, termios.TCSAFLUSH)
        if not self.plain:
            self._write(_ENTER)
        self._asking = self._asking and self._cell() is not None
        if self._asking:  # the answer comes among the keys, and whenever it likes
            self._write(ASK)
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # the terminal may be gone
            if self._asking and select.select([self._input], [], [], _ANSWER_WAIT)[0]:
                self._receive()  # or the shell would take the answer for what somebody types
            if not self.plain:
                self._write((FORGET if self._protocol is Protocol.KITTY else "") + _EXIT)
        with suppress(OSError, termios.error):
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.set_wakeup_fd(self._old_waker)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for descriptor in (self._wake, self._waker):
            os.close(descriptor)
        if self._output != 1:
            os.close(self._output)

    def size(self) -> tuple[int, int]:
        """Return columns and rows. 80 x 24 where the terminal does not say."""
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self._output)
            if columns > 0 and rows > 0:
                return columns, rows
        return 80, 24

    @property
    def pen(self) -> Pen:
        """What to write with on this terminal, as far as it is known at this moment."""
        cell = self._cell() if self._protocol else None
        sharp = Sharp(self._protocol, cell) if self._protocol and cell else None
        return Pen(self._depth, self.plain, sharp)

    def _cell(self) -> tuple[int, int] | None:
        """Return width and height of one character in pixels, or None where the terminal does not say."""
        with suppress(OSError):
            packed = fcntl.ioctl(self._output, termios.TIOCGWINSZ, bytes(8))
            rows, columns, wide, high = struct.unpack("4H", packed)
            if rows and columns and wide // columns and high // rows:
                return wide // columns, high // rows
        return None

    def show(self, lines: list[str]) -> None:
        """Put a screen up in one write, so that it does not flicker. Only what changed is sent."""
        if self.plain:
            text = "\r\n".join(lines) + "\r\n"
        else:
            anew = len(lines) != len(self._shown)
            changed = [row for row, line in enumerate(lines) if anew or line != self._shown[row]]
            if any(
                has_picture(line) for row in changed for line in (lines[row], *self._shown[row : row + 1])
            ):
                # A picture covers lines above its own, and goes only with all of them.
                anew, changed = True, list(range(len(lines)))
            placed = [f"\x1b[{row + 1};1H\x1b[K{lines[row]}" for row in changed]
            clear = "\x1b[2J" + (FORGET if self._protocol is Protocol.KITTY else "")
            text = _BEGIN_UPDATE + (clear if anew else "") + "".join(placed) + _END_UPDATE
            self._shown = lines
        with suppress(OSError):  # a terminal that is gone says so at the next key
            self._write(text)

    def read_key(self) -> str:
        """Wait for a key and return it. `"eof"` at the end of input, `"redraw"` where the screen must be."""
        while True:
            while not self._keys:
                ready, _, _ = select.select([self._input, self._wake], [], [])
                if self._wake in ready:
                    numbers = os.read(self._wake, 64)
                    return self._redraw() if set(numbers) <= {*_REDRAWING} else "eof"
                if not self._receive():
                    return "eof"
            key = self._keys.take()
            if key == REDRAW or (key == ANSWER and self._learn()):
                return self._redraw()
            if key is not None and key != ANSWER:
                return key

    def _redraw(self) -> str:
        """Have the next screen drawn whole."""
        self._shown = []
        return REDRAW

    def _learn(self) -> bool:
        """Learn what the terminal says that it can do, and tell whether screens look otherwise by it."""
        asked, self._asking = self._asking, False
        if not asked or not reads_sixel(self._keys.answer):
            return False
        self._protocol = Protocol.SIXEL
        return True

    def _more(self) -> bool:
        """Receive what belongs to a key that has begun, if it comes at once."""
        return bool(select.select([self._input], [], [], _ESCAPE_WAIT)[0]) and self._receive()

    def _receive(self) -> bool:
        try:
            data = os.read(self._input, 1024)
        except OSError:  # the terminal hung up
            return False
        self._keys.feed(data)
        return bool(data)

    def _write(self, text: str) -> None:
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(self._output, data) :]


def _note(number: int, frame: FrameType | None) -> None:
    """Let the signal only wake the reader up."""


_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REDRAWING = (signal.SIGWINCH, signal.SIGALRM)
# Alternate screen, no cursor, no line wrapping, what is pasted in brackets; and back.
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[2J"
_EXIT = "\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"
# Terminals that know synchronised updates show the screen at once. The others ignore this.
_BEGIN_UPDATE = "\x1b[?2026h"
_END_UPDATE = "\x1b[?2026l"
