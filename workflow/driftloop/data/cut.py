"""Loose pictures in the inbox, cut into windows by count or by day: each becomes a folder of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from driftloop.data.inbox import loose_pictures
from driftloop.errors import DataError

_STAGE = ".cutting-"


def cut_loose(
    inbox: Path, how: int | str, settle: float, now: float, taken: Collection[str] = ()
) -> tuple[str, ...]:
    """Move loose pictures into folders that are whole windows, and return the names of these.

    By count, pictures are taken in the order in which they were written, and a window is cut once there are
    enough of them: `cut-000001`, `cut-000002`, … By day (UTC, of the last change), a window is cut once the
    day is over: `day-2026-11-24`. Pictures that changed lately stay. A folder is filled under a hidden name
    and then renamed; one that an interrupted run left is filled up first.

    Args:
        inbox: the folder.
        how: so many pictures, or `day`.
        settle: seconds for which a picture may not have changed.
        now: seconds since 1970.
        taken: names of windows that there are already, or were.

    Raises:
        DataError: the folder cannot be read or written.
    """
    try:
        return tuple(_cut(inbox, how, settle, now, taken))
    except OSError as error:
        raise DataError(f"the inbox {inbox} cannot be cut into windows: {error}.") from error


def _cut(inbox: Path, how: int | str, settle: float, now: float, taken: Collection[str]) -> Iterator[str]:
    loose = sorted((path.stat().st_mtime, path.name, path) for path in loose_pictures(inbox))
    settled = [(time, path) for time, _, path in loose if abs(now - time) >= settle]
    if isinstance(how, int):
        yield from _by_count(inbox, how, [path for _, path in settled], taken)
    else:
        yield from _by_day(inbox, settled, now, taken)


def _by_count(inbox: Path, size: int, paths: Sequence[Path], taken: Collection[str]) -> Iterator[str]:
    waiting = list(paths)
    while True:
        name = _next_number(inbox, taken)
        stage = inbox / f"{_STAGE}{name}"
        have = len(list(stage.iterdir())) if stage.exists() else 0
        if have + len(waiting) < size:
            return
        yield _finish(inbox, name, waiting[: size - have])
        waiting = waiting[size - have :]


def _by_day(
    inbox: Path, settled: Sequence[tuple[float, Path]], now: float, taken: Collection[str]
) -> Iterator[str]:
    days: dict[str, list[Path]] = {
        path.name.removeprefix(f"{_STAGE}day-"): [] for path in inbox.glob(f"{_STAGE}day-*")
    }
    for time, path in settled:
        days.setdefault(_day(time), []).append(path)
    for day, paths in sorted(days.items()):
        if day < _day(now) and f"day-{day}" not in taken and not (inbox / f"day-{day}").exists():
            yield _finish(inbox, f"day-{day}", paths)


def _finish(inbox: Path, name: str, paths: Sequence[Path]) -> str:
    stage = inbox / f"{_STAGE}{name}"
    stage.mkdir(exist_ok=True)
    for path in paths:
        path.rename(stage / path.name)
    # The pictures have settled, or they would not be here: their folder need not settle anew.
    settled = max(path.stat().st_mtime for path in stage.iterdir())
    os.utime(stage, (settled, settled))
    stage.rename(inbox / name)
    return name


def _next_number(inbox: Path, taken: Collection[str]) -> str:
    names = {*taken, *(path.name for path in inbox.iterdir())}
    found = (re.fullmatch(r"cut-(\d{6,})", name) for name in names)
    return f"cut-{max((int(match[1]) for match in found if match), default=0) + 1:06d}"


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")
