"""`driftloop promote`, `rollback` and `lineage`: which model is in use, and how it came to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.console import tell_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.text import Text
    from rich.tree import Tree

    from driftloop.report.status import WindowState

_REASON = click.option("--reason", default="", help="Your own words, kept with the move.")


@click.command()
@click.argument("owner", metavar="WINDOW")
@_REASON
def promote(owner: str, reason: str) -> None:
    """Put the model that stands after WINDOW, or the `reference` model, into production.

    The workflow does this by itself for a repair that has passed the gate. By hand you go back to a certain
    model, or go on after a rollback.
    """
    from driftloop.params.load import load_params
    from driftloop.tracker.production import move
    from driftloop.tracker.provenance import vouched

    _check_owner(owner, load_params())
    with vouched():
        now = move(owner, _me(), reason=reason)
    _tell(now.owner)


@click.command()
@_REASON
def rollback(reason: str) -> None:
    """Put back the model that was in production before. The workflow leaves it there.

    A second rollback goes one model further back. `driftloop promote` ends it.
    """
    from driftloop.tracker.production import roll_back

    _tell(roll_back(_me(), _rehearsals(), reason=reason).owner)


def _rehearsals() -> set[str]:
    """Return the windows whose models never come into production. None where params.yaml cannot tell."""
    from driftloop.errors import DriftloopError
    from driftloop.params.load import load_params

    try:
        stream = load_params()["stream"]
    except DriftloopError:  # whoever rolls back is in a hurry
        return set()
    return {name for name, facts in stream.items() if facts["rehearsal"]}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the windows and the moves as JSON.")
def lineage(as_json: bool) -> None:
    """Show how the models came to be: a tree of windows, decisions, who made them, and what they gained."""
    from dataclasses import asdict

    from driftloop.params.load import load_params
    from driftloop.report.status import windows
    from driftloop.tracker.production import read_moves

    params = load_params()
    states, moves = windows(params), read_moves()
    if as_json:
        grown = [
            {"window": s.window, "parent": params["stream"][s.window]["parent"], **_facts(s)} for s in states
        ]
        told: dict[str, Any] = {"windows": grown, "production": [asdict(each) for each in moves]}
        tell_json(told)
        return
    from rich.text import Text

    from driftloop.commands.plain_console import PlainConsole

    console = PlainConsole()
    parents = {name: facts["parent"] for name, facts in params["stream"].items()}
    console.print(_tree(states, parents, _maker(moves[-1].owner) if moves else None))
    for each in moves[-5:]:
        why = f": {each.reason}" if each.reason else ", pinned" if each.pinned else ""
        console.print(Text(f"{each.time}  {each.owner} put into production by {each.by}{why}", style="dim"))


def _tree(states: list[WindowState], parents: dict[str, str], in_use: str | None) -> Tree:
    """Hang each promoted repair below the model that it was made from, with what was tried beside it."""
    from rich.text import Text
    from rich.tree import Tree

    known = {state.window: state for state in states}

    def mark(owner: str, label: Text) -> Text:
        return label.append("  ← in production", style="bold green") if owner == in_use else label

    tree = Tree(mark(layout.REFERENCE, Text(layout.REFERENCE, style="bold")))
    models = {layout.REFERENCE: tree}

    def model(owner: str) -> Tree:
        """Return where the model that stands after a window hangs, after what it was made from."""
        if owner not in models:
            below = model(parents[owner])
            grown = below.add(mark(owner, _line(known[owner])))
            models[owner] = grown if known[owner].state == "promoted" else below
        return models[owner]

    for owner in known:
        model(owner)
    return tree


def _maker(owner: str) -> str:
    """Return whose repair made the model that stands after a window: a window without one has another's."""
    from driftloop.errors import DriftloopError
    from driftloop.tracker.lineage import load_lineage

    try:
        return load_lineage(layout.model(owner)).maker
    except DriftloopError:  # it is made anew at present
        return owner


def _line(state: WindowState) -> Text:
    """Tell one window in a line: what was decided, by whom, and what came of it."""
    from rich.text import Text

    told = _facts(state)
    line = Text(f"{state.window}  ", style="bold" if state.state == "promoted" else "")
    parts = [state.state]
    if told["decision"]:
        parts.append(" ".join(filter(None, (told["decision"], told["diagnosis"]))))
    if told["by"]:
        parts.append(f"by {told['by']}")
    if told["gain"] is not None:
        parts.append(f"{100 * told['gain']:+.1f} points on reviewed samples")
    return line.append(", ".join(parts), style="" if state.state == "promoted" else "dim")


def _facts(state: WindowState) -> dict[str, Any]:
    before, after = state.incumbent_accuracy, state.candidate_accuracy
    return {
        "state": state.state,
        "decision": state.decision,
        "diagnosis": state.diagnosis,
        "by": "the simulated reviewer" if state.simulated else (state.reviewer or "").partition(" <")[0],
        "repair": state.repair if state.state == "promoted" else None,
        "gain": None if before is None or after is None else after - before,
    }


def _check_owner(owner: str, params: Mapping[str, Any]) -> None:
    """Refuse what has no model that could be in production."""
    from driftloop.commands.step import known_window
    from driftloop.errors import ParameterError

    if owner != layout.REFERENCE and params["stream"][known_window(params, owner)]["rehearsal"]:
        raise ParameterError(
            f"{owner} is a rehearsal: its drift was made up, so its model never comes into production. "
            f"Name a window that arrived, or {layout.REFERENCE}."
        )


def _me() -> str:
    """Return who is at the keyboard: Git's name, as in the ledger, or the user's."""
    from driftloop.account import account
    from driftloop.review.ask import git_name

    return git_name() or account()


def _tell(owner: str) -> None:
    """Say whose model is in production, and whose repair made it, where that is another's."""
    from driftloop.commands.console import say

    maker = _maker(owner)
    same = "" if maker == owner else f" No repair of {owner} was promoted: its model is that of {maker}."
    say(f"In production: {layout.model(owner)}.{same} Next: driftloop predict IMAGE…")
