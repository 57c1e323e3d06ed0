"""Where production windows arrive: a folder, an archive, a list or an array each, taken in once it is whole.

    inbox/
      2026-11-23/…            a folder of pictures (or with an images.npy)
      2026-11-24.zip          pictures in an archive; also .tar, .tar.gz
      2026-11-25.npy          an array, uint8 (N, H, W, C)
      2026-11-26.csv          a list of pictures in a column `path`, each within the list's folder

A name that begins with a dot, or ends in .part or .tmp, is not a window yet: writers can use that and rename.
Any other is whole once something is in it and nothing has changed for a while.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from driftloop.data.arrivals import ALLOWED, is_window_name
from driftloop.errors import DataError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
LISTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt")
SUFFIXES = (".bmp", ".gif", ".jpg", ".jpeg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", ".filepart")


@dataclass(frozen=True)
class Waiting:
    """What lies in the inbox and is not part of the stream.

    Attributes:
        whole: windows that can be taken in now, in the order of their names.
        growing: those in which something changed lately.
        refused: what can be no window, and why.
        loose: how many pictures wait to be cut into windows.
    """

    whole: tuple[str, ...]
    growing: tuple[str, ...]
    refused: tuple[str, ...]
    loose: int = 0


def window_name(path: Path) -> str:
    """Return the name of the window that a folder or file is: its own, without a known ending.

    >>> window_name(Path("inbox/2026-11-24.tar.gz")), window_name(Path("inbox/monday"))
    ('2026-11-24', 'monday')
    """
    if path.is_dir():
        return path.name
    for suffix in (".tar.gz", *ARCHIVES, *LISTS, ".npy"):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def entries(inbox: Path) -> list[Path]:
    """Return what may be windows in the inbox, in the order of their names.

    Raises:
        DataError: there is no such folder.
    """
    try:
        inside = sorted(inbox.iterdir())
    except OSError as error:
        raise DataError(
            f"the inbox {inbox} cannot be read ({error.strerror}). Make it, or name another: inbox.folder."
        ) from error
    known = (*ARCHIVES, *LISTS, ".npy")
    return [
        path
        for path in inside
        if not path.name.startswith(".")
        and not path.name.lower().endswith(_UNFINISHED)
        and (path.is_dir() or path.name.lower().endswith(known))
    ]


def last_change(path: Path) -> float | None:
    """Return when anything in a folder, or a file, last changed, in seconds since 1970.

    None where something in it has just gone.
    """
    with suppress(OSError):
        latest = path.stat().st_mtime
        for place, _, files in os.walk(path) if path.is_dir() else ():
            inside = [Path(place), *(Path(place) / name for name in files)]
            latest = max(latest, *(each.lstat().st_mtime for each in inside))
        return latest
    return None


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(files for _, _, files in os.walk(path))


def has_unfinished(path: Path) -> bool:
    """Tell whether a folder holds a file that by its name is still being written."""
    return path.is_dir() and any(
        name.lower().endswith(_UNFINISHED) for _, _, files in os.walk(path) for name in files
    )


def find_entry(inbox: Path, window: str) -> Path:
    """Return the folder or file that is a window.

    Raises:
        DataError: there is none, or more than one.
    """
    found = [path for path in entries(inbox) if window_name(path) == window]
    if len(found) != 1:
        what = " and ".join(str(path) for path in found) or "nothing of that name"
        raise DataError(f"window {window}: {inbox} holds {what}; it takes one folder or file.")
    return found[0]


def loose_pictures(inbox: Path) -> list[Path]:
    """Return the pictures that lie in the inbox itself."""
    return [
        path
        for path in inbox.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]


def look_into(
    inbox: Path, known: Collection[str], settle: float, *, cut: bool = False, now: float | None = None
) -> Waiting:
    """Say what lies in the inbox beside the windows that are known.

    Args:
        inbox: the folder.
        known: names of windows that are part of the stream, or reserved.
        settle: seconds for which nothing may have changed in a whole window.
        cut: whether loose pictures are going to be cut into windows.
        now: seconds since 1970; the present time by default, by the inbox's own clock.

    Raises:
        DataError: the inbox cannot be read.
    """
    now = present(inbox) if now is None else now
    whole, growing, refused = [], [], []
    candidates: dict[str, list[Path]] = {}
    for path in entries(inbox):
        candidates.setdefault(window_name(path), []).append(path)
    loose = loose_pictures(inbox)
    if loose and not cut:
        refused.append(
            f"{loose[0]} lies loose ({len(loose):,} such pictures). A window is a folder; or set inbox.cut."
        )
    for name, paths in candidates.items():
        if name in known:
            continue
        if not is_window_name(name):
            refused.append(f"{paths[0]}: {name!r} cannot name a window; {ALLOWED}. Rename it.")
        elif len(paths) > 1:
            refused.append(f"{paths[0]} and {paths[1]} are both window {name}. Rename one.")
        elif _is_growing(paths[0], settle, now):
            growing.append(name)
        elif _is_empty(paths[0]):
            refused.append(f"{paths[0]} is empty. It is taken in once something lies in it.")
        else:
            whole.append(name)
    return Waiting(tuple(whole), tuple(growing), tuple(refused), len(loose) if cut else 0)


def present(inbox: Path) -> float:
    """Return the time, in seconds since 1970, by the clock of the machine that keeps the inbox's files.

    Where nothing can be written there, it is this machine's.
    """
    try:
        with TemporaryFile(dir=inbox) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def _is_growing(path: Path, settle: float, now: float) -> bool:
    latest = last_change(path)
    # A change in the future is as good as one in the past: clocks jump.
    return latest is None or abs(now - latest) < settle or has_unfinished(path)
