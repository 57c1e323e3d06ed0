"""`driftloop settle`: label the samples that decide what the gate left open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.console import tell_json
from driftloop.commands.ledger import append_answer, entries_of, standing_on

if TYPE_CHECKING:
    from driftloop.commands.look import Look
    from driftloop.findings.evaluation import Evaluations
    from driftloop.findings.verdict import Verdict
    from driftloop.review.decision import Answer
    from driftloop.review.ledger import Entry
    from driftloop.review.material import Material

_DRAFTS = Path(".driftloop") / "drafts" / "settling"
_PATIENCE = 100
"""Samples that the simulated reviewer labels after a review."""


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

    They are drawn at random from the samples on which incumbent and candidate disagree. Label as many as you
    like, as often as you like: after each batch you are told what ten more would do. The gate looks again
    when the workflow runs next.
    """
    from dataclasses import replace

    from driftloop.commands.review import pending, refuse_outdated
    from driftloop.commands.step import known_window
    from driftloop.errors import LedgerError
    from driftloop.params.load import load_params
    from driftloop.review.answers import check_answer, read_labels
    from driftloop.review.ask import ask, git_name
    from driftloop.review.decision import Answer
    from driftloop.review.material import load_material
    from driftloop.review.state import Unsettled
    from driftloop.review.terminal import is_interactive
    from driftloop.tracker.provenance import vouched

    params = load_params(overrides)
    with vouched():
        reviewed = load_material(known_window(params, window), params["corruptions"])
        standing = _standing(reviewed)
        found = _evaluation(window, _verdict(standing, reviewed))
        said = tuple(each.sentence for each in found.candidates.values())
        samples = _left_open(found, reviewed, standing)
        asked = load_material(window, params["corruptions"], asked=samples)
    refuse_outdated(window, params)
    if as_json:
        tell_json({"window": window, "samples": [pick.index for pick in asked.picks]}, indent=None)
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
    _confirm(entry, samples, _look(found, reviewed, entry))


def _standing(material: Material) -> Entry:
    from driftloop.errors import LedgerError

    standing = standing_on(material)
    if standing is None:
        raise LedgerError(
            f"No decision stands for {material.window}. Run: driftloop review {material.window}"
        )
    return standing


def _verdict(entry: Entry, reviewed: Material) -> Verdict:
    """Return what an entry lets the workflow do, whatever was labelled after the review."""
    from driftloop.review.decision import verdict

    return verdict(entry.window, drifted=True, answer=entry.answer.on(reviewed.shown))


def _evaluation(window: str, verdict: Verdict) -> Evaluations:
    """Return what the gate found on a window's standing decision, if it asks for labels."""
    from driftloop.errors import LedgerError
    from driftloop.findings.evaluation import Evaluations

    path, found = layout.evaluation(window), Evaluations.on(verdict)
    if found is None and path.exists():
        raise LedgerError(
            f"{window} was reviewed anew, and its repair is not judged yet. Run: snakemake --cores all"
        )
    if found is None:
        raise LedgerError(f"Nothing is open for {window}. {path} does not exist. Run: snakemake --cores all")
    if not found.ask:
        said = " ".join(each.sentence for each in found.candidates.values())
        raise LedgerError(f"Nothing is open for {window}. {said}")
    return found


def _left_open(found: Evaluations, reviewed: Material, standing: Entry) -> list[int]:
    """Return the samples to label next: the rest of what the gate asked for, or those that come after it."""
    from driftloop.errors import LedgerError

    given = _settled(reviewed)
    left = [index for index in found.ask if index not in given]
    look = _look(found, reviewed, standing)
    if look is None:
        if left:
            return left
        raise LedgerError(f"All that was asked for {reviewed.window} is answered. Run: snakemake --cores all")
    if not look.open:
        raise LedgerError(f"{reviewed.window}: {look.sentence} Run: snakemake --cores all")
    return left or list(look.samples)


def _look(found: Evaluations, reviewed: Material, standing: Entry) -> Look | None:
    """Return what the labels given by now come to. None where the gate left nothing to count on with."""
    from driftloop.commands.look import look_again

    labels = {**standing.answer.labels, **_settled(reviewed)}
    return look_again(found.draws, labels, reviewed) if found.draws else None


def _confirm(entry: Entry, asked: list[int], look: Look | None) -> None:
    from driftloop.commands.console import say

    left = sum(index not in entry.answer.labels for index in asked)
    answered = f"{len(asked) - left} of {len(asked)}" if left else f"{len(asked)}"
    go_on = look.open if look else left
    say(
        f"{entry.window}: {answered} samples answered, signed by {entry.reviewer}, in "
        f"{layout.ledger(entry.window)}. {f'{look.sentence} ' if look else ''}Next: "
        + (f"driftloop settle {entry.window}" if go_on else "snakemake --cores all")
    )


def settling_labels(
    window: str, asked: list[int], params: dict[str, Any], given: Mapping[int, str] = MappingProxyType({})
) -> tuple[dict[int, str], bool]:
    """Return what was labelled after the review, to settle what the gate left open.

    The simulated reviewer labels what is asked here and now, if its decision on this window stands, up to a
    hundred samples.

    Args:
        window: its name.
        asked: the samples that the gate asks about.
        params: with `seed`, `corruptions` and `review`.
        given: what the simulated reviewer labelled already.

    Returns:
        All labels by now, and whether people are asked for more.
    """
    from driftloop.commands.console import say
    from driftloop.commands.simulated import simulated_answer
    from driftloop.review.material import load_material

    material = load_material(window, params["corruptions"])
    standing = standing_on(material)
    if standing is None or not standing.simulated:
        return _settled(material), True
    asked = asked[: max(0, _PATIENCE - len(given))]
    if not asked:
        return dict(given), False
    say(f"{window}: the SIMULATED reviewer labels {len(asked)} samples on which the models disagree.")
    return {**given, **simulated_answer(material, asked, params).labels}, False


def _settled(material: Material) -> dict[int, str]:
    from driftloop.review.ledger import settled_labels

    entries = entries_of(material.window)
    return settled_labels(entries, material.reported, material.images_digest, material.shown)
