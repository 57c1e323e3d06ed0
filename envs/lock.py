"""Write `envs/*.lock` from `pyproject.toml`: run `make lock` after changing a dependency.

`dev.lock` is what `make setup` installs. A role's lock holds the packages of its container image, in the
versions of `dev.lock`. `cuda.lock` has what a CUDA build of torch asks for besides. `build.lock` has what
builds packages that come as source, `docs.lock` what builds the site. Each pin has the hashes of its
published files. Existing pins stay unless `--upgrade` is given.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVS = ROOT / "envs"

# The extras of pyproject.toml that each environment installs (`dev` also gets the group `dev`).
EXTRAS = {
    "dev": ("torch", "data", "download", "engine", "serve", "onnx", "heif", "jxl", "dicom", "tiff"),
    "data": ("data", "heif", "jxl", "dicom", "tiff"),
    "torch": ("torch",),
    "review": (),
}
# What builds driftloop itself, also as an editable install, and packages that come as source alone.
BUILD = ["editables", "setuptools", "wheel"]

# A CUDA build of torch brings these itself, in the versions it was built with; a CPU build must not get them.
OF_CUDA = re.compile(r"(nvidia(?!-ml-py)|cuda|triton(?!client))[-\w]*$")
_HEAD = "# Made by `make lock` from pyproject.toml.\n"

Pins = dict[str, tuple[str, set[str]]]
"""{package: (version, hashes)}."""


def requirements(name: str) -> list[str]:
    """Return what pyproject.toml asks for in one environment, as requirement lines."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if name == "build":
        return [*pyproject["build-system"]["requires"], *BUILD]
    if name == "docs":
        return list(pyproject["dependency-groups"]["docs"])
    project = pyproject["project"]
    wanted = list(project["dependencies"])
    for extra in EXTRAS[name]:
        wanted += project["optional-dependencies"][extra]
    if name == "dev":
        wanted += pyproject["dependency-groups"]["dev"]
    return wanted


def resolve(name: str, options: list[str]) -> Pins:
    """Resolve one environment with uv, which asks the public index alone and not where pip looks here."""
    path = ENVS / f"{name}.lock"
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"]
    command += ["--python-version", "3.11", "--generate-hashes", "-"]
    command += ["--output-file", str(path), *options]
    subprocess.run(  # noqa: S603 - our own fixed command line
        command, input="\n".join(requirements(name)), text=True, check=True, cwd=ROOT
    )
    return read(path)


def read(path: Path) -> Pins:
    """Read a lock; an empty one where there is no file."""
    pins: Pins = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if match := re.match(r"([\w.-]+)==([^\s;]+)", line):
            pins[match[1]] = (match[2], set())
            last = match[1]
        elif match := re.match(r"\s+--hash=(\S+:\w+)", line):
            pins[last][1].add(match[1])
    return pins


def write(name: str, pins: Pins) -> None:
    """Write a lock, sorted, so that a diff shows what changed."""
    lines = []
    for package, (version, hashes) in sorted(pins.items()):
        allowed = [f"    --hash={each}" for each in sorted(hashes)]
        lines.append(" \\\n".join([f"{package}=={version}", *allowed]))
    (ENVS / f"{name}.lock").write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def add_builds_of_torch(pins: Pins, before: Pins) -> None:
    """Let torch also be the build that pip finds here, and those that a lock of its version allowed before.

    PyTorch publishes builds for the CPU alone, which lie on no public index but its own.
    """
    version, hashes = pins["torch"]
    if before.get("torch", ("", set()))[0] == version:
        hashes |= before["torch"][1]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--no-deps", "--report", "-", f"torch=={version}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    found = json.loads(said[said.index("{") :])["install"][0]["download_info"]["archive_info"]["hashes"]
    hashes.add(f"sha256:{found['sha256']}")


def main(options: list[str]) -> None:
    """Write all locks."""
    names = ("dev", "data", "torch", "review")
    before = {name: read(ENVS / f"{name}.lock") for name in (*names, "cuda")}
    # What was split off before is put back, so that it counts as pinned.
    write("dev", before["dev"] | before["cuda"])
    whole = resolve("dev", options)
    add_builds_of_torch(whole, before["dev"])
    write("cuda", {package: pin for package, pin in whole.items() if OF_CUDA.match(package)})
    write("dev", {package: pin for package, pin in whole.items() if not OF_CUDA.match(package)})
    same = [part for name in ("dev", "cuda") for part in ("--constraint", str(ENVS / f"{name}.lock"))]
    write("build", resolve("build", [*same, *options]))
    write("docs", resolve("docs", options))
    for name in names[1:]:
        pinned = resolve(name, [*same, *options])
        write(name, {package: whole[package] for package in pinned if not OF_CUDA.match(package)})


if __name__ == "__main__":
    main(sys.argv[1:])
