"""Everything that driftloop refuses, as a tree of exceptions.

    DriftloopError            a user's mistake or an unusable input; exit status 1
    ├── ParameterError        params.yaml, an override or an option; exit status 2
    ├── DataError             a dataset, a window, a download
    ├── ModelError            a model or detector folder, or a network that does not fit the data
    ├── ImageError            a container image, or the engine that builds and runs it
    ├── LedgerError           a decision that cannot be read, verified or written
    └── ReviewPendingError       a person has to decide first; exit status 75 (EX_TEMPFAIL)

A message says what is wrong, where, what came, what is allowed, and the next command. Only
`driftloop.cli` turns an exception into an exit status. Lack of disk, memory or rights comes as an exception
of some library. `lacking` tells those from mistakes in the code.
"""

from __future__ import annotations

import os
import re
from pathlib import Path


class DriftloopError(Exception):
    """Base of all errors that are reported without a traceback."""

    exit_status = 1


class ParameterError(DriftloopError):
    """A parameter or an option has no such name, the wrong type, or a value out of range."""

    exit_status = 2


class DataError(DriftloopError):
    """Images or labels are missing, damaged, or not of the promised form."""


class ModelError(DriftloopError):
    """A model or detector folder is missing, damaged, or does not fit the data."""


class ImageError(DriftloopError):
    """A container image is missing or cannot be built, or its engine is not there."""


class LedgerError(DriftloopError):
    """The ledger of decisions is damaged, or refuses an entry."""


class ReviewPendingError(DriftloopError):
    """A drifted window waits for a person's decision."""

    exit_status = 75


_MEMORY = (
    "There is not enough memory. Let fewer jobs run at once (snakemake --cores 1), give them more, "
    "or make windows and batches smaller."
)
# Libraries say the same thing in many ways. The first of these that is found in an error's text counts.
_LACKING = (
    (
        r"No space left|os error 28|quota exceeded|os error 122|requested and \d+ written",
        "The disk is full. Free some space; what was made so far is kept.",
    ),
    (
        r"allocate memory|not enough memory|out of memory|bad_alloc|Unable to allocate|failed to map segment",
        _MEMORY,
    ),
    (
        r"Read-only file system|os error 30",
        "The file system is read-only. Copy the project to where it can be written.",
    ),
    (
        r"Could not determine home directory",
        "This account has no home folder (HOME is not set), so ~ names none. Write the whole path instead.",
    ),
    (r"Too many open files", "Raise the limit: ulimit -n 4096"),
)


def lacking(error: BaseException) -> str | None:
    """Say what the machine or the folder lacks where that is why something failed. None where it is not.

    >>> lacking(OSError(28, "No space left on device"))
    'The disk is full. Free some space; what was made so far is kept. ([Errno 28] No space left on device)'
    >>> lacking(ValueError("a mistake in the code"))
    """
    if isinstance(error, MemoryError):
        return _MEMORY
    text = str(error)
    if isinstance(error, OSError | RuntimeError | ImportError) or type(error).__name__ == "SafetensorError":
        if isinstance(error, PermissionError) or re.search(r"Permission denied|os error 13", text):
            return f"{_denied(getattr(error, 'filename', None))} ({text.splitlines()[0]})"
        for pattern, advice in _LACKING:
            if re.search(pattern, text, re.IGNORECASE):
                return f"{advice} ({text.splitlines()[0]})"
    return None


def _denied(name: object) -> str:
    """Say what this account may not do with a file, by asking of it what it may."""
    group = "of a group's project: chmod -R g+rwX, and umask 002 for all who run"
    if not isinstance(name, str | bytes):
        return f"This account may not read or write there. Let it ({group})."
    path = Path(os.fsdecode(name))
    try:
        there = path.exists()
    except OSError:
        return f"This account may not look into the folder of {path}. Let it ({group})."
    if there and not os.access(path, os.R_OK):
        return f"This account may not read {path}. Let it ({group})."
    folder = path if path.is_dir() else path.parent
    return f"This account may not write {path if there else folder}. Let it ({group})."
