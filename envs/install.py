"""Install what `envs/dev.lock` names, and driftloop itself, into the environment of this Python.

Every file is checked against the hashes of its lock, and nothing else is fetched, not to build a package
either. Which build of torch comes is the choice of pip's settings; a CUDA build gets what it needs besides.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def pip(*arguments: str) -> None:
    """Run this environment's pip, or end with its exit status."""
    command = [sys.executable, "-m", "pip", *arguments]
    if status := subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603
        sys.exit(status)


def install(*arguments: str) -> None:
    """Install something without looking for what it needs: the locks are complete."""
    pip("install", "--quiet", "--disable-pip-version-check", "--no-deps", *arguments)


def locked(name: str) -> tuple[str, ...]:
    """Return the options that install a lock."""
    return ("--require-hashes", "--requirement", f"envs/{name}.lock")


def install_torch() -> None:
    """Install the build of torch that pip's settings choose, if the lock has its hash.

    It comes by itself: with hashes to check, pip prefers the public index to all other places.
    """
    pins = (ROOT / "envs/dev.lock").read_text(encoding="utf-8")
    torch = re.search(r"^torch==(?P<version>\S+)(.*\\\n)*.*\n", pins, re.MULTILINE)
    if torch is None:
        sys.exit("envs/dev.lock names no torch. Make it anew: make lock")
    with tempfile.TemporaryDirectory() as folder:
        wanted = ("--no-deps", "--only-binary", ":all:", f"torch=={torch['version']}")
        pip("download", "--quiet", "--disable-pip-version-check", "--dest", folder, *wanted)
        (wheel,) = Path(folder).iterdir()
        with wheel.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest not in torch[0]:
            sys.exit(f"{wheel.name} has none of the hashes in envs/dev.lock. To allow this build: make lock")
        install(str(wheel))


def main() -> None:
    """Install the locks, then this checkout, and look whether anything is lacking."""
    install(*locked("build"), "--only-binary", ":all:")
    install_torch()
    install(*locked("dev"), "--no-build-isolation")
    if any(re.match(r"nvidia|cuda|triton", each) for each in metadata.requires("torch") or ()):
        install(*locked("cuda"), "--only-binary", ":all:")
    install("--no-index", "--no-build-isolation", "--editable", ".")
    pip("--quiet", "check")


if __name__ == "__main__":
    main()
