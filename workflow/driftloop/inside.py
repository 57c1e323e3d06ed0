"""Files that others put into a folder: opened without following a link, and only where they are regular.

A pipe or a device under a picture's name would make its reader wait for ever, and a link lead it to what lies
outside. Whatever is read of a window, a list's pictures or a received folder is opened here.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from driftloop.errors import DataError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, to open a pipe that nobody writes into is to wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
LINK = "is a link, which is not followed"
IRREGULAR = "is not a regular file"


def open_inside(folder: Path, name: str) -> BinaryIO:
    """Open a regular file below a folder, no part of its path being a link.

    Args:
        folder: trusted. May itself be a link.
        name: relative to it, with `/` between its parts.

    Raises:
        DataError: it leads out of the folder, is not there, cannot be read, is a link or lies behind one, or
            is a pipe, a device or a folder.
    """
    *folders, last = PurePosixPath(name).parts or ("",)
    path = folder / name
    if not last or name.startswith("/") or ".." in (*folders, last):
        raise DataError(f"{path} does not lie within {folder}.")
    try:
        place = os.open(folder, _FOLDER)
        try:
            for part in folders:
                outer, place = place, os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=place)
                os.close(outer)
            found = os.stat(last, dir_fd=place, follow_symlinks=False)
            if complaint := why_irregular(found.st_mode):  # a device may act when it is opened
                raise DataError(f"{path} {complaint}.")
            return _checked(path, os.open(last, _FILE, dir_fd=place))
        finally:
            os.close(place)
    except (OSError, ValueError) as error:
        raise _refusal(path, folder, error) from error


def why_irregular(mode: int) -> str | None:
    """Say why a file of such a mode is not read. None where it is a regular one.

    >>> why_irregular(stat.S_IFIFO), why_irregular(stat.S_IFREG)
    ('is not a regular file', None)
    """
    return LINK if stat.S_ISLNK(mode) else None if stat.S_ISREG(mode) else IRREGULAR


def _checked(path: Path, handle: int) -> BinaryIO:
    """Return the opened file, unless another thing has taken its place since it was looked at."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DataError(f"{path} {IRREGULAR}.")
    return os.fdopen(handle, "rb")


def _refusal(path: Path, folder: Path, error: OSError | ValueError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} does not exist.")
    if isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENOTDIR):
        return DataError(f"{path} lies behind a link or a file: only folders below {folder} are gone into.")
    return DataError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).")
