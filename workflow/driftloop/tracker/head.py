"""Heads: how far a file in `decisions/` had come when it was last written, kept in a file beside it.

A chain of entries holds what is in it. It cannot tell that its end was taken away, nor that another chain was
put in its place. So the number of its entries and the digest of the last one stand in a file of their own,
`decisions/w02.jsonl.head` for `decisions/w02.jsonl`, which Git tracks as well. It is replaced once the entry
is on the disk: a crash in between leaves a head that is behind, and that still holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from driftloop.errors import LedgerError
from driftloop.files import atomic, digest_json
from driftloop.trace import note_read, tracing


@dataclass(frozen=True)
class Head:
    """How far a chain had come.

    Attributes:
        entries: how many there were, at least 1.
        digest: SHA-256 that the last of them carries.
    """

    entries: int
    digest: str

    def holds(self, digests: Sequence[str]) -> bool:
        """Tell whether a chain, given by its entries' digests, still has all that there was."""
        return len(digests) >= self.entries and digests[self.entries - 1] == self.digest


def head_of(path: Path) -> Path:
    """Return where the head of a file lies."""
    return path.with_name(f"{path.name}.head")


def read_head(path: Path, *, remedy: str = "") -> Head | None:
    """Return the head of a file. None where none was written yet.

    Args:
        path: of the file.
        remedy: what to do where the head is damaged, for the message.

    Raises:
        LedgerError: it is damaged.
    """
    place = head_of(path)
    try:
        content = place.read_bytes()
    except FileNotFoundError:
        note_read(place, None)
        return None
    except OSError as error:
        raise LedgerError(f"{place} cannot be read ({error.strerror}).") from error
    note_read(place, content)
    try:
        facts = json.loads(content)
        told = facts.pop("check")
        found = Head(**facts)
        whole = type(found.entries) is int and found.entries > 0 and type(found.digest) is str
        if not whole or told != digest_json(facts):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerError(f"{place} is damaged, which says how far {path.name} had come. {remedy}") from error
    return found


@contextmanager
def moving_head(path: Path, head: Head) -> Iterator[None]:
    """Put a new head into its place when the block, which writes the entry, ends well.

    Its bytes are written before the entry's, so that a full disk leaves neither. It is no product of a step.
    """
    facts = asdict(head)
    content = json.dumps({**facts, "check": digest_json(facts)}).encode() + b"\n"
    with tracing(), atomic(head_of(path)) as temporary:
        temporary.write_bytes(content)
        yield
    note_read(head_of(path), content)
