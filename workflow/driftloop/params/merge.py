"""Nested dictionaries of parameters: paths into them, overrides over them, what two of them differ in."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import yaml

from driftloop.errors import ParameterError
from driftloop.params.yaml_text import parse_yaml

Params = dict[str, Any]


def pick(params: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a dotted path.

    >>> pick({"gate": {"alpha": 0.05}}, "gate.alpha")
    0.05

    Raises:
        KeyError: nothing stands there. The key is the whole path.
    """
    value: Any = params
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise KeyError(path)
        value = value[key]
    return value


def only(params: Mapping[str, Any], paths: Iterable[str]) -> Params:
    """Return a copy that holds nothing but what stands at `paths`.

    >>> only({"gate": {"alpha": 0.05, "margin": 0.1}, "seed": 0}, ["gate.alpha"])
    {'gate': {'alpha': 0.05}}
    """
    kept: Params = {}
    for path in paths:
        place(kept, path, copy.deepcopy(pick(params, path)))
    return kept


def place(params: Params, path: str, value: Any) -> None:
    """Put `value` at a dotted path, making the levels above it where they are missing.

    Raises:
        ParameterError: a level above is not a mapping.
    """
    *levels, last = path.split(".")
    for depth, key in enumerate(levels):
        below: Any = params.setdefault(key, {})
        if not isinstance(below, dict):
            above = ".".join(levels[: depth + 1])
            raise ParameterError(f"{path}: nothing can stand below {above}, which is one value ({below!r}).")
        params = below
    params[last] = value


def override(params: Mapping[str, Any], overrides: Iterable[str]) -> Params:
    """Return a copy with `key.path=value` overrides laid over it. Values are read as YAML.

    >>> override({"seed": 0, "gate": {"alpha": 0.05}}, ["gate.alpha=0.01"])
    {'seed': 0, 'gate': {'alpha': 0.01}}

    Raises:
        ParameterError: an override is not of that form.
    """
    result = copy.deepcopy(dict(params))
    for text in overrides:
        path, sign, value = text.partition("=")
        if not sign or not path or path.startswith("-"):
            raise ParameterError(f"override {text!r} is not of the form KEY=VALUE. Try: gate.alpha=0.01")
        try:
            place(result, path, parse_yaml(value))
        except yaml.YAMLError as error:
            raise ParameterError(f"override {path}: {value!r} is not a YAML value.") from error
    return result


def overrides_between(base: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """Return the overrides that make `params` of `base`. A text stands for the YAML value that it spells.

    >>> overrides_between({"seed": 0, "gate": {"alpha": 0.05}}, {"seed": 0, "gate": {"alpha": "0.01"}})
    ['gate.alpha=0.01']
    >>> overrides_between({"model": None}, {"model": {"file": "m.onnx", "std": 0.3}})
    ['model={"file": "m.onnx", "std": 0.3}']
    """
    found = []
    for key, value in params.items():
        known = base.get(key)
        if isinstance(value, Mapping) and value and (isinstance(known, Mapping) or key not in base):
            found += [f"{key}.{each}" for each in overrides_between(known or {}, value)]
        elif key not in base or known != value:  # where one value stands, nothing can be put below it
            found.append(f"{key}={value if isinstance(value, str) else json.dumps(_spelt(value))}")
    return found


def _spelt(value: Any) -> Any:
    """Return a value whose texts, at any depth, are what they spell: Snakemake leaves inner numbers texts.

    >>> _spelt({"settle": "0", "folder": "f", "cut": "null"})
    {'settle': 0, 'folder': 'f', 'cut': None}
    """
    if isinstance(value, Mapping):
        return {key: _spelt(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_spelt(each) for each in value]
    if not isinstance(value, str):
        return value
    with suppress(yaml.YAMLError):
        spelt = parse_yaml(value)
        return spelt if spelt is None or isinstance(spelt, int | float) else value
    return value


def flatten(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of every leaf."""
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
