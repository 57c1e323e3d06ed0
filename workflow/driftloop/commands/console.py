"""What the steps say while they work: lines, a progress bar for what takes long, and the log."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from driftloop.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

_PATIENCE_SECONDS = 1.0
_log: TextIO | None = None


def say(*parts: str | tuple[str, str]) -> None:
    """Say one thing on standard error and in the step's log.

    Args:
        parts: texts, which are shown as they are, whoever wrote them. A pair is a text and its Rich style.
    """
    from rich.control import Control
    from rich.segment import ControlType
    from rich.text import Text

    told = ((part, "") if isinstance(part, str) else part for part in parts)
    text = Text.assemble(*((printable(part, lines=True), style) for part, style in told))
    with terminal() as console:  # in one write, which no other step's bar gets in between
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        console.print(text)
    if _log is not None:
        _log.write(f"{text.plain}\n")


@cache
def terminal() -> Console:
    """The one console on standard error: lines that are said above a progress bar do not tear it."""
    from driftloop.commands.plain_console import PlainConsole

    return PlainConsole(stderr=True, soft_wrap=True)


def tell(line: str) -> None:
    """Print a line to standard output, as it is but for what a terminal would obey."""
    click.echo(printable(line, lines=True))


def tell_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value to standard output as JSON, which escapes characters that a terminal would obey."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if not text.replace("\n", "").isprintable():
        text = json.dumps(value, indent=indent)
    click.echo(text)


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Within the block, whatever is said goes to `path` too, as plain text. Errors as well.

    Its first line is the container image that this runs in, if it does.
    """
    from driftloop.containers.image import current_image

    global _log  # noqa: PLW0603 (one process runs one step)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1) as _log:
        if image := current_image():
            _log.write("Image {role}, version {version}, made from {inputs}.\n".format(**image))
        try:
            yield
        except Exception as error:
            _log.write(f"{type(error).__name__}: {printable(str(error), lines=True)}\n")
            raise
        finally:
            _log = None


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function `(done, total)` that keeps a progress bar up to date. Until it is called, it pulses.

    The bar shows on a terminal, once the work proves to take long, and while no other step has its bar there.
    """
    started = time.monotonic()
    if not terminal().is_terminal:
        yield lambda _done, _total: None
        _note_duration(what, started)
        return

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=terminal(), transient=True)
    task = bar.add_task(what, total=None)
    ended = threading.Event()

    def show() -> None:
        while not ended.wait(_PATIENCE_SECONDS):
            with _reserved() as free:
                if free:
                    bar.start()
                    ended.wait()
                    bar.stop()

    showing = threading.Thread(target=show, daemon=True)
    showing.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        ended.set()
        showing.join()
    _note_duration(what, started)


@contextmanager
def _reserved() -> Iterator[bool]:
    """Reserve the terminal for one bar, and yield whether it was free: two would overwrite each other."""
    free = True
    with ExitStack() as stack:
        with suppress(OSError):  # not a device that can be locked: there is no telling
            device = stack.enter_context(open(os.ttyname(sys.stderr.fileno())))  # noqa: PTH123 (a device)
            try:
                fcntl.flock(device, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
        yield free


def _note_duration(what: str, started: float) -> None:
    if _log is not None:
        _log.write(f"{what}: {time.monotonic() - started:.1f} s\n")
