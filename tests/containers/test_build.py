"""Images built by the real engines, and what is said when they cannot be."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.containers.engines import apptainer, docker, images, refused  # noqa: F401 (fixtures)
from tests.support import ROOT, run

from driftloop import __version__
from driftloop.containers import image

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("docker", "apptainer")]

NOWHERE = "nowhere.invalid/python:3"


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The repository's recipes with one role of one package: builds in seconds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for name in ("containers", "workflow", "pyproject.toml", "README.md", "LICENSE", *packed):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "envs").mkdir()
    shutil.copy(ROOT / "envs/build.lock", tmp_path / "envs")
    click = re.search(r"^click==(.*\\\n)*.*\n", (ROOT / "envs/review.lock").read_text(), re.MULTILINE)
    assert click
    (tmp_path / "envs/small.lock").write_text(click[0])
    return tmp_path


@pytest.mark.parametrize("role", image.roles(ROOT))
def test_an_image_runs_its_version_of_driftloop_with_both_engines(images: Path, role: str) -> None:  # noqa: F811
    told = f"driftloop, version {__version__}"
    sif = str(images / f"{role}.sif")
    assert told in output("apptainer", "run", sif, "--version")
    name = f"driftloop/{role}:{__version__}"
    assert told in output("docker", "run", "--rm", "--network", "none", name, "--version")
    assert output("docker", "run", "--rm", "--network", "none", "--entrypoint", "id", name, "-u") == "1000\n"


@pytest.mark.parametrize("role", image.roles(ROOT))
def test_an_image_says_what_it_was_made_from(images: Path, role: str) -> None:  # noqa: F811
    recorded = json.loads((images / f"{role}.json").read_text())
    sif = str(images / f"{role}.sif")
    asked = "import json; from driftloop.containers.image import current_image as i; print(json.dumps(i()))"
    inside = json.loads(output("apptainer", "exec", "--home", str(ROOT), sif, "python3", "-c", asked))
    assert inside == {key: recorded[key] for key in inside}
    assert {"inputs", "sha256"} <= inside.keys()
    labels = json.loads(output("apptainer", "inspect", "--json", "--labels", sif))["data"]["attributes"][
        "labels"
    ]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == recorded["revision"]


def test_images_without_torch_stay_small(images: Path) -> None:  # noqa: F811
    sizes = {role: (images / f"{role}.sif").stat().st_size for role in image.roles(ROOT)}
    assert all(size < 400e6 for role, size in sizes.items() if not image.uses_torch(ROOT, role)), sizes


def test_the_host_s_python_packages_do_not_reach_the_inside(images: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "click.py").write_text("raise SystemExit('the host was here')\n")
    done = run(
        tmp_path, "apptainer", "run", str(images / "review.sif"), "--version", PYTHONPATH=str(tmp_path)
    )
    assert "driftloop, version" in done.stdout


def test_what_is_up_to_date_is_not_built_again(images: Path) -> None:  # noqa: F811
    before = {role: (images / f"{role}.sif").stat().st_mtime_ns for role in image.roles(ROOT)}
    done = run(ROOT, "driftloop", "images", "build")
    assert done.stdout.count("is up to date") == len(before)
    assert before == {role: (images / f"{role}.sif").stat().st_mtime_ns for role in before}
    listed = run(ROOT, "driftloop", "images", "list", COLUMNS="200").stdout.splitlines()
    assert all(
        re.search(rf"^{role} +up to date", line) for role, line in zip(before, listed[1:], strict=False)
    )


def test_apptainer_alone_builds_the_same_image(small: Path, tmp_path: Path) -> None:
    archive = tmp_path / "base.tar"
    base = os.environ.get("DRIFTLOOP_BASE_IMAGE", image.DEFAULT_BASE)
    output("docker", "save", base, "-o", str(archive))
    # No docker on the PATH, none answering: the engine is chosen by itself.
    done = run(
        small, "driftloop", "images", "build", "--base-image", f"docker-archive:{archive}",
        DOCKER_HOST="unix:///nowhere.sock",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "small built with apptainer" in done.stdout
    sif = str(small / "images/small.sif")
    assert output(
        "apptainer", "exec", sif, "python3", "-c", "import click, driftloop; print(driftloop.__name__)"
    )
    assert json.loads(output("apptainer", "exec", sif, "cat", "/opt/driftloop/image.json"))["role"] == "small"
    assert not list((small / "build").iterdir()), "the build left something behind"


def test_a_failing_step_is_named_with_its_last_lines(small: Path) -> None:
    script = small / "containers/install.sh"
    script.write_text(
        script.read_text().replace("packages)\n", "packages)\n  echo the glue ran out; exit 3\n")
    )
    said = refused(small, "--engine", "docker")
    where = r"The image 'small' failed to build at step \d+ of \d+, RUN sh /build/install.sh packages"
    assert re.search(rf"{where} .*the glue ran out", said), said


def test_a_package_that_cannot_be_had_is_named(small: Path) -> None:
    lock = small / "envs/small.lock"
    lock.write_text(re.sub(r"click==\S+", "click==0.0.0.1", lock.read_text()))
    said = refused(small)
    assert "No matching distribution found for click==0.0.0.1" in said


def test_a_package_that_its_lock_does_not_vouch_for_is_refused(small: Path) -> None:
    lock = small / "envs/small.lock"
    lock.write_text(re.sub(r"sha256:\w+", f"sha256:{64 * '0'}", lock.read_text()))
    assert "DO NOT MATCH THE HASHES" in refused(small)


@pytest.mark.parametrize("engine", ["docker", "apptainer"])
def test_a_base_image_that_cannot_be_had_is_named_with_what_to_do(small: Path, engine: str) -> None:
    said = refused(small, "--engine", engine, "--base-image", NOWHERE)
    assert f"The base image {NOWHERE} cannot be" in said  # pulled, or used
    assert "no such host" in said or "lookup" in said
    assert "--base-image NAME:TAG" in said


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[str]:
    """A base image for a machine of another kind, made by hand: its one program is for that machine."""
    name, shell = "driftloop-test-foreign:1", bytearray(Path("/bin/sh").read_bytes())
    shell[18:20] = struct.pack("<H", 183 if platform.machine() == "x86_64" else 62)  # ELF: aarch64 or x86-64
    layer = archive({"bin/sh": bytes(shell)})
    kind = "arm64" if platform.machine() == "x86_64" else "amd64"
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    files = {
        "layer.tar": layer,
        "config.json": json.dumps({"architecture": kind, "os": "linux", "rootfs": rootfs}).encode(),
        "manifest.json": json.dumps(
            [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        ).encode(),
    }
    (tmp_path / "foreign.tar").write_bytes(archive(files))
    output("docker", "load", "-i", str(tmp_path / "foreign.tar"))
    yield name
    output("docker", "rmi", name)


def archive(files: dict[str, bytes]) -> bytes:
    """A tar archive of programs."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def test_docker_refuses_a_base_image_for_another_architecture(small: Path, foreign: str) -> None:
    said = refused(small, "--engine", "docker", "--base-image", foreign)
    assert re.search(
        rf"The base image {foreign} is for \w+, this machine is {image.host_architecture()}", said
    )
    assert "docker pull --platform linux/" in said


def test_apptainer_refuses_a_base_image_for_another_architecture(small: Path, foreign: str) -> None:
    said = refused(small, "--engine", "apptainer", "--base-image", f"docker-daemon:{foreign}")
    assert f"The base image docker-daemon:{foreign} cannot be used." in said
    assert re.search(r"architecture \(\w+\) could not run", said)
    assert f"name an image for {image.host_architecture()} with Python" in said


@pytest.fixture
def small_disk(small: Path) -> Iterator[Callable[[str], None]]:
    """Make a folder of the small project a real disk of two megabytes, all but full."""
    mounted = []

    def fill(name: str) -> None:
        folder = small / name
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")
        mounted.append(folder)
        (folder / "ballast").write_bytes(bytes(1_900_000))

    yield fill
    for folder in mounted:
        output("umount", str(folder))


@pytest.mark.parametrize("folder", ["build", "images"])
def test_a_full_disk_is_called_one(small: Path, small_disk: Callable[[str], None], folder: str) -> None:
    small_disk(folder)
    assert "The disk is full" in refused(small, "--engine", "docker")
    assert not (small / "images/small.sif").exists()
