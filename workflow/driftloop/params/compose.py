"""Composes `params.yaml` from the presets (Hydra config groups) and writes it with the schema's comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from driftloop.errors import ParameterError
from driftloop.params.merge import Params
from driftloop.params.validate import schema, validate
from driftloop.params.yaml_text import render_yaml

_HEADER = """\
# What driftloop does here: the one file that Snakemake, DVC and every step read.
# Composed by `driftloop {command}`; edit it freely, a run checks it first.
"""
_WIDTH = 104
_EMPTIED = {"stream={}": ["~stream", "+stream={}"]}
"""To Hydra nothing laid over something is no change; to a person it is empty."""


def compose(choices: Sequence[str] = ()) -> Params:
    """Compose presets (`dataset=cifar10`) and single values (`review.samples=48`) into a `params.yaml`.

    Raises:
        ParameterError: there is no such preset or key, or a value is out of range.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_module("driftloop.params.presets", version_base="1.3"):
            laid = [each for choice in choices for each in _EMPTIED.get(choice, [choice])]
            composed: Any = OmegaConf.to_container(hydra_compose("params", laid), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        said = " ".join(str(error).split())
        raise ParameterError(f"driftloop configure {' '.join(choices)}: {said}") from error
    validate(composed, "the composed parameters")
    return {key: composed[key] for key in schema()["properties"]}


def render(params: Params, choices: Sequence[str] = (), *, command: str = "configure") -> str:
    """Return the text of a `params.yaml`: every key under the comment that says when to change it."""
    return (
        _HEADER.format(command=" ".join((command, *choices))) + "\n".join(_lines(params, schema(), 0)) + "\n"
    )


def _lines(params: Params, rule: dict[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, value in params.items():
        known = rule.get("properties", {}).get(key, {})
        if depth == 0:
            yield ""
        yield from _comment(known.get("description", ""), indent)
        if not isinstance(value, dict):
            yield f"{indent}{key}: {render_yaml(value)}"
        elif not value:
            yield f"{indent}{key}: {{}}"
        elif isinstance(entry := known.get("additionalProperties"), dict):  # free names: one line each
            yield from (line for name in entry["properties"] for line in _entry_key(name, entry, indent))
            yield f"{indent}{key}:"
            yield from (
                f"{indent}  {render_yaml(name)}: {render_yaml(window)}" for name, window in value.items()
            )
        else:
            yield f"{indent}{key}:"
            yield from _lines(value, known, depth + 1)


def _entry_key(name: str, entry: dict[str, Any], indent: str) -> list[str]:
    return _comment(f"  {name}: {entry['properties'][name]['description']}", indent)


def _comment(text: str, indent: str) -> list[str]:
    lead = len(text) - len(text.lstrip())
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# {' ' * 2 * lead}",
    )
