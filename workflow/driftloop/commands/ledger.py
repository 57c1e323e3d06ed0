"""The ledger at the edges: entries read and signed, and `driftloop ledger`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftloop import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftloop.review.decision import Answer
    from driftloop.review.ledger import Entry
    from driftloop.review.material import Material


def entries_of(window: str) -> Sequence[Entry]:
    """Return what was answered about a window, oldest first."""
    from driftloop.review.ledger import project_id, read_ledger

    return read_ledger(layout.ledger(window), project=project_id(layout.DECISIONS))


def standing_on(material: Material, *, humans_only: bool = False) -> Entry | None:
    """Return the entry that answers this report and these images, a person's before a simulated one."""
    from driftloop.review.ledger import standing_decision

    entries = entries_of(material.window)
    digests = material.report_digest, material.images_digest
    return standing_decision(entries, *digests, humans_only=humans_only)


def append_answer(
    material: Material, answer: Answer, reviewer: str, *, simulated: bool = False, settles: bool = False
) -> Entry:
    """Sign an answer: append it to the window's ledger."""
    from driftloop.review.ledger import append, new_entry, project_id

    entry = new_entry(
        answer,
        project=project_id(layout.DECISIONS),
        window=material.window,
        reviewer=reviewer,
        simulated=simulated,
        settles=settles,
        report=material.report_digest,
        images=material.images_digest,
        content=material.content,
    )
    return append(layout.ledger(material.window), entry)


@click.group()
def ledger() -> None:
    """Read and verify what people decided."""


@ledger.command()
@click.argument("windows", nargs=-1, metavar="[WINDOW]...")
def verify(windows: tuple[str, ...]) -> None:
    """Check that no entry was changed, taken out or put in; name the first that does not hold."""
    from driftloop.commands.console import say
    from driftloop.review.ledger import project_id
    from driftloop.review.ledger import verify as verify_ledger

    counts = [verify_ledger(path, project=project_id(layout.DECISIONS)) for path in _ledgers(windows)]
    if not counts:
        say(f"{layout.DECISIONS} holds no ledger: nothing was decided here yet.")
        return
    kept = sum(map(bool, counts))
    say(f"All entries hold: {sum(counts)} in {kept} ledger{'' if kept == 1 else 's'}.")


@ledger.command()
@click.argument("windows", nargs=-1, metavar="[WINDOW]...")
@click.option("--json", "as_json", is_flag=True, help="Print the entries as JSON.")
def show(windows: tuple[str, ...], as_json: bool) -> None:
    """Show who decided what, when and why, oldest first."""
    from driftloop.review.ledger import project_id, read_ledger

    entries = [
        entry
        for path in _ledgers(windows)
        for entry in read_ledger(path, project=project_id(layout.DECISIONS))
    ]
    if as_json:
        click.echo(json.dumps([entry.as_dict() for entry in entries], ensure_ascii=False, indent=2))
        return
    from rich.console import Console

    from driftloop.review.history import history

    Console(highlight=False).print(history(entries))


@ledger.command()
@click.argument("window")
@click.argument("other", type=click.Path(path_type=Path, dir_okay=False))
def merge(window: str, other: Path) -> None:
    """Add to WINDOW's ledger what OTHER, the ledger of another clone of this project, has beside it.

    What is added counts as newer than what is there.
    """
    from driftloop.commands.console import say
    from driftloop.commands.step import known_window
    from driftloop.errors import LedgerError
    from driftloop.params.load import load_params
    from driftloop.review.ledger import merge as merge_ledger
    from driftloop.review.ledger import project_id

    if not other.exists():
        raise LedgerError(f"{other} does not exist. Name the ledger of the other clone.")
    path = layout.ledger(known_window(load_params(), window))
    added = merge_ledger(path, other, project=project_id(layout.DECISIONS))
    if not added:
        say(f"{path} has all that {other} has.")
        return
    newest, many = added[-1], f"{len(added)} {'entry' if len(added) == 1 else 'entries'}"
    say(
        f"{path}: {many} added. The newest is {newest.reviewer}'s now: {newest.answer.decision}. "
        f"Whoever has another answer signs it again: driftloop review {window}"
    )


def _ledgers(windows: tuple[str, ...]) -> list[Path]:
    from driftloop.errors import LedgerError

    if not windows:
        return sorted(layout.DECISIONS.glob("*.jsonl"))
    for window in windows:
        if not layout.ledger(window).exists():
            raise LedgerError(
                f"{layout.ledger(window)} does not exist: nothing was decided about {window} yet."
            )
    return [layout.ledger(window) for window in windows]
