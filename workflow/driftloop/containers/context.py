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
from driftloop.errors import DataError, ImageError
from driftloop.files import write_json, write_text
from driftloop.inside import open_inside

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
        _copy_model(model, package / "model")


def _copy_model(model: Path, target: Path) -> None:
    """Copy the files of a model's folder; what a link in it leads to is no part of the model.

    Raises:
        ImageError: a file in it is a link, or cannot be read.
    """
    target.mkdir()
    for path in sorted(each for each in model.iterdir() if each.is_symlink() or not each.is_dir()):
        try:
            with open_inside(model, path.name) as source, (target / path.name).open("wb") as copy:
                shutil.copyfileobj(source, copy)
        except DataError as error:
            raise ImageError(f"{error} Copy the model and name the copy: cp -rL {model} COPY") from error


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
