"""The build context of an image: every wheel that goes into it, collected with this machine's own pip.

Packages are collected out here, and not inside the build. So pip works as its owner configured it (index,
mirror, certificate, credentials). None of that can end up in a layer, and the build itself needs no network.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from driftloop.containers.image import lock
from driftloop.containers.watch import out_of_space
from driftloop.errors import DataError, ImageError
from driftloop.files import digest_file, write_json, write_text
from driftloop.inside import open_inside

_PYTORCH_BUILDS = "https://download.pytorch.org/whl/"
_LAST_LINES = 12
_OF_TORCH = re.compile(r"(torch|nvidia|cuda|triton)[-_]")
_TORCH = re.compile(r"^torch==(?P<version>\S+)(.*\\\n)*.*\n", re.MULTILINE)
"""What a lock says of torch: its version and the hashes of its builds."""


def collect(root: Path, facts: dict[str, Any], model: Path | None, folder: Path) -> None:
    """Fill `folder` with what the recipes in `containers/` copy into an image.

    Raises:
        ImageError: pip could not collect or build a package.
    """
    for recipe in (root / "containers").iterdir():
        shutil.copy(recipe, folder)
    wheels, package = folder / "wheels", folder / "package"
    source = torch_source(facts["arguments"].get("torch", "default"))
    _collect_locked(root, lock(root, facts["role"]), source, wheels)
    _wheel(["--no-index", str(root.absolute())], package)
    write_text(wheels / "python-version", f"{sys.version_info.major}.{sys.version_info.minor}\n")
    write_json(package / "image.json", facts)
    if "model" in facts["arguments"] and model is not None:
        _copy_model(model, package / "model")


def _copy_model(model: Path, target: Path) -> None:
    """Copy the files of a model's folder. The target of a link in it is no part of the model.

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


def _collect_locked(root: Path, locked: Path, source: list[str], wheels: Path) -> None:
    """Collect what a lock names, checked against its hashes.

    torch comes first, by itself: pip's own settings choose its build, but with hashes to check, pip prefers
    the public index to all of them. A build whose source somebody chose is in no lock: it comes with what it
    needs, in the lock's version.
    """
    pins = locked.read_text(encoding="utf-8")
    if torch := _TORCH.search(pins):
        _wheel([f"torch=={torch['version']}", *source], wheels, alone=not source)
        for wheel in wheels.iterdir():
            if source and not _OF_TORCH.match(wheel.name):
                wheel.unlink()
            elif not source and digest_file(wheel) not in torch[0]:
                raise ImageError(
                    f"{wheel.name} has none of the hashes that {locked} allows. Where this build of torch is "
                    "to be used, allow it: make lock"
                )
        locked = wheels.with_name("rest.lock")
        locked.write_text(_TORCH.sub("", pins), encoding="utf-8")
    _wheel(["--require-hashes", "--requirement", str(locked)], wheels)
    if not source and _asks_for_cuda(wheels):
        _wheel(["--require-hashes", "--requirement", str(root / "envs/cuda.lock")], wheels)


def _asks_for_cuda(wheels: Path) -> bool:
    """Whether the wheel of torch, where there is one, is a CUDA build."""
    for wheel in wheels.glob("torch-*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            return re.search(rb"^Requires-Dist: (nvidia|cuda|triton)", archive.read(name), re.M) is not None
    return False


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


def _wheel(what: list[str], folder: Path, *, alone: bool = True) -> None:
    """Let pip collect wheels. Source packages are built with what is installed here, by `build.lock`."""
    options = ["--quiet", "--no-build-isolation", *(["--no-deps"] if alone else [])]
    command = [sys.executable, "-P", "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own command line)
    if done.returncode:
        out_of_space(done.stderr)
        raise ImageError(
            f"pip could not collect the packages: {' '.join(command)}\n{last_lines(done.stderr)}\n"
            "Images are built from wheels. See pip's settings (`pip config list`) and the free disk space; "
            "`make setup` installs what builds those that come as source."
        )
