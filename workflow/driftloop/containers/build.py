"""Building the images that are missing or out of date."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path
from typing import Literal

from driftloop.containers import apptainer, docker
from driftloop.containers.context import collect
from driftloop.containers.image import (
    Arguments,
    Image,
    build_arguments,
    facts,
    find_image,
    is_current,
    save_image,
    sif,
)
from driftloop.containers.watch import FULL_DISK, Watch
from driftloop.errors import ImageError
from driftloop.files import atomic

Engine = Literal["docker", "apptainer"]


def choose_engine() -> Engine:
    """Return the engine to build with: Docker where one answers, else Apptainer."""
    return "docker" if docker.is_there() else "apptainer"


def find_current(root: Path, role: str, arguments: Arguments) -> Image | None:
    """Return a role's image if building it now would give the same."""
    image = find_image(root, role)
    current = image is not None and is_current(root, image, build_arguments(root, role, arguments))
    return image if current else None


def build_image(
    root: Path, role: str, arguments: Arguments, engine: Engine, work: Path, watch: Watch
) -> Image:
    """Build the image of a role and its SIF file, in the empty or shared folder `work`.

    Raises:
        ImageError: an engine is missing, a step failed, the base image cannot be had, or the disk is full.
    """
    if engine == "docker":
        docker.connect().close()
    apptainer.program()
    try:
        return _build(root, role, arguments, engine, work, watch)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ImageError(FULL_DISK) from error
        raise


def _build(root: Path, role: str, arguments: Arguments, engine: Engine, work: Path, watch: Watch) -> Image:
    described = facts(root, role, arguments)
    with tempfile.TemporaryDirectory(dir=work, prefix=role) as folder, atomic(sif(root, role)) as target:
        context = Path(folder)
        watch("collecting packages", 0, 0)
        collect(root, described, arguments.model, context)
        if engine == "docker":
            base = docker.build(context, described, watch)
            watch("writing the SIF file", 0, 0)
            apptainer.write(context, base, described, target.absolute())
        else:
            apptainer.build(context, described, target.absolute(), watch)
    return save_image(root, role, described, engine)
