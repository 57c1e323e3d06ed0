"""`driftloop settle`: label the samples that decide what the gate left open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.ledger import append_answer, entries_of, standing_on

if TYPE_CHECKING:
    from driftloop.review.decision import Answer
    from driftloop.review.ledger import Entry
    from driftloop.review.material import Material

_DRAFTS = Path(".driftloop") / "drafts" / "settling"


@click.command()
@click.argument("window")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV file with the columns index and label, to answer without a terminal.",
)
@click.option("--reviewer", help="Your name; by default Git's user.name.")
@click.option("--json", "as_json", is_flag=True, help="Print the samples to label, ask nothing.")
def settle(
    window: str, overrides: tuple[str, ...], labels: Path | None, reviewer: str | None, as_json: bool
) -> None:
    """Label those samples of WINDOW that show whether its repair helps.

    They are drawn at random from the samples on which incumbent and candidate disagree, so a few settle what
    the labels of the review left open. The gate looks again when the workflow runs next, and then no more.
    """
    from dataclasses import replace

    from driftloop.commands.review import pending
    from driftloop.commands.step import known_window
    from driftloop.errors import LedgerError
    from driftloop.params.load import load_params
    from driftloop.review.answers import check_answer, read_labels
    from driftloop.review.ask import ask, git_name
    from driftloop.review.decision import Answer
    from driftloop.review.material import load_material
    from driftloop.review.state import Unsettled
    from driftloop.review.terminal import is_interactive

    params = load_params(overrides)
    reviewed = load_material(known_window(params, window), params["corruptions"])
    standing = _standing(reviewed)
    samples, said = _left_open(window, _verdict(standing, reviewed), _settled(reviewed))
    asked = load_material(window, params["corruptions"], asked=samples)
    if as_json:
        click.echo(json.dumps({"window": window, "samples": [pick.index for pick in asked.picks]}))
        return

    def record(answer: Answer, name: str) -> Entry:
        """Sign the answer that stands anew, with the new labels beside the old ones."""
        new, now = check_answer(answer, asked).labels, _standing(reviewed)
        if _verdict(now, reviewed) != _verdict(standing, reviewed):
            raise LedgerError(
                f"{window} was decided anew by {now.reviewer} meanwhile, so its repair is another one. "
                "Nothing was signed; labels given at the terminal are kept. Run: snakemake --cores all"
            )
        signed = replace(now.answer, labels={**now.answer.labels, **new})
        return append_answer(reviewed, signed, name, settles=True)

    if labels:
        before = standing.answer
        given = Answer(before.decision, before.diagnosis, before.reason, read_labels(labels, asked))
        entry = record(given, reviewer or git_name())
    elif is_interactive():
        unsettled = Unsettled(standing.answer, said, reviewed.images_digest)
        entry = ask(asked, (), _DRAFTS, record, reviewer=reviewer, unsettled=unsettled)
    else:
        raise pending(window, f"driftloop settle {window} --labels FILE.csv")
    _confirm(entry, samples)


def _standing(material: Material) -> Entry:
    from driftloop.errors import LedgerError

    standing = standing_on(material)
    if standing is None:
        raise LedgerError(
            f"No decision stands for {material.window}. Run: driftloop review {material.window}"
        )
    return standing


def _verdict(entry: Entry, reviewed: Material) -> dict[str, Any]:
    """Return what an entry lets the workflow do, whatever was labelled after the review."""
    from driftloop.review.decision import verdict

    return verdict(entry.window, drifted=True, answer=entry.answer.on(reviewed.shown))


def _left_open(
    window: str, verdict: Mapping[str, Any], given: Mapping[int, str]
) -> tuple[list[int], tuple[str, ...]]:
    """Return the samples whose labels the gate still asks for, and what it said of each candidate."""
    from driftloop.errors import LedgerError
    from driftloop.files import read_json
    from driftloop.report.summary import believed

    path = layout.results(window) / "evaluation.json"
    found: dict[str, Any] = read_json(path) if path.exists() else {}
    said = tuple(each["sentence"] for each in found.get("candidates", {}).values())
    if found and believed(verdict, found) is None:
        raise LedgerError(
            f"{window} was reviewed anew, and its repair is not judged yet. Run: snakemake --cores all"
        )
    if not found.get("ask"):
        why = " ".join(said) or f"{path} does not exist. Run: snakemake --cores all"
        raise LedgerError(f"Nothing is open for {window}. {why}")
    left = [int(index) for index in found["ask"] if index not in given]
    if not left:
        raise LedgerError(f"All that was asked for {window} is answered. Run: snakemake --cores all")
    return left, said


def _confirm(entry: Entry, asked: list[int]) -> None:
    from driftloop.commands.console import say

    left = sum(index not in entry.answer.labels for index in asked)
    answered = f"{len(asked) - left} of {len(asked)}" if left else f"{len(asked)}"
    say(
        f"{entry.window}: {answered} samples answered, signed by {entry.reviewer}, in "
        f"{layout.ledger(entry.window)}. Next: "
        + (f"driftloop settle {entry.window}, for the rest" if left else "snakemake --cores all")
    )


def settling_labels(window: str, asked: list[int], params: dict[str, Any]) -> dict[int, str]:
    """Return what was labelled after the review, to settle what the gate left open.

    The simulated reviewer labels what is asked here and now, if its decision on this window stands.
    """
    from driftloop.commands.console import say
    from driftloop.commands.simulated import simulated_answer
    from driftloop.review.material import load_material

    material = load_material(window, params["corruptions"])
    standing = standing_on(material)
    if standing is None or not standing.simulated:
        return _settled(material)
    if not asked:
        return {}
    say(f"{window}: the SIMULATED reviewer labels {len(asked)} samples on which the models disagree.")
    return dict(simulated_answer(material, asked, params).labels)


def _settled(material: Material) -> dict[int, str]:
    from driftloop.review.ledger import settled_labels

    entries = entries_of(material.window)
    return settled_labels(entries, material.report_digest, material.images_digest, material.shown)
