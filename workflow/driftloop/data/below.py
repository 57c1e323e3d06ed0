"""What lies below a folder: pictures, and whatever else lies there, with the reason why it is not taken."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from driftloop.data.codecs import SUFFIXES
from driftloop.errors import DataError
from driftloop.inside import LINK, why_irregular
from driftloop.printable import printable

MOST = 1_000_000
"""Files in one folder, list or archive: more are no window, and to look at them all takes minutes."""
HIDDEN = "is hidden: a name in its path begins with a dot"
_AGAIN = "leads to a folder that is read already, or that it lies in"
_LINES = 6


@dataclass
class Passed:
    """What was not taken.

    Attributes:
        entries: (name, reason) of each. Reasons that are alike are the same text.
    """

    entries: list[tuple[str, str]] = field(default_factory=list)

    def note(self, name: str, reason: str) -> None:
        """Note one more."""
        self.entries.append((name, reason))

    def lines(self) -> list[str]:
        """Say how many were left out for each reason, and name the first. Most frequent reasons come first.

        >>> Passed([("a.jfif", "ends in .jfif"), ("b.jfif", "ends in .jfif"), ("x", "is a link")]).lines()
        ['2 left out, such as a.jfif: it ends in .jfif.', '1 left out, x: it is a link.']
        """
        counts = Counter(reason for _, reason in self.entries)
        first = {reason: name for name, reason in reversed(self.entries)}
        told = [
            printable(f"{count:,} left out, {'such as ' if count > 1 else ''}{first[reason]}: it {reason}.")
            for reason, count in counts.most_common(_LINES)
        ]
        if rest := sum(counts.values()) - sum(count for _, count in counts.most_common(_LINES)):
            told.append(f"{rest:,} left out for {len(counts) - _LINES} other reasons.")
        return told


def why_no_picture(name: str) -> str | None:
    """Say why a path is not taken for a picture's by its name. None where it is.

    >>> why_no_picture("a/b.PNG"), why_no_picture("a/b.jfif"), why_no_picture(".a/b.png") == HIDDEN
    (None, 'ends in .jfif, which is not read', True)
    """
    if any(part.startswith(".") and part not in (".", "..") for part in PurePosixPath(name).parts):
        return HIDDEN
    if name.lower().endswith(SUFFIXES):
        return None
    ending = re.search(r"\.\w{1,10}$", name.lower(), re.ASCII)
    return f"ends in {ending[0]}, which is not read" if ending else "has no ending that says what it is"


def look_below(folder: Path, *, follow: bool = False) -> Iterator[tuple[str, str | None]]:
    """Yield all that lies below a folder, in the order of its path, and why it is not taken.

    A hidden folder is named and not gone into. Pictures have None for a reason.

    Args:
        folder: the folder.
        follow: go through links; to each folder once.

    Yields:
        Paths relative to the folder, with `/` between the parts, and reasons.

    Raises:
        DataError: a folder cannot be read, or more lies there than is looked at.
    """
    entries = _entries(folder, "")
    seen = set(map(_identity, (folder, *folder.resolve().parents)))  # a link may lead back up
    looked_at = 0
    while entries:
        name, entry = entries.pop()
        looked_at += 1
        if looked_at > MOST:
            raise DataError(f"{folder} holds more than {MOST:,} files; put them into several folders.")
        if not follow and entry.is_symlink():
            yield name, LINK
        elif not entry.is_dir():
            yield name, why_no_picture(name) or _why_irregular(entry)
        elif why_no_picture(name) == HIDDEN:
            yield name, HIDDEN
        elif (identity := _identity(Path(entry.path))) in seen:
            yield name, _AGAIN
        else:
            seen.add(identity)
            entries += _entries(Path(entry.path), f"{name}/")


def _entries(folder: Path, above: str) -> list[tuple[str, os.DirEntry[str]]]:
    """Return what lies right in a folder, the last by name first."""
    try:
        with os.scandir(folder) as inside:
            return sorted(((f"{above}{entry.name}", entry) for entry in inside), key=_name, reverse=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}).") from error


def _name(found: tuple[str, os.DirEntry[str]]) -> str:
    return found[1].name


def _identity(folder: Path) -> tuple[int, int]:
    try:
        found = folder.stat()
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}).") from error
    return found.st_dev, found.st_ino


def _why_irregular(entry: os.DirEntry[str]) -> str | None:
    try:
        return why_irregular(entry.stat().st_mode)
    except OSError as error:  # a link to nothing, or a file that has just gone
        return f"cannot be read ({error.strerror})"
