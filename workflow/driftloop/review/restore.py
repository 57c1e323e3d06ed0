"""Several states of one ledger made one again: after damage, and after two clones took answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from driftloop.errors import LedgerError
from driftloop.review.ledger import Entry, append, digests, line_of, read_ledger, sound_entries
from driftloop.review.ledger_file import keep_copy, locked, read_all, read_copy, write_from
from driftloop.tracker.head import Head, head_of, moving_head, read_head


def restore(path: Path, copies: Sequence[bytes], *, project: str, as_it_is: bool = False) -> int:
    """Put a damaged ledger back to the longest of its states that has all that its head tells of.

    Args:
        path: of the ledger. The part of it that still holds is one of the states to choose from.
        copies: bytes that it had at other times, in any order, damaged or not.
        project: that it belongs to.
        as_it_is: go on with the entries that still hold, where no copy has those that are gone.

    Returns:
        How many entries it has now.

    Raises:
        LedgerError: no state has what the head tells of; or the head is damaged too, and the states part.
    """
    with locked(path) as descriptor:
        content = read_all(descriptor)
        states = [sound_entries(each, project=project, window=path.stem) for each in (content, *copies)]
        try:
            chosen = _choose(states, path)
        except LedgerError:
            if not as_it_is:
                raise
            chosen = states[0]
        whole = b"".join(map(line_of, chosen))
        for before, ending in ((content, ".damaged"), (read_copy(path), ".replaced")):
            if not whole.startswith(before):
                keep_copy(path.with_suffix(ending), before)
        if chosen:
            with moving_head(path, Head(len(chosen), chosen[-1].digest)):
                write_from(descriptor, 0, whole)
        else:
            write_from(descriptor, 0, whole)
            head_of(path).unlink(missing_ok=True)
        keep_copy(path, whole)
    return len(chosen)


def _choose(states: Sequence[tuple[Entry, ...]], path: Path) -> tuple[Entry, ...]:
    """Return the longest state that the head allows. Without a head, the one that all others lead up to."""
    try:
        head = read_head(path)
    except LedgerError:
        head = None
    fitting = [each for each in states if head is None or head.holds(digests(each))]
    chosen = max(fitting, key=len, default=())
    parted = head is None and any(each != chosen[: len(each)] for each in states)
    if parted or not fitting:
        raise LedgerError(
            f"{path}: no copy holds all that was signed. {len(states[0])} entries still hold here. Look for "
            f"the others in Git (git log -p -- {path}) or a backup. To go on with those that hold, and sign "
            f"anew what is gone: driftloop ledger restore {path.stem} --as-it-is"
        )
    return chosen


def merge(path: Path, other: Path, *, project: str) -> list[Entry]:
    """Add to a ledger what another copy of it holds and it lacks. Return that with its place in the chain.

    Two clones of a project that both took answers to a window have such copies, whose chains part. What both
    hold is known by all but its place. What is added comes last, in its order.

    Raises:
        LedgerError: either does not hold, or is of another project or window.
    """
    theirs = read_ledger(other, project=project, window=path.stem)
    return [append(path, entry) for entry in lacking(read_ledger(path, project=project), theirs)]


def lacking(entries: Sequence[Entry], others: Sequence[Entry]) -> list[Entry]:
    """Return those of the others, without their places in a chain, that are not among some entries."""
    known = [_unchained(entry) for entry in entries]
    return [entry for entry in map(_unchained, others) if entry not in known]


def _unchained(entry: Entry) -> Entry:
    return replace(entry, previous=None, digest="")
