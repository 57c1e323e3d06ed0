"""Write docs/commands.md and docs/parameters.md from the code: run `make reference` after changing either."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from driftloop.cli import driftloop
from driftloop.commands.table import COMMANDS, find_command
from driftloop.params.validate import schema

HERE = Path(__file__).parent
NOTE = "<!-- Made by `make reference` from the code. -->\n\n"


def commands() -> str:
    """Return the page of commands: each one's help, as the terminal shows it."""
    parts = ["# Commands\n\n", NOTE]
    for section, names in COMMANDS.items():
        parts.append(f"## {section}\n\n")
        for name in names:
            command = find_command(name)
            if command is None:
                raise SystemExit(f"There is no command {name}.")
            parts.append(f"### driftloop {name}\n\n```\n{_help(command, f'driftloop {name}')}\n```\n\n")
            if isinstance(command, click.Group):
                for inner, each in sorted(command.commands.items()):
                    parts.append(f"```\n{_help(each, f'driftloop {name} {inner}')}\n```\n\n")
    return "".join(parts).rstrip() + "\n"


def _help(command: click.Command, name: str) -> str:
    settings = {**driftloop.context_settings, "max_content_width": 100, "terminal_width": 100}
    with click.Context(command, info_name=name, **settings) as context:
        return command.get_help(context).rstrip()


def parameters() -> str:
    """Return the page of parameters: every key of params.yaml, what it may be and when to change it."""
    rows = "".join(f"| `{path}` | {allowed} | {text} |\n" for path, allowed, text in _rows(schema(), ""))
    return f"# Parameters\n\n{NOTE}The keys of `params.yaml`.\n\n| key | allowed | |\n|---|---|---|\n{rows}"


def _rows(rule: dict[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    for key, inner in rule.get("properties", {}).items():
        text = " ".join(str(inner.get("description", "")).split()).replace("|", "\\|")
        yield f"{above}{key}", _allowed(inner), text
        yield from _rows(inner, f"{above}{key}.")
        entry = inner.get("additionalProperties")
        if isinstance(entry, dict):
            yield from _rows(entry, f"{above}{key}.NAME.")


def _allowed(rule: dict[str, Any]) -> str:
    if "enum" in rule:
        return ", ".join(map(str, rule["enum"]))
    kinds = rule.get("type", "")
    words = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    limits = [
        f"{sign} {rule[key]}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if key in rule
    ]
    return " ".join([words.replace("object", "mapping"), *limits]).strip()


def models() -> str:
    """Return the page of model files, from the table of the test that tries them."""
    table = runpy.run_path(str(HERE.parent / "tests" / "unit" / "model_files.py"), run_name="model_files")
    return str(table["page"]())


PAGES = {"commands.md": commands, "parameters.md": parameters, "models.md": models}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
