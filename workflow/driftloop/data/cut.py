"""Loose pictures in the inbox, cut into windows by count or by day: each becomes a folder of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, count
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
    day is over: `day-2026-11-24`. A picture that comes late to a day that was cut goes into the next one.
    Pictures that changed lately stay. A folder is filled under a hidden name and then renamed. What an
    interrupted run left in one is loose again first. Only one process may cut at a time, see
    `driftloop.params.arrivals.locked`.

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
        _put_back(inbox)
        return tuple(_cut(inbox, how, settle, now, taken))
    except OSError as error:
        raise DataError(f"the inbox {inbox} cannot be cut into windows: {error}.") from error


def _put_back(inbox: Path) -> None:
    for stage in sorted(inbox.glob(f"{_STAGE}*")):
        for path in sorted(stage.iterdir()):
            path.rename(_free(inbox / path.name))
        stage.rmdir()


def _free(path: Path) -> Path:
    """Return a path, or the first like it, at which nothing lies."""
    others = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(each for each in chain([path], others) if not each.exists())


def _cut(inbox: Path, how: int | str, settle: float, now: float, taken: Collection[str]) -> Iterator[str]:
    loose = sorted(each for path in loose_pictures(inbox) if (each := _written(path)))
    settled = [(time, path) for time, _, path in loose if abs(now - time) >= settle]
    if isinstance(how, int):
        yield from _by_count(inbox, how, [path for _, path in settled], taken)
    else:
        yield from _by_day(inbox, settled, now - settle, taken)


def _written(path: Path) -> tuple[float, str, Path] | None:
    """Return when a picture was written, its name and itself. None where its writer has just renamed it."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime, path.name, path
    return None


def _by_count(inbox: Path, size: int, paths: Sequence[Path], taken: Collection[str]) -> Iterator[str]:
    for start in range(0, len(paths) - size + 1, size):
        yield from _finish(inbox, _next_number(inbox, taken), paths[start : start + size])


def _by_day(
    inbox: Path, settled: Sequence[tuple[float, Path]], now: float, taken: Collection[str]
) -> Iterator[str]:
    days: dict[str, list[Path]] = {}
    for time, path in settled:
        days.setdefault(_day(time), []).append(path)
    late: list[Path] = []
    for day, paths in sorted(days.items()):
        if f"day-{day}" in taken or (inbox / f"day-{day}").exists():
            late += paths
        elif day < _day(now):  # all of it has settled, too
            yield from _finish(inbox, f"day-{day}", [*late, *paths])
            late = []


def _finish(inbox: Path, name: str, paths: Sequence[Path]) -> Iterator[str]:
    """Make a window of pictures, and yield its name, unless all of them have just gone."""
    stage = inbox / f"{_STAGE}{name}"
    stage.mkdir()
    for path in paths:
        with suppress(FileNotFoundError):
            path.rename(stage / path.name)
    # The pictures have settled, or they would not be here: their folder need not settle anew.
    settled = max((path.stat().st_mtime for path in stage.iterdir()), default=None)
    if settled is None:
        stage.rmdir()
        return
    os.utime(stage, (settled, settled))
    stage.rename(inbox / name)
    yield name


def _next_number(inbox: Path, taken: Collection[str]) -> str:
    names = {*taken, *(path.name for path in inbox.iterdir())}
    found = (re.fullmatch(r"cut-(\d{6,})", name) for name in names)
    return f"cut-{max((int(match[1]) for match in found if match), default=0) + 1:06d}"


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")
