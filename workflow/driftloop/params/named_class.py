"""Finds the class that a file names by `_target_`. This is the one place that imports by name.

A model folder, a detector or any other product may come from elsewhere. So driftloop's own classes are found
always, and others only where the project itself names them: in `params.yaml`, or on the command line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module, machinery
from pathlib import Path
from typing import Any

from driftloop.errors import DriftloopError
from driftloop.params.not_imported import why_not_imported
from driftloop.printable import printable

KEY = "trust"
"""The key of `params.yaml` that lists classes which no `_target_` there names any more."""

_OURS = re.compile(r"(driftloop(?:\.[a-z]\w*)+)\.([A-Z]\w*)")
_allowed: set[str] = set()


def allow(specs: Any) -> None:
    """Let every class that these parameters name be imported by this process.

    Only what the project or the person at the command line says may come here, never a received file.
    """
    _allowed.update(names(specs))


def find_class(target: str, where: str, error: type[DriftloopError]) -> type:
    """Import and return a class of driftloop's, or one that the project names.

    The working directory is on Python's path while a project's own class is imported, behind all that is
    installed, and at no other time.

    Args:
        target: `package.module.Class`.
        where: where the name stands, for messages.
        error: the kind of error to raise.

    Raises:
        DriftloopError: `error`. The project does not name it, it cannot be imported, or it is no class.
    """
    try:
        if ours := _OURS.fullmatch(target):
            found = getattr(import_module(ours[1]), ours[2])
        else:
            _check_allowed(target, where, error)
            with _project_on_path():
                found = _get_object(target)
    except DriftloopError:
        raise
    except Exception as cause:  # an import runs a user's module: anything can come out of it
        why = why_not_imported(target, cause)
        raise error(f"{where}: {printable(target)} cannot be imported ({why}).") from cause
    if not isinstance(found, type):
        raise error(f"{where}: {target} is a {type(found).__name__}, not a class.")
    if ours and not found.__module__.startswith("driftloop."):
        raise error(f"{where}: {target} is {found.__module__}.{found.__qualname__}; name that.")
    return found


def _check_allowed(target: str, where: str, error: type[DriftloopError]) -> None:
    from driftloop.params.load import PARAMS_FILE, read_params

    project = read_params() if PARAMS_FILE.exists() else None
    if target in _allowed or target in set(names(project)):
        return
    raise error(
        f"{where} names the class {printable(target)}, which is none of driftloop's, and "
        f"{PARAMS_FILE.absolute()} does not name it. It may come from a file, so it is not imported. "
        f"If it is yours, add this line there, or the class to the list:\n\n    {KEY}: [{printable(target)}]"
    )


def is_ours(target: str) -> bool:
    """Whether a name is that of one of driftloop's own classes.

    >>> is_ours("driftloop.models.networks.Small"), is_ours("driftloop.files.os.stat_result")
    (True, False)
    """
    return _OURS.fullmatch(target) is not None


def names(specs: Any) -> Iterator[str]:
    """Yield every `_target_` in parameters, at any depth, and what their list of trusted classes holds."""
    if isinstance(specs, Mapping):
        if isinstance(target := specs.get("_target_"), str):
            yield target
        if isinstance(listed := specs.get(KEY), list):
            yield from (each for each in listed if isinstance(each, str))
        specs = list(specs.values())
    if isinstance(specs, Sequence) and not isinstance(specs, str):
        for each in specs:
            yield from names(each)


def _get_object(target: str) -> Any:
    import logging

    from hydra.utils import get_object  # a fifth of a second, which only those who need it pay

    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # what is wrong is said by our own message
    return get_object(target)


class _FromSource(machinery.SourceFileLoader):
    """Compiles a module from its source. A received `__pycache__` may hold something else under its name."""

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


_LOADERS: Any = (
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (_FromSource, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),  # `driftloop trust` shows these
)


def _finder(project: Path, folder: str) -> machinery.FileFinder:
    """Return what finds a project's own modules; for installed packages, raise what leaves them to Python."""
    path = Path(folder)
    if not path.is_relative_to(project) or path.is_relative_to(sys.prefix):  # .venv may lie in the project
        raise ImportError(folder)
    return machinery.FileFinder(folder, *_LOADERS)


@contextmanager
def _project_on_path() -> Iterator[None]:
    here = Path.cwd()
    hook = partial(_finder, here)
    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.pop(str(here), None)
    sys.path.append(str(here))
    try:
        yield
    finally:
        sys.path_hooks.remove(hook)
        if str(here) in sys.path:  # the module itself may have changed the path
            del sys.path[len(sys.path) - 1 - sys.path[::-1].index(str(here))]
