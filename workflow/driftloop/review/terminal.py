"""The thin edge to a real terminal: raw keys in, screens out, and always back to normal."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from driftloop.errors import ReviewPendingError
from driftloop.review.answers import find_problem
from driftloop.review.decision import Answer
from driftloop.review.draft import Draft, open_draft
from driftloop.review.ledger import Entry
from driftloop.review.material import Material
from driftloop.review.pen import Pen
from driftloop.review.pictures import Depth, detect_depth
from driftloop.review.screens import SMALLEST, render
from driftloop.review.session import LEAVING, PASTED, press, resume
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
from driftloop.review.state import Questions, Stage, State, Unsettled, answer_of, snapshot, start
from driftloop.review.story import earlier_labels
from driftloop.review.view import View

_REDRAW = "redraw"
_ESCAPE_WAIT = 0.05
_TORN_WAIT = 0.5
"""The rest of an escape sequence that a slow line has torn apart comes within so many seconds."""
_ANSWER_WAIT = 0.1
_KEYS = {
    b"\r": "enter",
    b"\n": "enter",
    b"\t": "tab",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x1b": "escape",
    b"\x03": "ctrl-c",
    b"\x04": "ctrl-d",
    b"\x0c": _REDRAW,
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


def is_interactive() -> bool:
    """Whether a person can be asked: standard input is a terminal, and this process may read from it.

    A background job passes `isatty` and would hang at the first key.
    """
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def ask(
    material: Material,
    entries: Sequence[Entry],
    drafts: Path,
    record: Callable[[Answer, str], Entry],
    *,
    reviewer: str | None = None,
    pictures: str = "auto",
    unsettled: Unsettled | None = None,
    in_a_run: bool = False,
) -> Entry:
    """Take a person through the review at the terminal, and hand what they signed to `record`.

    With `unsettled` they are asked for labels alone. What a run still has to say when it opens the review
    (`in_a_run`) may fall on the first screen, so that is drawn anew after a moment. Every answer is in the
    draft under `drafts` before the next screen shows; the draft goes when `record` has returned.

    Raises:
        ReviewPendingError: they left; nothing is decided, and the draft is kept.
    """
    name = reviewer or git_name()
    questions = replace(questions_of(material, entries, name), unsettled=unsettled)
    images = unsettled.images if unsettled else material.images_digest
    with open_draft(drafts, material.window, report=material.report_digest, images=images) as draft:
        with Terminal(pictures, redraw_after=_LATE_WORDS if in_a_run else 0) as terminal:
            state = _begin(draft, questions, name, asked_by_name=reviewer is not None)
            while state.stage not in (Stage.SIGNED, Stage.LEFT):
                view = View(material, entries, questions, terminal.pen, *terminal.size())
                state = _turn(state, terminal, draft, view)
        if state.stage is Stage.LEFT:
            command = "settle" if unsettled else "review"
            raise ReviewPendingError(
                f"Nothing is decided for {material.window}; {state.labelled} labelled so far, and kept. "
                f"Go on with: driftloop {command} {material.window}"
            )
        signed = record(answer_of(state, questions), state.reviewer.strip())
        draft.discard()
    return signed


def _begin(draft: Draft, questions: Questions, reviewer: str, *, asked_by_name: bool) -> State:
    """Return the state that the draft kept, or the first one.

    Either begins on the first screen, where the key that somebody presses to go on labels nothing. Whoever
    was asked by name signs with it; the draft may be somebody else's of the same account.
    """
    with suppress(ValueError, KeyError, TypeError):
        if draft.saved:
            kept = resume(draft.saved, questions)
            who = "you were"
            if asked_by_name and kept.reviewer != reviewer:
                who, kept = f"{kept.reviewer or 'somebody'} was", replace(kept, reviewer=reviewer)
            message = f"Going on where {who}: {kept.labelled} of {len(kept.labels)} have labels."
            return replace(kept, stage=questions.screens[0], message=message)
    return start(questions, reviewer)


def _turn(state: State, terminal: Terminal, draft: Draft, view: View) -> State:
    """Show the state, take one key, and keep what it changed before anything else is shown."""
    terminal.show(render(state, view))
    key = terminal.read_key()
    unseen = view.columns < SMALLEST[0] or view.rows < SMALLEST[1]
    if key == _REDRAW or (unseen and key not in LEAVING):
        return state
    following = press(state, key, view.questions, view.layout.grid)
    if following.stage is Stage.SIGNED and find_problem(answer_of(following, view.questions), view.material):
        return state  # the screen says what is missing
    if following.stage not in (Stage.SIGNED, Stage.LEFT):
        draft.save(snapshot(following, view.questions))
    return following


def questions_of(material: Material, entries: Sequence[Entry] = (), reviewer: str = "") -> Questions:
    """Return what the material asks of a reviewer, with the labels that they can start from."""
    earlier = earlier_labels(material, entries, reviewer)
    return Questions(
        indices=tuple(pick.index for pick in material.picks),
        predicted=tuple(pick.predicted for pick in material.picks),
        classes=material.classes,
        diagnoses=material.diagnoses,
        earlier=earlier[1] if earlier else {},
        closeups=2 if material.filtered else 1,
    )


def git_name() -> str:
    """Return `user.name` from Git's configuration, or nothing."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "config", "user.name"]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=2, check=False
        )
        return done.stdout.strip()
    return ""


class Terminal:
    """A terminal in raw mode on its alternate screen; leaving the `with` block puts everything back.

    Signals that end the process (interrupt, hang-up, termination) arrive as the key `"eof"`, so that
    there is one way out.

    Args:
        pictures: the value of a `Protocol`; `blocks` for characters alone; `auto` for whatever the terminal
            is known to show.
        redraw_after: seconds after which the screen is drawn anew, once; 0 for never.
    """

    def __init__(self, pictures: str = "auto", redraw_after: float = 0) -> None:
        self._redraw_after = redraw_after
        self._input = 0
        self._waiting = b""
        self._torn, self._torn_at = b"", 0.0
        self._pasted: bytes | None = None
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
        """Return columns and rows; 80 x 24 where the terminal does not say."""
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
        """Put a screen up in one write, so that it does not flicker; only what changed is sent."""
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
        """Wait for a key and return it; `"eof"` at the end of input, `"redraw"` where the screen must be."""
        while True:
            while not self._waiting:
                ready, _, _ = select.select([self._input, self._wake], [], [])
                if self._wake in ready:
                    numbers = os.read(self._wake, 64)
                    return self._redraw() if set(numbers) <= {*_REDRAWING} else "eof"
                if not self._receive():
                    return "eof"
            key = self._take_key()
            if key == _REDRAW:
                return self._redraw()
            if key is not None:
                return key

    def _redraw(self) -> str:
        """Have the next screen drawn whole."""
        self._shown = []
        return _REDRAW

    def _take_key(self) -> str | None:
        """Take one key off the bytes that wait; None for what is none, `"redraw"` for what changes all."""
        if self._pasted is not None:
            return self._take_pasted()
        self._mend()
        first = self._waiting[:1]
        if first == b"\x1b":
            while not (length := _escape_length(self._waiting)):
                if not self._more():
                    self._torn, self._torn_at = self._waiting, time.monotonic()
                    length = len(self._waiting)
                    break
            sequence = self._take(length)
            if sequence == _PASTE:
                self._pasted = b""
                return self._take_pasted()
            if sequence.startswith(b"\x1b[?") and sequence.endswith(b"c"):
                return self._take_answer(sequence)
            return _KEYS.get(sequence)
        if first in _KEYS:
            return _KEYS[self._take(1)]
        length = 1 if first < b"\x80" else 2 if first < b"\xe0" else 3 if first < b"\xf0" else 4
        while len(self._waiting) < length and self._more():  # a terminal of another encoding sends one alone
            pass
        text = self._take(length).decode(errors="replace")
        return text if text.isprintable() else None

    def _take_answer(self, answer: bytes) -> str | None:
        """Take what the terminal says that it can do."""
        asked, self._asking = self._asking, False
        if not asked or not reads_sixel(answer):
            return None
        self._protocol = Protocol.SIXEL
        return _REDRAW

    def _mend(self) -> None:
        """Put the beginning of an escape sequence before its rest, which came late."""
        torn, self._torn = self._torn, b""
        soon = time.monotonic() - self._torn_at < _TORN_WAIT
        if torn and soon and (torn != b"\x1b" or self._waiting.startswith(b"[")):
            self._waiting = torn + self._waiting

    def _take_pasted(self) -> str | None:
        """Take what was pasted, as one key, once all of it is there; Ctrl-C does not wait for that."""
        pasted, end, rest = ((self._pasted or b"") + self._waiting).partition(_PASTED)
        if not end:
            left = b"\x03" in pasted
            self._pasted, self._waiting = (None, b"\x03") if left else (pasted, b"")
            return None
        self._pasted, self._waiting = None, rest
        text = pasted.decode(errors="replace")
        return PASTED + "".join(letter if letter.isprintable() else " " for letter in text)

    def _more(self) -> bool:
        """Receive what belongs to a key that has begun, if it comes at once."""
        return bool(select.select([self._input], [], [], _ESCAPE_WAIT)[0]) and self._receive()

    def _receive(self) -> bool:
        try:
            data = os.read(self._input, 1024)
        except OSError:  # the terminal hung up
            return False
        self._waiting += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _write(self, text: str) -> None:
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(self._output, data) :]


def _escape_length(data: bytes) -> int:
    """Length of the escape sequence at the start: ESC [ … letter, or ESC O letter; 0 while it is unfinished.

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


def _note(number: int, frame: FrameType | None) -> None:
    """Let the signal only wake the reader up."""


_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_REDRAWING = (signal.SIGWINCH, signal.SIGALRM)
_LATE_WORDS = 0.7
# Alternate screen, no cursor, no line wrapping, what is pasted in brackets; and back.
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[2J"
_EXIT = "\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"
_PASTE, _PASTED = b"\x1b[200~", b"\x1b[201~"
# Terminals that know synchronised updates show the screen at once; the others ignore this.
_BEGIN_UPDATE = "\x1b[?2026h"
_END_UPDATE = "\x1b[?2026l"
