"""What a project runs that is not driftloop's, and whether this user has looked at it.

A cloned project's `params.yaml` names classes, and its workflow files name commands: a run executes them.
The digests of files that were looked at are kept in the user's own state folder. So a project cannot bring
its own record along.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from driftloop.errors import DriftloopError
from driftloop.files import digest_file, read_json, write_json
from driftloop.params.named_class import is_ours as is_our_class
from driftloop.params.named_class import names

_WORKFLOW = (
    *("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile"),  # where Snakemake looks
    *("dvc.yaml", ".dvc/config", ".dvc/config.local", "rules", "profiles", "workflow/profiles"),
)
_CODE = (".py", ".pyc", ".so", ".smk", ".sh", ".bash", ".R", ".jl", ".ipynb")
CLASS = "class"


def own_code(root: Path, params: Any, is_ours: Callable[[str, Path], bool]) -> dict[str, str]:
    """Return what a run of a project may execute that is not driftloop's.

    Args:
        root: of the project.
        params: its parameters.
        is_ours: whether a file, by its name in the project and its path, is one that driftloop wrote.

    Returns:
        The classes that the parameters name, each with `CLASS`; and files, as they are named in the project,
        each with its SHA-256.
    """
    classes = {name for name in names(params) if not is_our_class(name)}
    found = {name: path for name, path in _workflow(root) if not is_ours(name, path)}
    if found or classes:  # these can import or call anything that lies beside them
        found |= {str(path.relative_to(root)): path for path in _code(root)}
    files = {name: digest_file(path) for name, path in sorted(found.items()) if not is_ours(name, path)}
    return dict.fromkeys(sorted(classes), CLASS) | files


def _workflow(root: Path) -> Iterator[tuple[str, Path]]:
    for name in _WORKFLOW:
        place = root / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(root)), path


def _code(root: Path) -> Iterator[Path]:
    """Yield the files of code below a project, also through links, but for hidden folders."""
    visited = set()
    for folder, inner, files in os.walk(root, followlinks=True):
        visited.add(os.path.realpath(folder))
        inner[:] = [
            each
            for each in inner
            if not each.startswith(".")
            and each != "__pycache__"
            and os.path.realpath(Path(folder, each)) not in visited
        ]
        yield from (path for each in files if each.endswith(_CODE) and (path := Path(folder, each)).is_file())


def seen(root: Path) -> dict[str, str]:
    """Return what this user has looked at in a project, as `own_code` gave it then."""
    try:
        found = read_json(_record(root))
    except (DriftloopError, OSError):
        return {}  # never looked at, or no longer known: it is asked anew
    code = found.get("code") if isinstance(found, dict) else None
    return code if isinstance(code, dict) else {}


def remember(root: Path, code: dict[str, str]) -> Path:
    """Remember what was looked at in a project. Return where.

    Raises:
        DriftloopError: the user has no folder for that.
    """
    record = _record(root)
    try:
        record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(record, {"project": str(root.resolve()), "code": code})
    except OSError as error:
        raise DriftloopError(
            f"{record} cannot be written ({error.strerror}), so nothing is remembered. "
            "XDG_STATE_HOME names another folder for it."
        ) from error
    return record


def _record(root: Path) -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local/state"
    except RuntimeError as error:
        raise DriftloopError(
            "This user has no home folder; XDG_STATE_HOME names a folder to keep what was looked at."
        ) from error
    return folder / "driftloop/trust" / f"{sha256(str(root.resolve()).encode()).hexdigest()[:32]}.json"
