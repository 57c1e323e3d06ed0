"""The ledger at the edges: entries read and signed, and `driftloop ledger`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftloop import layout
from driftloop.commands.console import tell_json

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
    digests = material.reported, material.images_digest
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
        report=material.reported,
        images=material.images_digest,
        content=material.content,
    )
    return append(layout.ledger(material.window), entry)


def left_behind() -> str | None:
    """Say what people wrote that a copy of the project lacks which DVC has made for an experiment; or None.

    `dvc exp run --temp` and `--queue` copy what Git tracks, and name the project in DVC_ROOT.
    """
    project = Path(os.environ.get("DVC_ROOT", "."))
    written = (*project.glob(str(layout.ledger("*"))), project / layout.ARRIVALS)
    names = [path.relative_to(project) for path in written if path.is_file() and path.stat().st_size]
    if not (missing := sorted(str(name) for name in names if not name.exists())):
        return None
    places = sorted({name.partition(os.sep)[0] for name in missing})
    return (
        f"This copy of {project} lacks what Git does not track there: {', '.join(missing)}. For an "
        f"experiment that has it: git add {' '.join(places)}, and run it again."
    )


@click.group()
def ledger() -> None:
    """Read and verify what people decided."""


@ledger.command()
@click.argument("windows", nargs=-1, metavar="[WINDOW]...")
def verify(windows: tuple[str, ...]) -> None:
    """Check that no entry was changed, put in or taken out. Name the first that does not hold.

    Ledgers are held against their heads, and against Git's last commit. A ledger that was taken away together
    with its head, before it was committed, leaves no trace.
    """
    from driftloop.commands.console import say
    from driftloop.errors import LedgerError
    from driftloop.review.ledger import project_id, read_ledger, sound_entries
    from driftloop.review.ledger import verify as verify_ledger
    from driftloop.review.restore import lacking

    paths = _ledgers(windows)
    project = project_id(layout.DECISIONS) if paths else ""
    counts = [verify_ledger(path, project=project) for path in paths]
    for path in paths:
        for content in _committed(path, revisions=1):
            signed = sound_entries(content, project=project, window=path.stem)
            if gone := lacking(read_ledger(path), signed):
                raise LedgerError(
                    f"{path} lacks {len(gone)} of the {len(signed)} entries that Git's last commit has. "
                    f"Bring them back: driftloop ledger restore {path.stem}"
                )
    if not counts:
        say(f"{layout.DECISIONS} holds no ledger: nothing was decided here yet.")
        return
    kept = sum(map(bool, counts))
    say(f"All entries hold: {sum(counts)} in {kept} ledger{'' if kept == 1 else 's'}.")


@ledger.command()
@click.argument("window")
@click.option(
    "--as-it-is",
    is_flag=True,
    help="Go on with the entries that hold, where no copy has those that are gone.",
)
def restore(window: str, as_it_is: bool) -> None:
    """Bring the damaged ledger of WINDOW back, from the copy in .driftloop or from Git.

    The state that holds most of what was signed is taken. What is replaced is kept in .driftloop/ledgers.
    """
    from driftloop.commands.console import say
    from driftloop.review.ledger import project_id
    from driftloop.review.ledger_file import read_copy
    from driftloop.review.restore import restore as restore_ledger

    (path,) = _ledgers((window,))
    copies = [read_copy(path), *_committed(path, revisions=_REVISIONS)]
    count = restore_ledger(path, copies, project=project_id(layout.DECISIONS), as_it_is=as_it_is)
    say(f"{path} holds {count} {'entry' if count == 1 else 'entries'} now. Next: snakemake --cores all")


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
        tell_json([entry.as_dict() for entry in entries])
        return
    from driftloop.commands.plain_console import PlainConsole
    from driftloop.review.history import history

    PlainConsole().print(history(entries))


@ledger.command()
@click.argument("window")
@click.argument("other", type=click.Path(path_type=Path, dir_okay=False))
def merge(window: str, other: Path) -> None:
    """Add to WINDOW's ledger what OTHER, the ledger of another clone of this project, has beside it.

    Added entries count as newer than those that are there.
    """
    from driftloop.commands.console import say
    from driftloop.commands.step import known_window
    from driftloop.errors import LedgerError
    from driftloop.params.load import load_params
    from driftloop.review.ledger import project_id
    from driftloop.review.restore import merge as merge_ledger

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


_REVISIONS = 50
"""Commits that are searched for a ledger as it was."""


def _ledgers(windows: tuple[str, ...]) -> list[Path]:
    """Return the ledgers of some windows, or all that there are, were, or are in Git's last commit."""
    from driftloop.errors import LedgerError
    from driftloop.tracker.head import head_of

    listed = _git("ls-tree", "--name-only", "HEAD", f"{layout.DECISIONS}/") or b""
    committed = {Path(os.fsdecode(name)) for name in listed.splitlines() if name.endswith(b".jsonl")}
    if not windows:
        heads = (path.with_suffix("") for path in layout.DECISIONS.glob("*.jsonl.head"))
        return sorted({*layout.DECISIONS.glob("*.jsonl"), *heads, *committed})
    for path in map(layout.ledger, windows):
        if not (path.exists() or head_of(path).exists() or path in committed):
            raise LedgerError(f"{path} does not exist: nothing was decided about {path.stem} yet.")
    return [layout.ledger(window) for window in windows]


def _committed(path: Path, *, revisions: int) -> list[bytes]:
    """Return a ledger's bytes as Git has them, newest first. None where Git has none, or is not there."""
    listed = _git("rev-list", f"--max-count={revisions}", "HEAD", "--", str(path)) or b""
    names = ["HEAD", *listed.decode().split()][:revisions]
    return [content for name in names if (content := _git("show", f"{name}:./{path}")) is not None]


def _git(*arguments: str) -> bytes | None:
    """Return what Git says, or None where it is not there, or knows of no such thing."""
    import subprocess

    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return None
