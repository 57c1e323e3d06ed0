"""What a piece of work reads and writes in the project, noted where files are opened and closed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Trace:
    """The project's files that were read and written while the trace was kept.

    Attributes:
        reads: SHA-256 of each file as it was read, None where there was no such file.
        writes: every file that was put into its place.
        check: is given each file that is read, and its SHA-256. It raises where that is not to be believed.
    """

    reads: dict[str, str | None] = field(default_factory=dict)
    writes: set[str] = field(default_factory=set)
    check: Callable[[Path, str], None] | None = None

    @property
    def inputs(self) -> dict[str, str | None]:
        """What was read and not written before: what the work depended on."""
        return {path: self.reads[path] for path in sorted(self.reads.keys() - self.writes)}


_kept: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def tracing(check: Callable[[Path, str], None] | None = None) -> Iterator[Trace]:
    """Keep a trace of what the block reads and writes, and let `check` look at what is read."""
    token = _kept.set(trace := Trace(check=check))
    try:
        yield trace
    finally:
        _kept.reset(token)


def note_read(path: Path, content: bytes | None) -> None:
    """Note that a file was read with this content. None where it is missing.

    Only files below the working directory count, which the project names by relative paths.
    """
    if (trace := _kept.get()) is not None and not path.is_absolute():
        digest = None if content is None else hashlib.sha256(content).hexdigest()
        trace.reads[path.as_posix()] = digest
        if trace.check and digest is not None and path.as_posix() not in trace.writes:
            trace.check(path, digest)


def note_write(path: Path) -> None:
    """Note that a file was written."""
    if (trace := _kept.get()) is not None and not path.is_absolute():
        trace.writes.add(path.as_posix())
