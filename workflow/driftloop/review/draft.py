"""The draft: a review in progress on disk, so that leaving at any moment loses no answer."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftloop.account import account
from driftloop.errors import LedgerError
from driftloop.files import digest_json
from driftloop.review.ledger import Reported


@dataclass
class Draft:
    """A journal of snapshots, one a line. The last whole one counts.

    Attributes:
        path: the journal.
        saved: the newest snapshot, or None at the beginning.
    """

    path: Path
    saved: dict[str, Any] | None
    _key: str
    _descriptor: int

    def save(self, snapshot: Mapping[str, Any]) -> None:
        """Append a snapshot and wait until it is on the disk. One that changes nothing is not written."""
        if snapshot == self.saved:
            return
        value = dict(snapshot)
        line = {"key": self._key, "snapshot": value, "digest": digest_json(value)}
        # The line end before it closes whatever a crash left half-written.
        data = f"\n{json.dumps(line, ensure_ascii=False)}\n".encode()
        while data:
            data = data[os.write(self._descriptor, data) :]
        os.fsync(self._descriptor)
        self.saved = value

    def discard(self) -> None:
        """Remove the journal: its answer is in the ledger now."""
        self.path.unlink(missing_ok=True)


@contextmanager
def open_draft(folder: Path, window: str, *, report: Reported, images: str) -> Iterator[Draft]:
    """Open this user's draft for a window, read what it holds, and keep others out meanwhile.

    Snapshots of a report that found something else, or of other images, are not given back.

    Raises:
        LedgerError: the same user is reviewing the window in another terminal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{window}.{account()}.jsonl"
    keys = _keys(report, images)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                f"{window} is being reviewed in another terminal already. Finish it there."
            ) from error
        yield Draft(path, _newest(path, keys), keys[0], descriptor)
    finally:
        os.close(descriptor)


def has_draft(folder: Path, window: str, *, report: Reported, images: str) -> bool:
    """Tell whether anybody has begun to label what is asked about a window now."""
    drafts = (_newest(path, _keys(report, images)) for path in folder.glob(f"{window}.*.jsonl"))
    return any(any(draft["labels"]) for draft in drafts if draft)


def _keys(report: Reported, images: str) -> tuple[str, ...]:
    """Return what marks a snapshot of this review: as it is written now, and as earlier versions wrote it."""
    return f"{report.findings}:{images}", f"{report.whole}:{images}"


def _newest(path: Path, keys: tuple[str, ...]) -> dict[str, Any] | None:
    for line in reversed(path.read_bytes().split(b"\n")):
        try:
            value = json.loads(line)
            if value["key"] in keys and value["digest"] == digest_json(value["snapshot"]):
                return dict(value["snapshot"])
        except (ValueError, KeyError, TypeError):
            continue
    return None
