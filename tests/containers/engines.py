"""The real Docker, Apptainer and Slurm of this machine, or a skip that says which one is missing.

Where one is not running, a script starts it: `start-docker.sh`, `install-apptainer.sh`, `make-base-image.sh`
or `start-slurm.sh`, looked for in $DRIFTLOOP_TOOLS, else in `shared/tools` beside the repository.

The tests are spread over several processes, which share the engines and the images: one at a time starts or
builds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from tests.support import ROOT, run

from driftloop.files import link_file

TOOLS = Path(os.environ.get("DRIFTLOOP_TOOLS", ROOT.parent / "shared" / "tools"))
ONE_AT_A_TIME = FileLock(ROOT / ".driftloop" / "engines.lock")


def start(script: str, what: str) -> str:
    """Run one of the scripts and return the last line it prints; skip the test where there is none."""
    if not (TOOLS / script).exists():
        pytest.skip(f"there is no {what} here, and no {script} in $DRIFTLOOP_TOOLS ({TOOLS}) to start one")
    # `nproc` takes a limit on threads for the number of processors, and a cluster would have as many.
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([TOOLS / script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{script} failed:\n{done.stderr}"
    return done.stdout.strip().splitlines()[-1]


def answers(*command: str) -> bool:
    """Whether a command is there and succeeds."""
    return (
        shutil.which(command[0]) is not None and not subprocess.run(command, capture_output=True).returncode
    )


def refused(folder: Path, *arguments: str, **environment: str) -> str:
    """What `images build` says when it fails, as it must; never a traceback."""
    done = run(folder, "driftloop", "images", "build", *arguments, **environment)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    return " ".join(done.stdout.split())


def give_images(images: Path, project: Path) -> None:
    """Put images into a project, as building them there would."""
    for file in images.iterdir():
        link_file(file, project / "images" / file.name)


@pytest.fixture(scope="session")
def apptainer() -> None:
    """A real Apptainer on the PATH."""
    with ONE_AT_A_TIME:
        if not answers("apptainer", "--version"):
            start("install-apptainer.sh", "Apptainer")


@pytest.fixture(scope="session")
def docker() -> Iterator[None]:
    """A real Docker engine, with a base image that builds can start from without a registry."""
    with pytest.MonkeyPatch.context() as patch:
        with ONE_AT_A_TIME:
            if not answers("docker", "info"):
                patch.setenv("DOCKER_HOST", start("start-docker.sh", "Docker engine"))
            if "DRIFTLOOP_BASE_IMAGE" not in os.environ and (TOOLS / "make-base-image.sh").exists():
                patch.setenv("DRIFTLOOP_BASE_IMAGE", start("make-base-image.sh", "base image"))
        yield


@pytest.fixture(scope="session")
def slurm() -> None:
    """A real Slurm with an idle node."""
    with ONE_AT_A_TIME:
        if not answers("sinfo", "--noheader"):
            start("start-slurm.sh", "Slurm")


@pytest.fixture(scope="session")
def images(docker: None, apptainer: None) -> Path:
    """The folder with the SIF file of every role, built or up to date."""
    with ONE_AT_A_TIME:
        done = run(ROOT, "driftloop", "images", "build", timeout=1800)
    assert done.returncode == 0, done.stdout
    return ROOT / "images"
