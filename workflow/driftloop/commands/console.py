"""What the steps say while they work: lines, a progress bar for what takes long, and the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_PATIENCE_SECONDS = 1.0
_log: TextIO | None = None


def say(text: str) -> None:
    """Say one thing, in Rich markup, on standard error and in the step's log."""
    from rich.console import Console

    terminal().print(text)
    if _log is not None:
        Console(file=_log, highlight=False, soft_wrap=True, color_system=None).print(text)


@cache
def terminal() -> Console:
    """The one console on standard error: lines that are said above a progress bar do not tear it."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Within the block, whatever is said goes to `path` too, as plain text; errors as well.

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
            _log.write(f"{type(error).__name__}: {error}\n")
            raise
        finally:
            _log = None


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function `(done, total)` that keeps a progress bar up to date; until it is called, it pulses.

    The bar shows on a terminal, and only once the work proves to take long.
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
    patience = threading.Timer(_PATIENCE_SECONDS, bar.start)
    patience.daemon = True
    patience.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        patience.cancel()
        bar.stop()
    _note_duration(what, started)


def _note_duration(what: str, started: float) -> None:
    if _log is not None:
        _log.write(f"{what}: {time.monotonic() - started:.1f} s\n")
