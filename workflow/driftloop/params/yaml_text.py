"""YAML text as plain values, and plain values as YAML text."""

from __future__ import annotations

import re
from typing import Any

import yaml

# Ten times faster where libyaml is built in.
_FASTEST: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_FASTEST):  # type: ignore[misc]
    """The safe loader, which also takes `1e-3` for a number, as YAML 1.2 does and everybody expects."""


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which puts a text that looks like such a number in quotes."""


for _each in (_Loader, _Dumper):
    _each.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
    )


def parse_yaml(text: str) -> Any:
    """Return what YAML text says, as plain values.

    >>> parse_yaml("{alpha: 1e-3, name: w01}")
    {'alpha': 0.001, 'name': 'w01'}

    Raises:
        yaml.YAMLError: it is none.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 (it is the safe one)


def render_yaml(value: Any) -> str:
    """Return plain values as YAML text on one line, which `parse_yaml` reads as the same.

    >>> render_yaml({"alpha": 0.001, "name": "1e3"})
    "{alpha: 0.001, name: '1e3'}"
    """
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10_000)
    return text.strip().removesuffix("\n...").strip()
