"""Making SIF files with Apptainer: from an image in Docker, or from the recipe where there is no Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from driftloop.containers.context import last_lines
from driftloop.containers.image import host_architecture
from driftloop.containers.watch import Watch, out_of_space
from driftloop.errors import ImageError

# Against gzip, Apptainer's default, zstd halves the time to compress and reads faster at each start.
_BUILD = ["build", "--force", "--disable-cache", "--mksquashfs-args", "-comp zstd -Xcompression-level 3"]
_STEPS = 5


def program() -> str:
    """Return the path of Apptainer, or of Singularity, which it was once called.

    Raises:
        ImageError: there is neither.
    """
    for name in ("apptainer", "singularity"):
        if path := shutil.which(name):
            return path
    raise ImageError(
        "Apptainer is not on the PATH; it makes and runs the SIF files. Load its module, or install it: "
        "https://apptainer.org/docs/admin/main/installation.html"
    )


def build(context: Path, facts: dict[str, Any], sif: Path, watch: Watch) -> None:
    """Build a SIF file from the recipe. The base image is kept beside the context, for the next role.

    Raises:
        ImageError: a step failed, or the base image cannot be had.
    """
    base_image = facts["arguments"]["base_image"]
    base, tree = context.parent / "base.sif", context / "driftloop"
    if not base.exists():
        watch(f"fetching {base_image}", 0, _STEPS)
        _fetch(base_image, base)
    tree.mkdir()
    inside = [
        "exec",
        "--contain",
        "--bind",
        f"{context}:/build",
        "--bind",
        f"{tree}:/opt/driftloop",
        str(base),
    ]
    for step, what in enumerate(("packages", "driftloop"), start=1):
        watch(f"installing {what}", step, _STEPS)
        _run(f"installing {what}", [*inside, "sh", "/build/install.sh", what])
    watch("writing the SIF file", 3, _STEPS)
    write(context, _address(base_image), facts, sif)


def write(context: Path, base: str, facts: dict[str, Any], sif: Path) -> None:
    """Write the SIF file of a base image, given with its transport, and of what `context/driftloop` holds.

    Raises:
        ImageError: Apptainer failed.
    """
    transport, _, name = base.partition(":")
    arguments = {key.upper(): facts[key] for key in ("role", "version", "revision")}
    arguments |= {"TRANSPORT": transport, "BASE_IMAGE": name.removeprefix("//")}
    options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    _run("writing the SIF file", [*_BUILD, *options, str(sif), "apptainer.def"], folder=context)


def _fetch(base_image: str, base: Path) -> None:
    try:
        _run("fetching the base image", [*_BUILD, str(base), _address(base_image)])
        _run("starting the base image", ["exec", str(base), "python3", "--version"])
    except ImageError as error:
        base.unlink(missing_ok=True)
        raise ImageError(
            f"The base image {base_image} cannot be used.\n{error}\nLook for a typing error, log in with "
            f"`apptainer registry login`, or name an image for {host_architecture()} with Python that can be "
            "reached: --base-image NAME:TAG or --base-image docker-archive:FILE"
        ) from error


def _address(base_image: str) -> str:
    """Return an image's name with its transport, which is a registry unless it says otherwise.

    >>> _address("python:3.11-slim"), _address("docker-archive:base.tar")
    ('docker://python:3.11-slim', 'docker-archive:base.tar')
    """
    named = re.match(r"(docker|docker-daemon|docker-archive|oci|oci-archive|oras|library):", base_image)
    return base_image if named else f"docker://{base_image}"


def _run(step: str, arguments: list[str], folder: Path | None = None) -> None:
    command = [program(), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        out_of_space(done.stderr)
        raise ImageError(f"Apptainer failed at {step}:\n{last_lines(done.stderr)}")
