"""`driftloop review` and `driftloop ledger`: ask about a window, and read what was answered."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.console import tell_json
from driftloop.commands.ledger import append_answer, entries_of, standing_on

if TYPE_CHECKING:
    from driftloop.review.ledger import Entry
    from driftloop.review.material import Material

STEP = "review"
READS = ("seed", "review.reviewer", "review.error_rate", "review.abstention_rate")
"""The name of the step that writes a verdict, and the parameters that can change it. A verdict from a
simulated reviewer does not count when `review.reviewer` is `human` or its rates have changed."""

_DRAFTS = Path(".driftloop") / "drafts"
_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("window")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--decision", help="Answer without a terminal: keep, retrain, filter or both.")
@click.option("--diagnosis", help="The corruption that you see; repairs do better when they know it.")
@click.option(
    "--labels",
    type=_PATH,
    help="CSV file with the columns index and label; without it, those that you gave before.",
)
@click.option("--reason", default="", help="Your own words, kept in the ledger.")
@click.option("--reviewer", help="Your name; by default Git's user.name.")
@click.option("--export", type=_PATH, help="Write the samples as a picture, ask nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the questions, or with --decision the entry, as JSON."
)
@click.option(
    "--verdict", type=_PATH, help="Write the standing verdict here, asking only if there is none yet."
)
@click.option(
    "--pictures",
    type=click.Choice(["auto", "blocks", "kitty", "iterm2", "sixel"]),
    default="auto",
    envvar="DRIFTLOOP_PICTURES",
    help="How to show them; auto: as sharp as the terminal is known to be. Also $DRIFTLOOP_PICTURES.",
)
@click.option("--log", type=_PATH, help="Also write what is said here.")
def review(
    window: str,
    overrides: tuple[str, ...],
    export: Path | None,
    as_json: bool,
    verdict: Path | None,
    log: Path | None,
    reviewer: str | None,
    pictures: str,
    **given: Any,
) -> None:
    """Look at the samples of a drifted WINDOW and decide what should happen.

    In a terminal it shows them and asks; with --decision the answer comes from the command line. Answers
    go into the ledger, decisions/WINDOW.jsonl. A reviewer who leaves goes on at the same place.
    """
    from driftloop.commands.console import logging_to
    from driftloop.commands.step import known_window
    from driftloop.params.load import load_params
    from driftloop.params.merge import only
    from driftloop.tracker.provenance import make, record, vouched

    if given["decision"] is None and any(given.values()):
        raise click.UsageError("--labels, --diagnosis and --reason go with --decision.")
    if export and (given["decision"] is not None or as_json):
        raise click.UsageError(
            "--export asks nothing and takes no answer: it goes with neither --decision nor --json."
        )
    if verdict and (given["decision"] is not None or export):
        raise click.UsageError("--verdict goes with neither --decision nor --export.")
    with logging_to(log):
        params = load_params(overrides)
        known_window(params, window)
        if verdict:
            seen, home = only(params, READS), layout.results(window)
            make(
                record(home, STEP),
                STEP,
                window,
                seen,
                lambda: _write_verdict(window, verdict, params, reviewer, pictures),
            )
            return
        with vouched():
            material = _material(window, params)
        if not export:
            refuse_outdated(window, params)
        if export:
            _export(material, export)
        elif given["decision"] is not None:
            _answer(material, reviewer, as_json, **given)
        elif as_json:
            _print_questions(material)
        else:
            _ask(material, reviewer, pictures)


def refuse_outdated(window: str, params: dict[str, Any]) -> None:
    """Let nobody answer a report that the next run replaces.

    Raises:
        DataError: that is so. The message says why.
    """
    from driftloop.commands.track import outdated
    from driftloop.errors import DataError

    if reasons := outdated(window, params):
        raise DataError(
            f"{window} was checked under other circumstances: {'; '.join(reasons)}. The next run checks it "
            "anew: snakemake --cores all. (What a run takes with --config, this command takes as KEY=VALUE.)"
        )


def _material(window: str, params: dict[str, Any]) -> Material:
    from dataclasses import replace

    from driftloop.review.material import load_material

    stream = params["stream"]
    before = tuple(itertools.takewhile(lambda name: name != window, stream))[-20:]
    material = load_material(window, params["corruptions"], before, parent=stream[window]["parent"])
    return replace(material, clean_side=_clean_side(material.clean_accuracy))


def _clean_side(accuracy: float | None) -> str:
    """Say how well a repair can be judged on clean images, where that is not well. Nothing hangs on it."""
    from driftloop.data.dataset import load_dataset
    from driftloop.improver.margin import clean_side
    from driftloop.params.load import load_params
    from driftloop.trace import tracing

    splits = [layout.split(name) for name in ("test", "calibration")]
    if accuracy is None or not all((split / "meta.json").exists() for split in splits):
        return ""
    with tracing():
        gate, n = load_params()["gate"], sum(len(load_dataset(split)) for split in splits)
    side = clean_side(n, accuracy, gate["margin"], gate["alpha"])
    return side.sentence if side.tight else ""


def _refuse_undrifted(material: Material) -> None:
    from driftloop.errors import LedgerError

    if not material.drifted:
        window = material.window
        raise LedgerError(
            f"{window} has not drifted: there is nothing to decide. "
            f"To look at its samples: driftloop review {window} --export {window}.png"
        )


def _export(material: Material, path: Path) -> None:
    from driftloop.commands.console import say
    from driftloop.errors import DataError
    from driftloop.files import atomic
    from driftloop.review.sheet import draw_sheet

    standing = standing_on(material)
    sheet = draw_sheet(material, standing.answer.labels) if standing else draw_sheet(material)
    try:
        with atomic(path) as temporary:
            sheet.save(temporary)
    except ValueError as error:
        raise DataError(
            f"{path} has no ending that says which kind of picture it is. Try {path}.png"
        ) from error
    say(f"Wrote {path}.")


def _answer(
    material: Material,
    reviewer: str | None,
    as_json: bool,
    *,
    decision: str,
    diagnosis: str | None,
    labels: Path | None,
    reason: str,
) -> None:
    """Take the answer from the command line."""
    from driftloop.review.answers import check_answer, read_labels
    from driftloop.review.ask import git_name
    from driftloop.review.decision import Answer

    _refuse_undrifted(material)
    name = reviewer or git_name()
    given = read_labels(labels, material) if labels else _own_labels(material, name)
    seen = None if diagnosis == "unknown" else diagnosis
    answer = check_answer(Answer(decision, seen, reason, given), material)
    entry = append_answer(material, answer, name)
    if as_json:
        tell_json(entry.as_dict())
    else:
        _confirm(entry)


def _ask(material: Material, reviewer: str | None, pictures: str, *, going_on: bool = False) -> Entry:
    """Ask the person at the terminal."""
    from driftloop.review.ask import ask
    from driftloop.review.terminal import is_interactive

    _refuse_undrifted(material)
    if not is_interactive():
        raise pending(material.window, f"driftloop review {material.window}")
    entry = ask(
        material,
        entries_of(material.window),
        _DRAFTS,
        lambda *signed: append_answer(material, *signed),
        reviewer=reviewer,
        pictures=pictures,
        in_a_run=going_on,
    )
    _confirm(entry, going_on=going_on)
    return entry


def _write_verdict(
    window: str, path: Path, params: dict[str, Any], reviewer: str | None, pictures: str
) -> None:
    """Write what stands: nothing to ask, an answer in the ledger, or the answer that is given now."""
    from driftloop.review.decision import verdict
    from driftloop.review.ledger import anchor

    material = _material(window, params)
    answer = None
    if material.drifted:
        anchor(layout.ledger(window))
        answer = _decide(material, params, reviewer, pictures).answer.on(material.shown)
    verdict(window, drifted=material.drifted, answer=answer).write(path)


def _decide(material: Material, params: dict[str, Any], reviewer: str | None, pictures: str) -> Entry:
    """Return the entry that stands. If there is none, ask whoever is there to answer."""
    from driftloop.commands.simulated import simulate_review, still_says
    from driftloop.errors import ReviewPendingError
    from driftloop.review.draft import has_draft
    from driftloop.review.terminal import is_interactive

    mode = params["review"]["reviewer"]
    standing = standing_on(material, humans_only=mode == "human")
    if standing and (not standing.simulated or still_says(standing.answer, material, params)):
        return standing
    if mode != "simulated" and is_interactive():
        return _ask(material, reviewer, pictures, going_on=True)
    # What a person has begun to label stays theirs.
    theirs = mode == "auto" and has_draft(
        _DRAFTS, material.window, report=material.reported, images=material.images_digest
    )
    if mode != "human" and not theirs and layout.answers(material.window).exists():
        return simulate_review(material, params)
    if mode == "simulated":
        raise ReviewPendingError(
            f"{material.window} came from production: nobody knows its true labels, so no simulated reviewer "
            f"can answer. A person has to: driftloop review {material.window}"
        )
    raise pending(material.window, f"driftloop review {material.window}")


def _own_labels(material: Material, reviewer: str) -> dict[int, str]:
    """Return the labels of the reviewer's own answer to this report and these images, if there is one.

    Raises:
        LedgerError: another person's labels stand, which an answer without any would silently replace.
    """
    from driftloop.errors import LedgerError
    from driftloop.review.ledger import reviews, standing_decision

    own = [entry for entry in reviews(entries_of(material.window)) if entry.reviewer == reviewer]
    if mine := standing_decision(own, material.reported, material.images_digest):
        return dict(mine.answer.on(material.shown).labels)
    standing = standing_on(material, humans_only=True)
    if standing and standing.answer.on(material.shown).labels:
        theirs = f"the {len(standing.answer.on(material.shown).labels)} of {standing.reviewer}"
        raise LedgerError(
            f"{material.window}: an answer without labels would go before {theirs}. "
            "Give yours with --labels; a file with nothing but the row index,label gives none. "
            "Nothing was written."
        )
    return {}


def _confirm(entry: Entry, *, going_on: bool = False) -> None:
    """Say what was signed, and what to do next unless the run that asked goes on by itself."""
    from driftloop.commands.console import say
    from driftloop.tracker.run_lock import under_way

    say(
        f"{entry.window}: {entry.answer.decision}, with {len(entry.answer.labels)} labels, "
        f"signed by {entry.reviewer}, in {layout.ledger(entry.window)}."
        + ("" if going_on or under_way() else " Next: snakemake --cores all")
    )


def pending(window: str, command: str) -> Exception:
    """Return the error that stops a run until somebody has answered."""
    from driftloop.errors import ReviewPendingError

    return ReviewPendingError(f"No decision for window {window} yet. Run: {command}")


def _print_questions(material: Material) -> None:
    """Print what a program needs to answer: the samples, the classes, the diagnoses, what stands."""
    from dataclasses import asdict

    from driftloop.review.decision import DECISIONS, NONE, UNSURE

    standing = standing_on(material)
    questions = {
        "window": material.window,
        "drifted": material.drifted,
        "samples": [asdict(pick) for pick in material.picks],
        "labels": [*material.classes, NONE, UNSURE],
        "decisions": DECISIONS,
        "diagnoses": material.diagnoses,
        "standing": standing and standing.as_dict(),
    }
    tell_json(questions)
