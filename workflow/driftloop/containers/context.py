"""The build context of an image: every wheel that goes into it, collected with this machine's own pip.

Collecting out here, and not inside the build, means that pip works as its owner configured it (index,
mirror, certificate, credentials), that none of it can end up in a layer, and that the build itself needs
no network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from driftloop.containers.image import lock
from driftloop.containers.watch import out_of_space
from driftloop.errors import ImageError
from driftloop.files import write_json, write_text

_PYTORCH_BUILDS = "https://download.pytorch.org/whl/"
_LAST_LINES = 12


def collect(root: Path, facts: dict[str, Any], model: Path | None, folder: Path) -> None:
    """Fill `folder` with what the recipes in `containers/` copy into an image.

    Raises:
        ImageError: pip could not collect or build a package.
    """
    for recipe in (root / "containers").iterdir():
        shutil.copy(recipe, folder)
    wheels, package = folder / "wheels", folder / "package"
    locked = ["--requirement", str(lock(root, facts["role"]))]
    _wheel([*locked, *torch_source(facts["arguments"].get("torch", "default"))], wheels)
    _wheel(["--no-deps", str(root.absolute())], package)
    write_text(wheels / "python-version", f"{sys.version_info.major}.{sys.version_info.minor}\n")
    write_json(package / "image.json", facts)
    if "model" in facts["arguments"] and model is not None:
        shutil.copytree(model, package / "model")


def torch_source(torch: str) -> list[str]:
    """Return the options of pip that choose a build of torch (see `Arguments.torch`).

    >>> torch_source("cpu")
    ['--extra-index-url', 'https://download.pytorch.org/whl/cpu']
    >>> torch_source("default")
    []
    """
    if torch == "default":
        return []
    if Path(torch).is_dir():
        return ["--find-links", torch]
    return ["--extra-index-url", torch if "://" in torch else _PYTORCH_BUILDS + torch]


def last_lines(text: str) -> str:
    """Return the end of an output, for an error message."""
    return "\n".join(text.strip().splitlines()[-_LAST_LINES:])


def _wheel(what: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder), *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own command line)
    if done.returncode:
        out_of_space(done.stderr)
        raise ImageError(
            f"pip could not collect the packages: {' '.join(command)}\n{last_lines(done.stderr)}\n"
            "Images are built from wheels. See pip's settings (`pip config list`) and the free disk space."
        )
