"""Write `envs/*.lock` from `pyproject.toml`: run `make lock` after changing a dependency.

`dev.lock` is what `make setup` installs; a role's lock, the packages of its container image, never
differs from it in a version. Existing pins stay unless `--upgrade` is given.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The extras of pyproject.toml that each environment installs (`dev` also gets the group `dev`).
EXTRAS = {
    "dev": ("torch", "data", "download", "engine", "onnx", "heif", "jxl", "dicom", "tiff"),
    "data": ("data", "heif", "jxl", "dicom", "tiff"),
    "torch": ("torch",),
    "review": (),
}

# A CUDA build of torch brings these itself, in the versions it was built with; a CPU build must not get them.
OF_CUDA = re.compile(r"(nvidia|cuda|triton)[-_\w]*==")
# Which build of torch it is (`+cpu`, `+cu130`) is the machine's choice, not the lock's.
LOCAL_VERSION = re.compile(r"\+[\w.]+$")


def requirements(name: str) -> list[str]:
    """Return what pyproject.toml asks for in one environment, as requirement lines."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    wanted = list(project["dependencies"])
    for extra in EXTRAS[name]:
        wanted += project["optional-dependencies"][extra]
    if name == "dev":
        wanted += pyproject["dependency-groups"]["dev"]
    return wanted


def lock(name: str, options: list[str]) -> None:
    """Resolve one environment with pip-compile and write its lock."""
    path = ROOT / "envs" / f"{name}.lock"
    command = ["pip-compile", "--quiet", "--no-header", "--no-annotate", "--strip-extras", "--allow-unsafe"]
    command += ["--no-emit-options", "--output-file", str(path), *options, "-"]
    subprocess.run(  # noqa: S603 - our own fixed command line
        command, input="\n".join(requirements(name)), text=True, check=True, cwd=ROOT
    )
    lines = path.read_text(encoding="utf-8").splitlines()
    pins = [LOCAL_VERSION.sub("", line) for line in lines if "==" in line and not OF_CUDA.match(line)]
    path.write_text("# Made by `make lock` from pyproject.toml.\n" + "\n".join(pins) + "\n", encoding="utf-8")


if __name__ == "__main__":
    lock("dev", sys.argv[1:])
    for role in ("data", "torch", "review"):
        lock(role, ["--constraint", str(ROOT / "envs" / "dev.lock"), *sys.argv[1:]])
