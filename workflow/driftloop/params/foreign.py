"""Code that a folder from elsewhere names, and may have brought along: it is not run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Any

from driftloop.errors import DriftloopError
from driftloop.params.load import PARAMS_FILE


def refuse_code_beside(folder: Path, specs: Any, error: type[DriftloopError]) -> None:
    """Refuse classes that would be imported out of a folder that brings their names, or from around it.

    The working directory is on Python's path for the sake of a project's own classes, so a folder from
    elsewhere could name code that it brought there. Nothing is imported to find that out.

    Raises:
        DriftloopError: `error`, with the first such class.
    """
    home, here = folder.resolve(), Path.cwd().resolve()
    chosen = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = (here / PARAMS_FILE).exists() or here in (Path(each).resolve() for each in chosen if each)
    for target in _targets(specs):
        top = target.partition(".")[0]
        if top == "driftloop":
            continue  # has been imported, from where it is installed
        package = (here / top).resolve()
        for module in _modules(here, target):
            around = home.is_relative_to(package) and module.is_relative_to(package)
            if module.is_relative_to(home) or around or not own:
                raise error(
                    f"{folder} names {target}, which is {module}; code that may have come along with a model "
                    "is not run. If it is yours, let it lie beside params.yaml, or in a folder of PYTHONPATH."
                )


def _modules(folder: Path, target: str) -> Iterator[Path]:
    """Yield the files of a folder that Python would run, or might, to import a target from there."""
    parts = [part for part in target.split(".") if part.isidentifier()]
    for depth in range(1, len(parts) + 1):
        path = folder.joinpath(*parts[:depth])
        for suffix in all_suffixes():
            yield from (
                each.resolve()
                for each in (path.with_name(path.name + suffix), path / f"__init__{suffix}")
                if each.exists()
            )


def _targets(specs: Any) -> Iterator[str]:
    """Yield every `_target_` in specifications, at any depth."""
    if isinstance(specs, Mapping):
        if isinstance(target := specs.get("_target_"), str):
            yield target
        specs = list(specs.values())
    if isinstance(specs, Sequence) and not isinstance(specs, str):
        for each in specs:
            yield from _targets(each)
