"""The files in a zip or tar archive, read one after the other. Nothing that the archive claims is believed.

An archive's directory, its headers, the number of its members, how much it unpacks to and how long that takes
are all bounded, the last two by its size. Nothing is unpacked under a name that the archive gives.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, cast

from driftloop.errors import DataError
from driftloop.inside import IRREGULAR, LINK

MOST_MEMBERS = 200_000
_LARGEST_DIRECTORY = 1 << 26
_LARGEST_HEADER = 1 << 20
_LARGEST_MEMBER = 1 << 28
_IN_MEMORY = 1 << 24
_LEAST_UNPACKED = 1 << 30
_DENSEST = 100
"""An archive may unpack to 1 GiB, and to so many times its own size. Pictures are packed already."""
_PATIENCE, _PACE = 900.0, 1e6
"""An archive may take so many seconds, and one more for so many bytes of what it may unpack to."""
_ENTRY = b"PK\x01\x02"
_READ = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}

Open = Callable[[], BinaryIO]


def members(name: str, stream: BinaryIO) -> Iterator[tuple[str, Open]]:
    """Yield the name of each regular file in an archive, and a function that opens it.

    It has to be called before the next one is asked for: to go back in a compressed tar is to unpack it anew.

    Args:
        name: of the archive, for messages. `.zip` says that it is one, else it is a tar, gzipped or not.
        stream: the opened archive.

    Raises:
        DataError: it is damaged, or claims more than is read. The function raises it where a member is.
    """
    try:
        yield from (_zipped if name.lower().endswith(".zip") else _tarred)(name, stream)
    except DataError:
        raise
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} is damaged or cut short ({error}).") from error
    except (ValueError, RecursionError, NotImplementedError, MemoryError, OverflowError) as error:
        raise DataError(f"{name} is damaged: its headers cannot be read ({error}).") from error


class _Bounded:
    """A stream of which neither what is read for one header or member is large, nor all of it together."""

    def __init__(self, name: str, stream: IO[bytes], *, left: int, end: int) -> None:
        self.name, self.stream, self.left, self.end = name, stream, left, end
        self.last = b""
        self.until = time.monotonic() + _PATIENCE + _unpacked(stream) / _PACE

    def read(self, size: int = -1) -> bytes:
        wanted = self.left + 1 if size < 0 else size
        self.last = self.stream.read(min(wanted, self.left + 1))
        if len(self.last) > self.left:
            raise DataError(f"{self.name} has a header of more than {self.left:,} bytes; none needs that.")
        self.left -= len(self.last)
        self._check(self.stream.tell())
        if self.last.count(_ENTRY) > MOST_MEMBERS:
            raise DataError(_too_many(self.name))
        return self.last

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET:
            self._check(place)
        return self.stream.seek(place, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def seekable(self) -> bool:
        return True

    def _check(self, place: int) -> None:
        if place > self.end:
            raise DataError(_too_much(self.name, self.end))
        if time.monotonic() > self.until:
            raise DataError(f"{self.name} takes too long to unpack. Cut it into several windows.")


def _too_many(name: str) -> str:
    return f"{name} has more than {MOST_MEMBERS:,} files. Cut it into several windows."


def _too_much(name: str, most: int) -> str:
    return f"{name} unpacks to more than {most:,} bytes, which pictures of its size do not."


def _unpacked(stream: IO[bytes]) -> int:
    """Return how much an archive may unpack to."""
    return max(_LEAST_UNPACKED, _DENSEST * os.fstat(stream.fileno()).st_size)


def _zipped(name: str, stream: BinaryIO) -> Iterator[tuple[str, Open]]:
    most = left = _unpacked(stream)
    bounded = _Bounded(name, stream, left=_LARGEST_DIRECTORY, end=1 << 62)
    with zipfile.ZipFile(cast("BinaryIO", bounded)) as archive:
        for each in (each for each in archive.infolist() if not each.is_dir()):
            if (left := left - _believed(each.file_size)) < 0:
                raise DataError(_too_much(name, most))
            yield each.filename, partial(_zip_member, name, archive, bounded, each)


def _zip_member(name: str, archive: zipfile.ZipFile, bounded: _Bounded, member: zipfile.ZipInfo) -> BinaryIO:
    if member.compress_type not in _READ:
        raise DataError(f"{name}: {member.filename} is compressed in a way that is not read. Use deflate.")
    bounded.left = 2 * _LARGEST_MEMBER
    return _copy(name, member.filename, member.file_size, lambda: archive.open(member))


def _tarred(name: str, stream: BinaryIO) -> Iterator[tuple[str, Open]]:
    most = left = _unpacked(stream)
    zipped = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    inner = cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if zipped else stream
    bounded = _Bounded(name, inner, left=_LARGEST_HEADER, end=most)
    before = -1
    with tarfile.TarFile(fileobj=cast("BinaryIO", bounded)) as archive:
        for _ in range(MOST_MEMBERS + 1):
            bounded.left = _LARGEST_HEADER
            member = archive.next()
            archive.members = []  # type: ignore[attr-defined]  # it would keep them all
            if member is None:
                break
            if member.size < 0 or member.offset <= before:  # else headers would be read again and again
                raise DataError(f"{name} is damaged: a size in its headers is none.")
            before = member.offset
            if (left := left - _believed(member.size)) < 0:
                raise DataError(_too_much(name, most))
            if not member.isdir():
                yield member.name, partial(_tar_member, name, archive, bounded, member)
        else:
            raise DataError(_too_many(name))
    if bounded.last.strip(b"\0") or len(bounded.last) < tarfile.BLOCKSIZE:
        raise DataError(f"{name} is damaged or cut short (it does not end as an archive does).")


def _tar_member(name: str, archive: tarfile.TarFile, bounded: _Bounded, member: tarfile.TarInfo) -> BinaryIO:
    if not member.isreg():
        raise DataError(f"{name}: {member.name} {LINK if member.islnk() or member.issym() else IRREGULAR}.")
    bounded.left = 2 * _LARGEST_MEMBER
    return _copy(name, member.name, member.size, lambda: archive.extractfile(member))


def _believed(size: int) -> int:
    """Return what a member adds to what is unpacked. One that is too large is refused by itself."""
    return size if size <= _LARGEST_MEMBER else 0


def _copy(name: str, member: str, size: int, opened: Callable[[], IO[bytes] | None]) -> BinaryIO:
    """Return a member's bytes: its decoder may go back and forth in them, and they need not be in memory."""
    if size > _LARGEST_MEMBER:
        raise DataError(f"{name}: {member} claims {size:,} bytes; that is no picture.")
    if not size:
        raise DataError(f"{name}: {member} is empty.")
    copy: Any = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (its reader closes it)
    try:
        with cast("IO[bytes]", opened()) as source:
            shutil.copyfileobj(source, copy)
        copy.seek(0)
    except Exception as error:  # zipfile and tarfile raise almost anything on damaged bytes
        copy.close()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DataError(f"{name}: {member} cannot be read ({error}).") from error
    return cast("BinaryIO", copy)
