"""A person at a terminal: starts the real program on a pseudo-terminal, presses keys, reads the screen."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pexpect
import pyte

COLOURS = {
    "truecolor": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "256": {"TERM": "xterm-256color"},
    "none": {"TERM": "xterm-256color", "NO_COLOR": "1"},
    "dumb": {"TERM": "dumb"},
}
DRIFTLOOP = [sys.executable, "-m", "driftloop"]


def environment(colours: str = "truecolor") -> dict[str, str]:
    """Return this process's environment with a terminal of those colours and no Git configuration."""
    kept = {key: value for key, value in os.environ.items() if key not in ("COLORTERM", "NO_COLOR", "TERM")}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CEILING_DIRECTORIES": "/", **COLOURS[colours]}


class Person:
    """Someone in front of `driftloop ARGUMENTS`, or another program, in a project folder."""

    def __init__(
        self,
        project: Path,
        *arguments: str,
        columns: int = 80,
        rows: int = 24,
        colours: str = "truecolor",
        program: Sequence[str] = DRIFTLOOP,
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.program = pexpect.spawn(
            program[0],
            [*program[1:], *arguments],
            cwd=project,
            env=environment(colours),
            dimensions=(rows, columns),
            timeout=20,
            # As a shell at a terminal does, also where the tests run in the background, with Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        # pexpect waits before each key, for programs that are not ready; this one is.
        self.program.delaybeforesend = None

    def press(self, *keys: str | bytes) -> None:
        """Type keys, one after the other."""
        for key in keys:
            self.program.send(key)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal's window."""
        self.screen.resize(rows, columns)
        self.program.setwinsize(rows, columns)

    def see(self, text: str, seconds: float = 20) -> str:
        """Wait until the screen shows `text` and has come to rest, and return the whole screen."""
        end = time.monotonic() + seconds
        while self._receive(0.05) or text not in self.text():
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} did not appear within {seconds} s:\n{self.text()}")
        return self.text()

    def _receive(self, seconds: float) -> bool:
        """Take what the program writes within that time; False when it is silent."""
        try:
            self._stream.feed(self.program.read_nonblocking(1 << 16, seconds))
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF as error:
            raise AssertionError(f"the program ended at:\n{self.text()}") from error
        return True

    def text(self) -> str:
        """Return what is on the screen, without colours and trailing blanks."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip() + "\n"

    def leave(self) -> int:
        """Wait a minute for the program to end; return its exit status, or minus the signal that ended it."""
        end = time.monotonic() + 60
        while True:
            assert time.monotonic() < end, f"the program goes on at:\n{self.text()}"
            try:
                self._stream.feed(self.program.read_nonblocking(1 << 16, 20))
            except pexpect.EOF:
                break
        self.program.close()
        return self.program.exitstatus if self.program.exitstatus is not None else -self.program.signalstatus
