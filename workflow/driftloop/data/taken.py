"""What lay in the inbox when a window was taken in, and whether it still lies there.

A window that comes again under its name, or pictures that come late, are no part of what was checked. Names
and sizes tell that at once. Where the times alone differ, as after a second copy, the contents are compared.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import chain, count
from pathlib import Path
from stat import S_ISREG

from driftloop.data.inbox import window_name
from driftloop.errors import DataError
from driftloop.inside import open_inside

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """A folder or file of the inbox as it was.

    Attributes:
        files: how many files were in it.
        names: SHA-256 of their names and sizes.
        times: SHA-256 of their names, sizes and times.
        content: SHA-256 of their names and contents.
    """

    files: int
    names: str
    times: str
    content: str


def source_of(entry: Path) -> Source:
    """Look at a folder or file of the inbox. All of it is read.

    Raises:
        DataError: it cannot be read.
    """
    files, names, times = _marks(entry)
    return Source(files, names, times, _content(entry))


def difference(entry: Path, taken: Source) -> str | None:
    """Say how a folder or file of the inbox differs from what was taken in. None where it does not.

    Raises:
        DataError: it cannot be read.
    """
    files, names, times = _marks(entry)
    if times == taken.times:
        return None
    if files != taken.files:
        return f"{files:,} files lie there now, {taken.files:,} were taken in"
    if names != taken.names or _content_at(entry, times) != taken.content:
        return "other files lie there now than were taken in"
    return None


def name_by_day(entry: Path, taken: set[str]) -> Path:
    """Return the path under which a window that comes again is one of its own: its name and a day.

    The day is that of its last change, in UTC: `monday` becomes `monday-2026-12-01`, or with `-2` behind it
    where that is taken.

    Args:
        entry: in the inbox.
        taken: names of windows that there are already, or were.
    """
    name, latest = window_name(entry), max((each.stat().st_mtime for each in _files(entry)), default=0.0)
    day = datetime.fromtimestamp(latest, UTC).strftime("%Y-%m-%d")
    endings = chain([""], (f"-{number}" for number in count(2)))
    for ending in endings:
        new = f"{name}-{day}{ending}"
        path = entry.with_name(new + entry.name[len(name) :])
        if new not in taken and not os.path.lexists(path):
            return path
    raise AssertionError


def _files(entry: Path) -> list[Path]:
    """Return all files of an entry in order, links as themselves."""
    if not entry.is_dir() or entry.is_symlink():
        return [entry]
    return sorted(Path(place) / name for place, _, names in os.walk(entry) for name in names)


def _marks(entry: Path) -> tuple[int, str, str]:
    names, times = sha256(), sha256()
    files = _files(entry)
    try:
        for path in files:
            found = path.lstat()
            mark = f"{os.fsencode(path.relative_to(entry.parent))!r} {found.st_size}"
            names.update(f"{mark}\n".encode())
            times.update(f"{mark} {found.st_mtime_ns}\n".encode())
    except OSError as error:
        raise DataError(f"{entry} cannot be read ({error.strerror}).") from error
    return len(files), names.hexdigest(), times.hexdigest()


@lru_cache(maxsize=256)
def _content_at(entry: Path, times: str) -> str:  # noqa: ARG001 (what is known of it holds while these do)
    return _content(entry)


def _content(entry: Path) -> str:
    digest = sha256()
    for path in _files(entry):
        name = path.relative_to(entry.parent)
        digest.update(f"{os.fsencode(name)!r}\n".encode())
        if S_ISREG(path.lstat().st_mode):
            with open_inside(entry.parent, name.as_posix()) as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
    return digest.hexdigest()
