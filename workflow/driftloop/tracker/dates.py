"""Files' times, by which Snakemake sees what holds: also those of links, and of what somebody else made."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from driftloop.errors import DataError
from driftloop.files import atomic, link_file


def set_time(path: Path, moment: int, copies: dict[int, Path]) -> None:
    """Set a file's time (ns since 1970), and that of the link where it is one: Snakemake asks both.

    Only its owner may set a file's time. A file that another member of the project's group owns is replaced
    by a copy of one's own. That takes only the right to write into the folder.

    Args:
        path: the file.
        moment: its time.
        copies: inode to the copy that was made of it, so that names of one file stay names of one file.

    Raises:
        DataError: the file is somebody else's and its folder cannot be written.
    """
    try:
        os.utime(path, ns=(moment, moment))
        if path.is_symlink():
            os.utime(path, ns=(moment, moment), follow_symlinks=False)
    except PermissionError:
        try:
            _make_own(path, moment, copies)
        except OSError as error:
            raise DataError(
                f"{path} is {_owner(path)}'s, and Snakemake sees by its time what holds. To set that, this "
                f"account would have to write into {path.parent}, and cannot ({error.strerror}). Let the "
                "group write there (chmod -R g+rwX, umask 002 for all who run), or run as its owner."
            ) from error


def _make_own(path: Path, moment: int, copies: dict[int, Path]) -> None:
    inode = path.stat().st_ino
    if inode in copies:
        link_file(copies[inode], path)
        return
    with atomic(path) as temporary:
        shutil.copyfile(path, temporary)
        os.utime(temporary, ns=(moment, moment))
    copies[inode] = path


def _owner(path: Path) -> str:
    """Return who owns a file, by name or by number."""
    with suppress(KeyError):
        return path.owner()
    return f"user {path.stat().st_uid}"
