"""Production: which of the models is in use, as a pointer that moves in one step, with every move kept.

`decisions/production.json` is the output of no rule. The workflow moves it along when a repair is promoted on
top of what is in production. People move it with `driftloop promote` and `driftloop rollback`. After a
rollback it stays where it is until a person moves it again. The workflow never brings back a model that a
person has moved it away from, even if it makes that model anew.

A pointer that lost moves, or is gone, is missed by its head, `decisions/production.json.head`. Then nothing
is in use until the file is brought back or a person promotes a model.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from driftloop import layout
from driftloop.errors import DataError, DriftloopError, LedgerError, ModelError
from driftloop.files import digest_json, read_json, write_json
from driftloop.tracker.head import Head, head_of, moving_head, read_head

WORKFLOW = "workflow"
"""Who moved the pointer, where it was no person."""


@dataclass(frozen=True)
class Move:
    """One move of the pointer.

    Attributes:
        owner: whose model came into use: a window, or `reference`.
        model: that model's digest.
        time: UTC, as `2026-01-31T23:59:59Z`.
        by: who moved it, a person or `WORKFLOW`.
        pinned: whether the workflow leaves it there.
        reason: why, in the mover's words.
    """

    owner: str
    model: str
    time: str
    by: str
    pinned: bool = False
    reason: str = ""


def read_moves() -> tuple[Move, ...]:
    """Return every move of the pointer, oldest first. None before the first one.

    Raises:
        ModelError: the file is damaged, or moves are gone. The message says what to do.
    """
    path = layout.PRODUCTION
    try:
        moves = tuple(Move(**move) for move in read_json(path)["moves"]) if path.exists() else ()
        head = read_head(path)
    except (DataError, LedgerError, TypeError, KeyError) as error:
        raise ModelError(f"{path} does not tell which model is in production ({error}) {_REMEDY}") from error
    if head and not head.holds(_chain(moves)):
        raise ModelError(
            f"{path} has lost moves, or was rewritten: {head.entries} were made, and {len(moves)} are there. "
            f"{_REMEDY}"
        )
    return moves


def anchor() -> None:
    """Bring the pointer's head up to its last move. A crash or an earlier version leaves it behind.

    Raises:
        ModelError: the pointer is damaged.
    """

    def behind(moves: tuple[Move, ...]) -> bool:
        head = read_head(layout.PRODUCTION)
        return bool(moves) and (head is None or head.entries < len(moves))

    if not behind(read_moves()):
        return  # most runs need write nothing here
    with _locked():
        if behind(moves := read_moves()):
            with moving_head(layout.PRODUCTION, Head(len(moves), _chain(moves)[-1])):
                pass


_REMEDY = (
    f"Bring it back: git checkout -- {layout.PRODUCTION} {head_of(layout.PRODUCTION)}. Or choose the model "
    "yourself, which begins it anew: driftloop promote WINDOW"
)


def _chain(moves: Iterable[Move]) -> list[str]:
    """Return a digest for each move that stands for it and all before it."""
    digests: list[str] = []
    for each in moves:
        digests.append(digest_json([*digests[-1:], asdict(each)]))
    return digests


def move(owner: str, by: str, *, reason: str = "") -> Move:
    """Point production at a model. Readers see the pointer before the move or after it, never between.

    A pin ends with it, except where only the model that is in use was made anew. A damaged pointer is begun
    anew. What it held is kept beside it, in `production.damaged`.

    Raises:
        ModelError: there is no such model, or its weights are not those that it was written for.
    """
    from driftloop.models.store import sound_digest

    with _locked():
        model = sound_digest(layout.model(owner))
        try:
            moves = read_moves()
        except DriftloopError:
            moves = ()
            with suppress(FileNotFoundError):
                layout.PRODUCTION.replace(layout.PRODUCTION.with_suffix(".damaged"))
        anew = bool(moves) and moves[-1].owner == owner and moves[-1].model != model
        return _append(moves, owner, model, by, pinned=anew and moves[-1].pinned, reason=reason)


def roll_back(by: str, never: Collection[str] = (), *, reason: str = "") -> Move:
    """Put back what was in use before, and pin it there.

    Args:
        by: who does it.
        never: whose models are never put back.
        reason: why, in their words.

    Raises:
        ModelError: nothing was in use before, or it was made anew since.
    """
    from driftloop.models.store import sound_digest

    with _locked():
        moves = read_moves()
        before = previous((*(each for each in moves[:-1] if each.owner not in never), *moves[-1:]))
        if before is None:
            raise ModelError("No other model was in production before. To choose one: driftloop lineage")
        if sound_digest(layout.model(before.owner)) != before.model:
            raise ModelError(
                f"{layout.model(before.owner)} was made anew since it was in production. To use it as it is "
                f"now: driftloop promote {before.owner}"
            )
        return _append(moves, before.owner, before.model, by, pinned=True, reason=reason)


def follow(owner: str, model: str, parent: tuple[str, str]) -> Move | None:
    """Move the pointer on to a window's model, if what is in production is what that model was made from.

    Args:
        owner: the window.
        model: digest of the model that stands after it.
        parent: whose model its incumbent is, and that model's digest.

    Returns:
        The move. None where the pointer is at this model already, is pinned, is somewhere else, or was moved
        away from this window.
    """
    with _locked():
        moves = read_moves()
        if moves:
            now = moves[-1]
            left = any(each.owner == owner for each in moves)
            ours = now.owner == owner or (now.model == parent[1] and not left)
            if now.model == model or now.pinned or not ours:
                return None
        elif model == parent[1]:  # no repair: what was there is in use
            owner, model = parent
        return _append(moves, owner, model, WORKFLOW)


def leave_out(rehearsal: str, reference: str) -> Move | None:
    """Let the reference model stand in production where nothing does, or a rehearsal whose turn is over.

    Args:
        rehearsal: the window whose model is kept out.
        reference: digest of the reference model.

    Returns:
        The move. None where production is elsewhere, pinned, or at this model already.
    """
    with _locked():
        moves = read_moves()
        if moves:
            now = moves[-1]
            if now.owner not in (rehearsal, layout.REFERENCE) or now.pinned or now.model == reference:
                return None
        return _append(moves, layout.REFERENCE, reference, WORKFLOW)


def previous(moves: tuple[Move, ...]) -> Move | None:
    """Return what was in use before what is in use now, or None.

    A rollback is a step back in time: a second one goes further back, not forth again. Promoting an earlier
    model is a move forward to it, and a rollback undoes that.

    >>> a, b = Move("reference", "0", "", ""), Move("w02", "1", "", "")
    >>> previous((a, b)).owner, previous((a, b, a)).owner
    ('reference', 'w02')
    >>> rolled_back = Move("reference", "0", "", "", pinned=True)
    >>> previous((a, b, rolled_back))
    """
    trail: list[Move] = []
    for each in moves:
        models = [step.model for step in trail]
        if each.pinned and each.model in models:
            del trail[len(models) - 1 - models[::-1].index(each.model) :]
        elif trail and trail[-1].owner == each.owner:
            del trail[-1]  # made anew
        trail.append(each)
    return trail[-2] if len(trail) > 1 else None


def production_folder() -> Path:
    """Return the folder of the model in use.

    Raises:
        ModelError: no model is in use yet, or the folder holds another one than was put to use.
    """
    from driftloop.models.store import model_digest

    moves = read_moves()
    if not moves:
        raise ModelError(
            "No model is in production yet. "
            + (  # a run puts one there only where the stream has windows
                f"Put the reference model there: driftloop promote {layout.REFERENCE}"
                if (layout.model(layout.REFERENCE) / "model.json").exists()
                else "Make one: snakemake --cores all"
            )
        )
    now = moves[-1]
    folder = layout.model(now.owner)
    if model_digest(folder) != now.model:
        raise ModelError(
            f"{folder} is not the model that was put into production on {now.time}; it was made anew since. "
            f"To use it as it is now: driftloop promote {now.owner}"
        )
    return folder


def _append(
    moves: tuple[Move, ...], owner: str, model: str, by: str, *, pinned: bool = False, reason: str = ""
) -> Move:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    added = Move(owner, model, stamp, by, pinned, reason)
    every = (*moves, added)
    with moving_head(layout.PRODUCTION, Head(len(every), _chain(every)[-1])):
        write_json(layout.PRODUCTION, {"moves": [asdict(each) for each in every]})
    return added


@contextmanager
def _locked() -> Iterator[None]:
    """Keep other processes from moving the pointer meanwhile."""
    path = layout.PRODUCTION.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
