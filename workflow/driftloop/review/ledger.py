"""The ledger: what people decided about a window, as append-only, hash-chained JSON lines.

One file a window, `decisions/{window}.jsonl`, written by people and tracked by Git. Each line is one
entry in canonical JSON. It ends with its own digest and carries the digest of the line before it. So a change
anywhere, also in the last line, is found. Nothing is ever taken out or overwritten: a second thought, or a
second reviewer, is another line. An empty file is an empty ledger, unless the head beside it
(`driftloop.tracker.head`) says that there were entries.
"""

from __future__ import annotations

import itertools
import json
import os
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from driftloop.errors import LedgerError
from driftloop.files import digest_json
from driftloop.findings.drift import Drift
from driftloop.review.decision import DECISIONS, Answer, sorted_labels
from driftloop.review.ledger_file import (
    keep_copy,
    locked,
    read_all,
    read_with_head,
    remedy,
    sync_folder,
    write_from,
)
from driftloop.trace import note_read
from driftloop.tracker.head import Head, moving_head, read_head


class Reported(NamedTuple):
    """What of a drift report an answer is bound to, as SHA-256: an answer stands where either is the same.

    Attributes:
        whole: of all of it.
        findings: of what it found, whatever the levels of its tests. None in entries of earlier versions.
    """

    whole: str
    findings: str | None = None


def reported(report: Drift) -> Reported:
    """Return what an answer to a drift report is bound to.

    The level of the check leaves its mark in `alpha`, and in whether the windows before were asked, too
    (`stream`). Neither shows in the window's figures, nor in the samples that are picked. Whether it drifted
    is a finding.
    """
    whole = report.to_json()
    found = {name: value for name, value in whole.items() if name not in ("alpha", "stream")}
    return Reported(digest_json(whole), digest_json(found))


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: an answer, who gave it, when, and what was on screen.

    Attributes:
        project: id of the project, see `project_id`.
        window: the window's name.
        reviewer: who signed.
        simulated: whether that was no person.
        findings: SHA-256 of what that report found, see `Reported`. None in entries of earlier versions.
        settles: whether it is an answer that stood, signed again with more labels to settle a repair.
        time: UTC, as `2026-01-31T23:59:59Z`.
        answer: what they said.
        report: SHA-256 of the drift report.
        images: SHA-256 of the samples on screen.
        content: SHA-256 of the whole window's images.
        previous: digest of the entry before it, None for the first. Filled in by `append`.
        digest: SHA-256 of everything else here. Filled in by `append`.
    """

    project: str
    window: str
    reviewer: str
    simulated: bool
    time: str
    answer: Answer
    report: str
    images: str
    content: str
    findings: str | None = None
    settles: bool = False
    previous: str | None = None
    digest: str = ""

    @property
    def why(self) -> str:
        """What it was signed for, in words. Settling a repair signs the reviewer's words once more."""
        return "to settle what the gate left open" if self.settles else self.answer.reason

    @property
    def reported(self) -> Reported:
        """What of the drift report it is bound to."""
        return Reported(self.report, self.findings)

    def answers(self, report: Reported) -> bool:
        """Tell whether it was signed for this report, or for one that found the same."""
        same = self.findings is not None and self.findings == report.findings
        return same or self.report == report.whole

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as it stands in the file, in the file's order of keys."""
        answer = self.answer
        return {
            "project": self.project,
            "window": self.window,
            "reviewer": self.reviewer,
            "simulated": self.simulated,
            "time": self.time,
            "decision": answer.decision,
            "diagnosis": answer.diagnosis,
            "reason": answer.reason,
            "labels": sorted_labels(answer.labels),
            "report": self.report,
            "images": self.images,
            "content": self.content,
            **({} if self.findings is None else {"findings": self.findings}),
            **({"settles": True} if self.settles else {}),
            "previous": self.previous,
            "digest": self.digest,
        }


def new_entry(
    answer: Answer,
    *,
    project: str,
    window: str,
    reviewer: str,
    report: Reported,
    images: str,
    content: str,
    simulated: bool = False,
    settles: bool = False,
    time: datetime | None = None,
) -> Entry:
    """Return an entry that `append` can take, stamped with the present time (UTC) unless `time` is given."""
    if answer.decision not in DECISIONS:
        raise LedgerError(f"decision is {answer.decision!r}; it is one of {', '.join(DECISIONS)}.")
    if not reviewer.strip():
        raise LedgerError("An entry needs its reviewer's name. Give one with --reviewer NAME.")
    stamp = (time or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Entry(
        project,
        window,
        reviewer.strip(),
        simulated,
        stamp,
        answer,
        report.whole,
        images,
        content,
        report.findings,
        settles,
    )


def project_id(decisions: Path) -> str:
    """Return the project's id, kept in `project.json` beside the ledgers. Make it on first use.

    Raises:
        LedgerError: the file is damaged, or is gone while ledgers are there.
    """
    path = decisions / "project.json"
    if not path.exists():
        kept = sorted((*decisions.glob("*.jsonl"), *decisions.glob("*.jsonl.head")))
        orphans = [each.name for each in kept if each.stat().st_size]
        if orphans:
            raise LedgerError(
                f"{path} is missing, but {decisions} holds entries ({orphans[0]}). "
                f"It says which project they belong to; bring it back: git checkout -- {path}"
            )
        _create_project(path)
    try:
        content = path.read_bytes()
        note_read(path, content)
        return str(json.loads(content)["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{path} is damaged ({error}). Bring it back: git checkout -- {path}") from error


def append(path: Path, entry: Entry) -> Entry:
    """Add `entry` at the end of the ledger and return it with its place in the chain.

    The whole ledger is verified first, under a lock, so that several processes can append at once and
    none builds on a damaged file. A last line that a crash left unfinished (it was never acknowledged)
    makes room. When this returns, the entry is on the disk, and the ledger's head says so.

    Raises:
        LedgerError: the ledger does not hold, or belongs to another project or window.
    """
    with locked(path) as descriptor:
        content, head = read_all(descriptor), read_head(path, remedy=remedy(path))
        entries, torn = _verified(content, head, path)
        _refuse_strangers(entries, path, entry.project, entry.window)
        chained = _seal(replace(entry, previous=entries[-1].digest if entries else None))
        whole = content[: len(content) - torn]
        line = (b"\n" if whole and not whole.endswith(b"\n") else b"") + line_of(chained)
        with moving_head(path, Head(len(entries) + 1, chained.digest)):
            write_from(descriptor, len(whole), line)
        note_read(path, whole + line)
        keep_copy(path, whole + line)
    sync_folder(path.parent)
    return chained


def read_ledger(path: Path, *, project: str | None = None, window: str | None = None) -> tuple[Entry, ...]:
    """Read and verify a ledger, oldest entry first. A missing or empty file that has no head has none.

    An unfinished last line that never counted is left out: a crash leaves such, and `verify` reports it.

    Args:
        path: of the ledger.
        project: that it must belong to, or None.
        window: that it must be about. By default the one that its file is named after.

    Raises:
        LedgerError: names the first entry that does not hold, says that entries are gone, or names the other
            project it belongs to.
    """
    entries, _ = _verified(*read_with_head(path), path)
    _refuse_strangers(entries, path, project, window or path.stem)
    return entries


def verify(path: Path, *, project: str | None = None) -> int:
    """Check every entry of a ledger and return how many there are.

    Raises:
        LedgerError: as `read_ledger` has it; or the last line is unfinished.
    """
    entries, torn = _verified(*read_with_head(path), path)
    _refuse_strangers(entries, path, project, path.stem)
    if torn:
        raise LedgerError(
            f"{path}: line {len(entries) + 1} is unfinished ({torn} bytes): a crash cut it off "
            f"before it counted. The {len(entries)} before it hold; the next review takes its place."
        )
    return len(entries)


def anchor(path: Path) -> None:
    """Bring a ledger's head and copy up to its last entry. A crash or an earlier version leaves them behind.

    Another account's ledger, which this one may read alone, is left to it.

    Raises:
        LedgerError: the ledger does not hold.
    """
    content, head = read_with_head(path)
    entries, _ = _verified(content, head, path)
    if not entries or (head and head.entries == len(entries)) or not os.access(path, os.W_OK):
        return
    with locked(path) as descriptor:
        content, head = read_all(descriptor), read_head(path, remedy=remedy(path))
        entries, torn = _verified(content, head, path)
        if entries and (head is None or head.entries < len(entries)):
            with moving_head(path, Head(len(entries), entries[-1].digest)):
                keep_copy(path, content[: len(content) - torn])


def standing_decision(
    entries: Sequence[Entry], report: Reported, images: str, *, humans_only: bool = False
) -> Entry | None:
    """Return the entry that answers this report and these images, or None.

    The newest one stands. A person's goes before a simulated reviewer's.
    """
    fitting = [entry for entry in entries if entry.answers(report) and entry.images == images]
    people = [entry for entry in fitting if not entry.simulated]
    candidates = people or ([] if humans_only else fitting)
    return candidates[-1] if candidates else None


def as_decided(entries: Sequence[Entry], standing: Entry) -> Entry:
    """Return the answer that stands as its reviewer signed it, not as settling its repair did since."""
    if not standing.settles:
        return standing
    before = [entry for entry in entries[: entries.index(standing)] if not entry.settles]
    author = standing_decision(before, standing.reported, standing.images) or standing
    return replace(standing, reviewer=author.reviewer, simulated=author.simulated)


def settled_labels(
    entries: Sequence[Entry], report: Reported, images: str, shown: Collection[int]
) -> dict[int, str]:
    """Return what people labelled beyond the samples of a review, to settle whether a repair helps.

    A new review by another person does not remove it. Of a sample the newest label counts.
    """
    fitting = [entry for entry in entries if entry.answers(report) and entry.images == images]
    given = [each for entry in fitting if not entry.simulated for each in entry.answer.labels.items()]
    return {index: label for index, label in given if index not in shown}


def reviews(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries in which people say what they saw, oldest first.

    A person who settles a repair signs the answer that stands along with the new labels. That is no second
    opinion.
    """
    return [entry for entry in entries if not entry.simulated and not entry.settles]


def sound_entries(content: bytes, *, project: str, window: str) -> tuple[Entry, ...]:
    """Return the entries of some bytes that hold, up to the first that does not or belongs elsewhere."""
    entries, _ = _parse(_split(content)[0])
    return tuple(itertools.takewhile(lambda each: (each.project, each.window) == (project, window), entries))


def digests(entries: Sequence[Entry]) -> list[str]:
    """Return what each entry's line carries as its digest."""
    return [entry.digest for entry in entries]


def line_of(entry: Entry) -> bytes:
    """Return an entry as its line in the file."""
    return json.dumps(entry.as_dict(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _seal(entry: Entry) -> Entry:
    content = entry.as_dict()
    del content["digest"]
    return replace(entry, digest=digest_json(content))


def _entry(value: dict[str, Any]) -> Entry:
    """Build an entry from a line's JSON. Raises KeyError, TypeError or ValueError when it is none."""
    answer = Answer(
        decision=value["decision"],
        diagnosis=value["diagnosis"],
        reason=value["reason"],
        labels={int(index): str(label) for index, label in value["labels"].items()},
    )
    optional = {"findings": value.get("findings"), "settles": value.get("settles", False)}
    asked = {item.name for item in fields(Entry)} - {"answer", *optional}
    return Entry(answer=answer, **optional, **{name: value[name] for name in asked})


def _verified(content: bytes, head: Head | None, path: Path) -> tuple[tuple[Entry, ...], int]:
    """Return the entries of a ledger that holds, and how many bytes of an unfinished one follow them."""
    whole, torn = _split(content)
    entries, problem = _parse(whole)
    back = remedy(path)
    if problem:
        at = len(entries) + 1
        raise LedgerError(f"{path}: entry {at} does not hold: {problem}. The {at - 1} before it do. {back}")
    if head and len(entries) < head.entries:
        left = f"{len(entries)} of {head.entries} are left{', and the next one is cut short' if torn else ''}"
        raise LedgerError(f"{path} has lost entries that were signed: {left}. {back}")
    if head and not head.holds(digests(entries)):
        raise LedgerError(
            f"{path} was rewritten: entry {head.entries} is not the one that was signed. {back}"
        )
    return entries, len(torn)


def _split(content: bytes) -> tuple[bytes, bytes]:
    """Split a ledger's bytes into its whole lines and what a crash left unfinished behind them.

    A last line that only lacks its line end is whole: an editor took the line end away, or the crash
    came right before it. It is unfinished when no JSON value stands there.
    """
    end = content.rfind(b"\n") + 1
    tail = content[end:]
    try:
        json.JSONDecoder().raw_decode(tail.decode(errors="replace"))
    except ValueError:
        return content[:end], tail
    return content, b""


def _parse(whole: bytes) -> tuple[tuple[Entry, ...], str | None]:
    """Read whole lines. Each is canonical, has the digest it claims, and follows the one before.

    Returns:
        The entries up to the first that does not hold, and what is wrong with that, or None.
    """
    entries: list[Entry] = []
    lines = whole.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for line in lines:
        try:
            entry = _entry(json.loads(line))
            canonical = line_of(entry) == line + b"\n"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            canonical = False
        if not canonical:
            return tuple(entries), "it is not an entry in canonical form"
        if _seal(entry).digest != entry.digest:
            return tuple(entries), "its content does not match its own digest"
        if entry.previous != (entries[-1].digest if entries else None):
            return tuple(entries), "it does not follow the entry before it"
        entries.append(entry)
    return tuple(entries), None


def _refuse_strangers(entries: Sequence[Entry], path: Path, project: str | None, window: str) -> None:
    for number, entry in enumerate(entries, start=1):
        if project is not None and entry.project != project:
            raise LedgerError(
                f"{path}: entry {number} is of another project ({entry.project}; this one is {project}), "
                "so it is about other images. Move the file away, or bring back decisions/project.json."
            )
        if entry.window != window:
            raise LedgerError(
                f"{path}: entry {number} is about window {entry.window}, not {window}. Rename it back."
            )


def _create_project(path: Path) -> None:
    """Write a fresh id once, also when several processes come here together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".project.{uuid.uuid4().hex}.json")
    temporary.write_text(json.dumps({"id": str(uuid.uuid4())}) + "\n", encoding="utf-8")
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # another process was first. Its id is as good
    finally:
        temporary.unlink()
