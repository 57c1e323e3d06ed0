"""Building an image with Docker, through its SDK."""

from __future__ import annotations

import os
import re
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftloop.containers.context import last_lines
from driftloop.containers.image import host_architecture
from driftloop.containers.watch import Watch, out_of_space
from driftloop.errors import ImageError

if TYPE_CHECKING:
    from docker import DockerClient

_TITLE = "org.opencontainers.image.title"
_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_INSTEAD = "Start it, point DOCKER_HOST at it, or build without it: driftloop images build --engine apptainer"


def connect() -> DockerClient:
    """Return a client of the Docker engine.

    Raises:
        ImageError: it is not there, or builds for another kind of machine.
    """
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=600)
        architecture = client.version()["Arch"]
    except DockerException as error:
        where = os.environ.get("DOCKER_HOST", "its usual socket")
        raise ImageError(f"Docker does not answer at {where} ({_reason(error)}). {_INSTEAD}") from error
    if architecture != host_architecture():
        raise ImageError(
            f"Docker builds for {architecture}, but the packages are collected for this machine, "
            f"{host_architecture()}. Build on a machine of the kind that will run the images."
        )
    return client


def is_there() -> bool:
    """Whether a Docker engine answers."""
    try:
        connect().close()
    except ImageError:
        return False
    return True


def tag(facts: dict[str, Any]) -> str:
    """Return the name of a role's image in Docker."""
    return f"driftloop/{facts['role']}:{facts['version']}"


def build(context: Path, facts: dict[str, Any], watch: Watch) -> str:
    """Build the image of a context, and copy what it installed to `context/driftloop`.

    Returns:
        the base image, as Apptainer names one of this engine.

    Raises:
        ImageError: a step failed.
    """
    client = connect()
    base = _check_base(client, facts["arguments"]["base_image"], watch)
    arguments = {key.upper(): facts[key] for key in ("role", "version", "revision")}
    events = client.api.build(
        path=str(context),
        tag=tag(facts),
        buildargs={"BASE_IMAGE": facts["arguments"]["base_image"], **arguments},
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
    )
    _follow(events, facts["role"], watch)
    # The image that this one replaces is nobody's any more. The build stage stays, as the cache of the next.
    client.images.prune({"dangling": True, "label": f"{_TITLE}=driftloop/{facts['role']}"})
    watch("copying what was installed", 0, 0)
    _copy_out(client, tag(facts), context)
    client.close()
    return f"docker-daemon:{base}"


def _copy_out(client: DockerClient, name: str, target: Path) -> None:
    """Copy /opt/driftloop out of an image. Apptainer takes twice as long to read the whole image itself."""
    container = client.containers.create(name)
    try:
        archive, _ = container.get_archive("/opt/driftloop", chunk_size=2**20)
        with tempfile.TemporaryFile(dir=target) as packed:
            packed.writelines(archive)
            packed.seek(0)
            with tarfile.open(fileobj=packed) as unpacked:
                unpacked.extraction_filter = getattr(tarfile, "tar_filter", None)  # since Python 3.11.4
                unpacked.extractall(target)  # noqa: S202 (built here)
    finally:
        container.remove()


def _check_base(client: DockerClient, base: str, watch: Watch) -> str:
    """Pull the base image where it is missing. Return its digest."""
    from docker.errors import APIError, ImageNotFound

    try:
        image = client.images.get(base)
    except ImageNotFound:
        watch(f"pulling {base}", 0, 0)
        try:
            image = client.images.pull(base)  # NAME, NAME:TAG or NAME@DIGEST, as `docker pull` takes it
        except APIError as error:
            raise ImageError(
                f"The base image {base} cannot be pulled ({_reason(error)}). Look for a typing error, "
                "log in with `docker login`, or name an image that can be reached: --base-image NAME:TAG"
            ) from error
    architecture = image.attrs["Architecture"]
    if architecture != host_architecture():
        raise ImageError(
            f"The base image {base} is for {architecture}, this machine is {host_architecture()}. "
            f"Get the right one with `docker pull --platform linux/{host_architecture()} {base}`, "
            "or name another: --base-image NAME:TAG"
        )
    return str(image.id)


def _follow(events: Iterable[dict[str, Any]], role: str, watch: Watch) -> None:
    """Report the steps of a build. Raise with the last lines of the one that fails."""
    step, lines = "the first step", ""
    for event in events:
        text = event.get("stream", "")
        if match := _STEP.match(text):
            step, lines = f"step {match[1]} of {match[2]}, {match[3].strip()}", ""
            watch(match[3].strip(), int(match[1]) - 1, int(match[2]))
        else:
            lines += text
        if "error" in event:
            out_of_space(event["error"] + lines)
            raise ImageError(
                f"The image {role!r} failed to build at {step}\n{last_lines(lines + event['error'])}"
            )


def _reason(error: BaseException) -> str:
    """The engine's own words. Where it gave none, those of the error that everything started with."""
    if explanation := getattr(error, "explanation", None):
        return str(explanation).strip()
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)
