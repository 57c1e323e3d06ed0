"""`driftloop review` and `driftloop ledger`: ask about a window, and read what was answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from driftloop.review.ledger import Answer, Entry
    from driftloop.review.material import Material

_ROOT = Path()
_DECISIONS = Path("decisions")
_DRAFTS = Path(".driftloop") / "drafts"


@click.command("review")
@click.argument("window")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--decision", help="Answer without a terminal: keep, retrain, filter or both.")
@click.option("--diagnosis", help="The family of corruption that you see; a filter needs it.")
@click.option("--labels", type=click.Path(path_type=Path), help="CSV file with the columns index and label.")
@click.option("--reason", default="", help="Your own words, kept in the ledger.")
@click.option("--reviewer", help="Your name; by default Git's user.name.")
@click.option("--export", type=click.Path(path_type=Path), help="Write the samples as a picture and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print what a program needs.")
@click.option(
    "--verdict",
    type=click.Path(path_type=Path),
    help="Write the verdict here: from the ledger where it has an answer, else by asking. What the pipeline runs.",
)
def review(
    window: str,
    overrides: tuple[str, ...],
    decision: str | None,
    diagnosis: str | None,
    labels: Path | None,
    reason: str,
    reviewer: str | None,
    export: Path | None,
    as_json: bool,
    verdict: Path | None,
) -> None:
    """Look at the samples of a drifted WINDOW and decide what should happen.

    In a terminal it shows them and asks; with --decision it takes the answer from the command line.
    The answer goes into the ledger, decisions/WINDOW.jsonl. Leaving in between keeps every label.
    """
    from driftloop.review.material import load_material

    material = load_material(_ROOT, window)
    if decision is None and (labels or reason or diagnosis):
        raise click.UsageError("--labels, --diagnosis and --reason go with --decision.")
    if export:
        _export(material, export)
    elif decision is not None:
        _decide(material, decision, diagnosis, labels, reason, reviewer, as_json)
    elif verdict:
        _write_verdict(material, verdict, overrides, reviewer)
    elif as_json:
        click.echo(json.dumps(_questions(material), ensure_ascii=False, indent=2))
    else:
        _ask(material, reviewer)


def _export(material: Material, path: Path) -> None:
    from driftloop.errors import DataError
    from driftloop.files import atomic
    from driftloop.review.sheet import draw_sheet

    try:
        with atomic(path) as temporary:
            draw_sheet(material).save(temporary)
    except ValueError as error:
        raise DataError(f"{path}: {error}. Name it .png, .jpg or .pdf.") from error
    click.echo(f"Wrote {path}.")


def _decide(
    material: Material,
    decision: str,
    diagnosis: str | None,
    labels: Path | None,
    reason: str,
    reviewer: str | None,
    as_json: bool,
) -> None:
    """Take an answer from the command line."""
    from driftloop.review.answers import check_answer, read_labels
    from driftloop.review.ledger import Answer

    given = read_labels(labels, material) if labels else {}
    answer = check_answer(Answer(decision, diagnosis, reason, given), material)
    entry = _append(material, answer, _name(reviewer))
    if as_json:
        click.echo(json.dumps(entry.as_dict(), ensure_ascii=False, indent=2))
    else:
        _confirm(entry)


def _ask(material: Material, reviewer: str | None) -> Entry:
    """Ask the person at the terminal."""
    from driftloop.errors import ReviewPendingError
    from driftloop.review.terminal import ask, is_interactive

    if not is_interactive():
        raise ReviewPendingError(_pending(material))
    answer, name = ask(material, _DRAFTS, reviewer=reviewer, record=lambda *signed: _append(material, *signed))
    entry = _append(material, answer, name)
    _confirm(entry)
    return entry
