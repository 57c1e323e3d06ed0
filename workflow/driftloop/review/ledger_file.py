"""A ledger as a file: read and written under a lock, durable, with a copy that outlives damage.

The copy lies in `.driftloop/ledgers`, which Git does not track. It is what `driftloop ledger restore` brings
entries back from that no commit has yet.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from driftloop.errors import LedgerError
from driftloop.files import atomic
from driftloop.trace import note_read, tracing
from driftloop.tracker.head import Head, read_head


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Yield a descriptor of the file, made if need be, that no other process can hold meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LedgerError(f"{path} cannot be written ({error.strerror}); nothing was decided.") from error


def read_with_head(path: Path) -> tuple[bytes, Head | None]:
    """Return a ledger's bytes and its head as they stand between two appends. A missing file is an empty one.

    Raises:
        LedgerError: the head is damaged.
    """
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH)
            content, head = stream.read(), read_head(path, remedy=remedy(path))
    except FileNotFoundError:
        content, head = b"", read_head(path, remedy=remedy(path))
    note_read(path, content)
    return content, head


def remedy(path: Path) -> str:
    """Say how a damaged ledger is brought back."""
    return f"Bring it back: driftloop ledger restore {path.stem}"


def read_all(descriptor: int) -> bytes:
    """Return the bytes of an open file, from its beginning."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return stream.read()


def write_from(descriptor: int, start: int, data: bytes) -> None:
    """Let `data` be what stands in an open file from byte `start` on, and bring it to the disk."""
    os.ftruncate(descriptor, start)
    os.lseek(descriptor, start, os.SEEK_SET)
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a new file's name as durable as its bytes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_of(path: Path) -> Path:
    """Return where the copy of a ledger lies."""
    return path.parent.parent / ".driftloop" / "ledgers" / path.name


def read_copy(path: Path) -> bytes:
    """Return the copy of a ledger. Nothing where there is none, or none that can be read."""
    with suppress(OSError):
        return copy_of(path).read_bytes()
    return b""


def keep_copy(path: Path, content: bytes) -> None:
    """Keep a copy of a ledger. An answer stands without one, so a folder that refuses it does no harm."""
    with suppress(OSError), tracing(), atomic(copy_of(path)) as temporary:
        temporary.write_bytes(content)
