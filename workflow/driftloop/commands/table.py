"""Which module has which command: the table, and how a command is found in it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from driftloop.commands.step import Step

# Section of the help → {command: module of driftloop.commands that defines it}. A module is imported only
# when one of its commands is asked for. The steps come in the order in which the workflow runs them.
_STEPS = "Steps of the workflow, one for each rule"
COMMANDS: dict[str, dict[str, str]] = {
    "Work with a project": {
        "init": "start",
        "configure": "project",
        "trust": "trust",
        "watch": "watch",
        "status": "project",
        "report": "report",
        "review": "review",
        "settle": "settle",
        "retake": "take",
        "predict": "predict",
        "serve": "serve",
        "metrics": "serve",
        "export": "export",
        "promote": "production",
        "rollback": "production",
        "lineage": "production",
        "why": "track",
        "ledger": "ledger",
        "images": "containers",
    },
    _STEPS: {
        "fetch-dataset": "reference",
        "split-dataset": "reference",
        "train-model": "reference",
        "fit-detector": "reference",
        "make-window": "check",
        "take-window": "take",
        "predict-window": "check",
        "score-part": "parts",
        "check-window": "check",
        "retrain-model": "improve",
        "train-filter": "improve",
        "retrain-filtered": "improve",
        "evaluate-candidates": "improve",
        "promote-model": "improve",
        "score-window": "report",
        "summarize-run": "report",
        "render-report": "report",
    },
}


def find_command(name: str) -> click.Command | None:
    """Import and return a command. None when there is none of that name."""
    for section in COMMANDS.values():
        if name in section:
            module = importlib.import_module(f"driftloop.commands.{section[name]}")
            command: click.Command = getattr(module, name.replace("-", "_"))
            return command
    return None


def steps() -> Iterator[Step]:
    """Import and yield the steps of the workflow."""
    from driftloop.commands.step import Step

    commands = map(find_command, COMMANDS[_STEPS])
    return (command for command in commands if isinstance(command, Step))
