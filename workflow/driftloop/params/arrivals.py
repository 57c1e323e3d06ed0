"""The windows that came from production: `arrivals.txt`, a window a line, with the owner of its incumbent.

    2026-11-20 reference
    2026-11-21 2026-11-20

It is what makes a window part of the stream. So a window that comes late goes to the end, and a run that has
begun does not see those that arrive meanwhile. Git tracks the file. A person may take a line out.

A window is checked against what is in production when it arrives, and does not wait for reviews of others.
While it is undecided and another model comes into production, it is checked again, against that: perhaps
nobody has to be asked any more.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from driftloop.errors import DataError
from driftloop.files import write_text

REFERENCE = "reference"
WINDOW_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ALLOWED = "use letters, digits, '-' and '_', 64 at most, not `reference`, nor 20 times the same at the end"
_PERIODIC = re.compile(r".*?(.+)\1{19,}")
"""Snakemake takes such a name for one that a circle of rules makes longer and longer, and stops."""

Arrivals = Mapping[str, str]
"""Window → the owner of its incumbent, in the order of arrival."""


def read_arrivals(path: Path) -> dict[str, str]:
    """Return the windows that have arrived, oldest first. Blank lines and lines with `#` say nothing.

    Raises:
        DataError: the file cannot be read, or a line names no window, or one for the second time, or an
            incumbent that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text ({error}).") from error
    arrivals: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        at, words = f"{path}, line {number}", line.split()
        if not words or words[0].startswith("#"):
            continue
        name = words[0]
        if len(words) > 2:
            raise DataError(f"{at} has {len(words)} words; it takes a window and the owner of its incumbent.")
        if not is_window_name(name):
            raise DataError(f"{at}: {name!r} cannot name a window; {ALLOWED}.")
        if name in arrivals:
            raise DataError(f"{at}: {name} arrived before. Remove the line.")
        arrivals[name] = words[1] if len(words) > 1 else REFERENCE
    followed = {REFERENCE}
    for name in arrivals:
        followed.update(_follow(path, arrivals, name, followed))
    return arrivals


def is_window_name(name: str) -> bool:
    """Tell whether a window may be called that."""
    return bool(WINDOW_NAME.fullmatch(name)) and name != REFERENCE and not _PERIODIC.fullmatch(name)


def add_arrivals(
    arrivals: Arrivals, new: Sequence[str], models: Mapping[str, str | None], production: tuple[str, str]
) -> dict[str, str]:
    """Return the arrivals with `new` ones at their end. What is undecided follows what is in production.

    Of several windows that left that model in production the last one is followed: behind it a slow drift
    has been watched for longest.

    Args:
        arrivals: so far.
        new: windows that arrive now.
        models: the digest of the model that stands after each window that is decided, and of the reference.
            None where it has not been made, is lost, or may yet change.
        production: whose model is in production, and its digest.

    >>> models = {"reference": "0", "a": "0", "b": "1"}
    >>> add_arrivals({"a": "reference", "b": "a", "c": "a"}, ["d"], models, ("b", "1"))
    {'a': 'reference', 'b': 'a', 'c': 'b', 'd': 'b'}
    >>> add_arrivals({"a": "reference", "b": "a", "c": "b"}, ["d"], models, ("reference", "0"))
    {'a': 'reference', 'b': 'a', 'c': 'a', 'd': 'a'}
    """
    owner, model = production
    fitting = [name for name in (REFERENCE, *arrivals) if models.get(name) == model]
    newest = fitting[-1] if fitting else owner if owner in arrivals else REFERENCE
    line = [newest]  # what it was made from never follows it
    while line[-1] != REFERENCE:
        line.append(arrivals[line[-1]])

    def incumbent(name: str) -> str:
        # Where the model in production is not there to be compared with, nothing is moved.
        stays = name in models or name in line or not fitting or arrivals[name] in fitting
        return arrivals[name] if stays else newest

    followed = {name: incumbent(name) for name in arrivals}
    return followed | {name: newest for name in new if name not in arrivals}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other runs from changing `arrivals.txt` at the same time."""
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write_arrivals(path: Path, arrivals: Arrivals) -> None:
    """Write the arrivals, atomically, if they differ from those in the file. Comments stay at the top."""
    if read_arrivals(path) == dict(arrivals):
        return
    lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
    comments = [line for line in lines if line.startswith("#")]
    entries = [f"{name} {owner}" for name, owner in arrivals.items()]
    write_text(path, "".join(f"{line}\n" for line in (*comments, *entries)))


def _follow(path: Path, arrivals: Arrivals, name: str, followed: set[str]) -> dict[str, None]:
    """Follow the incumbents of a window to one that was followed before. Return those on the way."""
    way: dict[str, None] = {}
    owner = name
    while owner not in followed:
        if owner not in arrivals:
            raise DataError(
                f"{path}: {list(way)[-1]} follows {owner!r}, which has not arrived. Write {REFERENCE}."
            )
        if owner in way:
            raise DataError(f"{path}: {' follows '.join([*way, owner])}. Write {REFERENCE} for one of them.")
        way[owner] = None
        owner = arrivals[owner]
    return way
