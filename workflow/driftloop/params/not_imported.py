"""Why a module cannot be imported: it is not there, it fails, or it does not fit the torch beside it."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from driftloop.printable import printable

_ADDED_BY = {"torchvision": "driftloop[download]", "torch": "driftloop[torch]", "sklearn": "driftloop[data]"}
"""Package to the extra of driftloop that installs it."""
_PINNED = re.compile(r"torch ?\(?==([\w.]+)")


def why_not_imported(target: str, cause: BaseException) -> str:
    """Say why the class of a dotted name cannot be imported, and what mends it.

    Args:
        target: `package.module.Class`.
        cause: what its import raised.

    >>> why_not_imported("nothing.Net", ModuleNotFoundError("No module named 'nothing'"))
    "No module named 'nothing'"
    """
    root = cause.__cause__ or cause
    lines = str(root).strip().splitlines()
    reason = printable(lines[0]) if lines else type(root).__name__
    package = target.partition(".")[0]
    if not package.isidentifier():
        return reason
    if find_spec(package) is None:
        extra = _ADDED_BY.get(package)
        return f"{package} is not installed; pip install '{extra}' adds it" if extra else reason
    if isinstance(root, ImportError | RuntimeError | OSError) and (pair := _pair(package)):
        ours, torchs, wanted = pair
        return (
            f"{package} {ours} is installed, but it was made for {wanted}, not for torch {torchs}: {reason}. "
            f"Install both anew, from one place: pip install --force-reinstall torch {package}"
        )
    return reason


def _pair(package: str) -> tuple[str, str, str] | None:
    """Return the version of a package made for one torch, that of the torch here, and the one it wants."""
    try:
        wanted = [found for each in requires(package) or () if (found := _PINNED.match(each))]
        if not wanted:
            return None
        needed, here = wanted[0][1], version("torch")
        same = here.split("+")[0] == needed
        return version(package), here, "another build of torch" if same else f"torch {needed}"
    except PackageNotFoundError:
        return None
