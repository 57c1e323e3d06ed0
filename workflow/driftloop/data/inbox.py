"""Where production windows arrive: a folder, an archive, a list or an array each, taken in once it is whole.

    inbox/
      2026-11-23/…            a folder of pictures (or with an images.npy)
      2026-11-24.zip          pictures in an archive; also .tar, .tar.gz
      2026-11-25.npy          an array, uint8 (N, H, W, C)
      2026-11-26.csv          a list of pictures in a column `path`, each within the list's folder

A name that begins with a dot, or ends in .part or .tmp, is not a window yet: writers can use that and rename.
Any other is whole once something is in it, nothing in it has the name of what is still being written, and
nothing has changed for a while. Links are not followed.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from driftloop.data.codecs import SUFFIXES
from driftloop.errors import DataError
from driftloop.inside import IRREGULAR, LINK
from driftloop.params.arrivals import ALLOWED, is_window_name

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
LISTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt")
_UNFINISHED = re.compile(
    r".*\.(part|tmp|partial|crdownload|filepart|download|aria2|gstmp)"  # as many programs call it
    r"|\..+\.[A-Za-z0-9]{6}"  # rsync
    r"|.+\.\w{2,5}\.[0-9a-fA-F]{8}"  # the AWS command line
    r"|\.rsync-partial|\.~tmp~|\.azDownload-.+|\.goutputstream-\w+|\.pending-\d+-.+",
    re.IGNORECASE | re.DOTALL,
)
"""Names of what is still being written."""


_KNOWN = (*ARCHIVES, *LISTS, ".npy")


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


@dataclass(frozen=True)
class Entry:
    """A folder or file in the inbox.

    Attributes:
        path: of it.
        refusal: why it can be no window whatever its name. None where it can.
        latest: when anything in it changed last, in seconds since 1970. None where something has just gone.
        files: how many files are in it.
        unfinished: one that by its name is still being written. None where there is none.
    """

    path: Path
    refusal: str | None
    latest: float | None
    files: int
    unfinished: str | None


def look_at_entry(path: Path) -> Entry:
    """Look at all of a folder or file in the inbox, and at nothing outside it."""
    try:
        found = path.lstat()
        if refusal := _refusal(path, found.st_mode):
            return Entry(path, refusal, 0.0, 0, None)
        if not stat.S_ISDIR(found.st_mode):
            return Entry(path, None, found.st_mtime, 1, None)
        latest, files, unfinished = found.st_mtime, 0, None
        for place, folders, names in os.walk(path):
            inside = [place, *(f"{place}/{name}" for name in names)]
            latest = max(latest, *(os.lstat(each).st_mtime for each in inside))
            files += len(names) + sum(Path(place, name).is_symlink() for name in folders)
            unfinished = unfinished or next(filter(_UNFINISHED.fullmatch, sorted([*folders, *names])), None)
    except OSError:
        return Entry(path, None, None, 0, None)
    empty = None if files else f"{path} is empty. It is taken in once something lies in it."
    return Entry(path, empty, latest, files, unfinished)


def _refusal(path: Path, mode: int) -> str | None:
    if stat.S_ISLNK(mode):
        return f"{path} {LINK}. Put the folder or file itself there: cp -rL"
    if stat.S_ISDIR(mode):
        return None
    if not stat.S_ISREG(mode):
        return f"{path} {IRREGULAR}, and can be no window."
    if not path.name.lower().endswith(_KNOWN):
        return f"{path} is no window: that is a folder of pictures, or a file ending in {', '.join(_KNOWN)}."
    return None


def window_name(path: Path) -> str:
    """Return the name of the window that a folder or file is: its own, without a known ending.

    >>> window_name(Path("inbox/2026-11-24.tar.gz")), window_name(Path("inbox/monday"))
    ('2026-11-24', 'monday')
    """
    if path.is_dir() and not path.is_symlink():
        return path.name
    for suffix in sorted(_KNOWN, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def entries(inbox: Path) -> list[Path]:
    """Return what lies in the inbox and is neither hidden nor unfinished, nor a picture, by name.

    Raises:
        DataError: there is no such folder.
    """
    try:
        inside = sorted(inbox.iterdir())
    except OSError as error:
        raise DataError(
            f"the inbox {inbox} cannot be read ({error.strerror}). Make it, or name another: inbox.folder."
        ) from error
    return [
        path
        for path in inside
        if not path.name.startswith(".") and not _UNFINISHED.fullmatch(path.name) and not _is_loose(path)
    ]


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
    return [path for path in inbox.iterdir() if not path.name.startswith(".") and _is_loose(path)]


def _is_loose(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink()


def look_into(
    inbox: Path, known: Collection[str], settle: float, *, cut: bool = False, now: float | None = None
) -> Waiting:
    """Say what lies in the inbox beside the windows that are known.

    Args:
        inbox: the folder.
        known: names of windows that are part of the stream, or reserved.
        settle: seconds for which nothing may have changed in a whole window.
        cut: whether loose pictures are going to be cut into windows.
        now: seconds since 1970. The present time by default, by the inbox's own clock.

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
        entry = look_at_entry(paths[0])
        if not is_window_name(name) and not entry.refusal:
            refused.append(f"{paths[0]}: {name!r} cannot name a window; {ALLOWED}. Rename it.")
        elif len(paths) > 1:
            refused.append(f"{paths[0]} and {paths[1]} are both window {name}. Rename one.")
        elif _is_growing(entry, settle, now):
            growing.append(name)
        elif entry.refusal:
            refused.append(entry.refusal)
        elif entry.unfinished:
            refused.append(
                f"{paths[0]} holds {entry.unfinished}, which by its name is still being written. It is taken "
                "in once that is renamed, or gone."
            )
        else:
            whole.append(name)
    return Waiting(tuple(whole), tuple(growing), tuple(refused), len(loose) if cut else 0)


def settled_entries(inbox: Path, settle: float) -> list[Path]:
    """Return what may be windows in the inbox and does not change any more, known ones too, by name.

    Raises:
        DataError: the inbox cannot be read.
    """
    now = present(inbox)
    looks = map(look_at_entry, entries(inbox))
    return [e.path for e in looks if not e.refusal and not e.unfinished and not _is_growing(e, settle, now)]


def present(inbox: Path) -> float:
    """Return the time, in seconds since 1970, by the clock of the machine that keeps the inbox's files.

    Where nothing can be written there, it is this machine's.
    """
    try:
        with TemporaryFile(dir=inbox) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def _is_growing(entry: Entry, settle: float, now: float) -> bool:
    # A change in the future is as good as one in the past: clocks jump.
    return entry.latest is None or abs(now - entry.latest) < settle
