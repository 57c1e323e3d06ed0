"""The same run, bare and with every rule in its image."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.containers.engines import apptainer, docker, images  # noqa: F401 (fixtures)
from tests.support import BIN, ROOT, make_project, run, snakemake

from driftloop import __version__
from driftloop.containers import image

pytestmark = [pytest.mark.containers]

# Images of 8 x 8 pixels gain nothing from a second thread, and lose much where others use the cores.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
WINDOWS = ("w01", "w02", "w03", "w04", "w05")


def use(images: Path, project: Path) -> Path:  # noqa: F811
    """Give a project the images that are built."""
    (project / "images").symlink_to(images)
    return project


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in this environment."""
    project = make_project(tmp_path_factory.mktemp("bare"))
    done = snakemake(project, **ONE_THREAD)
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="module")
def contained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A finished run of the same parameters, with each rule in its image."""
    project = use(images, make_project(tmp_path_factory.mktemp("contained")))
    # A rule that ran on the host would meet this program there.
    impostor = tmp_path_factory.mktemp("bin") / "driftloop"
    impostor.write_text("#!/bin/sh\necho 'this ran on the host' >&2; exit 99\n")
    impostor.chmod(0o755)
    path = os.pathsep.join([str(impostor.parent), str(BIN), os.environ["PATH"]])
    done = snakemake(project, "--use-singularity", PATH=path, **ONE_THREAD)
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="module")
def same_torch(images: Path) -> bool:  # noqa: F811
    """Whether the image has the very build of torch that this environment has."""
    asked = "from importlib.metadata import version; print(version('torch'))"
    command = ["apptainer", "exec", str(images / "torch.sif"), "python3", "-c", asked]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() == version("torch")


def read(project: Path, file: str) -> Any:
    return json.loads((project / file).read_text())


def rounded(value: Any) -> Any:
    """A JSON value with its numbers to six significant digits."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return f"{value:.6g}" if isinstance(value, float) else value


@pytest.mark.parametrize("window", WINDOWS)
def test_drift_reports_are_equal(bare: Path, contained: Path, window: str, same_torch: bool) -> None:
    one, other = (project / "results" / window / "drift.json" for project in (bare, contained))
    assert rounded(json.loads(one.read_text())) == rounded(json.loads(other.read_text()))
    if same_torch:
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("window", WINDOWS)
def test_verdicts_and_promotions_are_equal(bare: Path, contained: Path, window: str) -> None:
    assert read(bare, f"results/{window}/verdict.json") == read(contained, f"results/{window}/verdict.json")
    one, other = (
        [(repair["window"], repair["repair"], repair["diagnosis"]) for repair in lineage["repairs"]]
        for lineage in (read(project, f"models/{window}/lineage.json") for project in (bare, contained))
    )
    assert one == other


def test_the_summaries_are_equal(bare: Path, contained: Path) -> None:
    one, other = (read(project, "results/summary.json") for project in (bare, contained))
    assert rounded(one) == rounded(other)
    assert any(window["drifted"] for window in one), "nothing drifted, so little was compared"


def test_each_rule_notes_the_image_it_ran_in(contained: Path, images: Path) -> None:  # noqa: F811
    roles = image.rules(ROOT)
    logs = list((contained / "logs").rglob("*.log"))
    assert len(logs) > len(roles)
    for log in logs:
        made_from = read(images, f"{roles[log.stem]}.json")["inputs"]
        assert f"made from {made_from}." in log.read_text().splitlines()[0], log


def test_a_run_goes_on_in_images_where_it_was(bare: Path, contained: Path, images: Path) -> None:  # noqa: F811
    for project in (contained, use(images, bare)):
        again = snakemake(project, "--use-singularity", "--dry-run")
        assert "Nothing to be done" in again.stdout, again.stdout


def test_a_missing_image_stops_the_run_with_the_command_that_builds_it(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    done = snakemake(project, "--use-singularity")
    assert done.returncode == 1
    assert "data.sif is not there. Run: driftloop images build data" in done.stdout
    assert not (project / "data").exists()


def test_without_a_network_a_prepared_project_runs(contained: Path, images: Path, tmp_path: Path) -> None:  # noqa: F811
    """In a network namespace of its own there is not even a loopback device that is up."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        pytest.skip("taking the network away needs the right to make a network namespace")
    project = use(images, make_project(tmp_path / "project"))
    command = [
        "unshare",
        "--net",
        "snakemake",
        "--use-singularity",
        "--cores",
        "2",
        "results/w01/verdict.json",
    ]
    done = run(project, *command, "results/w01/verdict.json", **ONE_THREAD)
    assert done.returncode == 0, done.stdout
    made, before = (folder / "results/w01/drift.json" for folder in (project, contained))
    assert made.read_bytes() == before.read_bytes()


def test_a_model_is_deployed_as_an_image(contained: Path, images: Path, tmp_path: Path) -> None:  # noqa: F811
    """What the image says of a window is what the command says of it here."""
    built = run(ROOT, "driftloop", "images", "build", "predict", "--model", str(contained / "models/w05"))
    assert built.returncode == 0, built.stdout
    window = contained / "data/windows/w03/images.npy"
    here = run(contained, "driftloop", "predict", "models/w05", str(window)).stdout
    here = here.replace(str(window), "stdin.npy")
    for command in (
        ["docker", "run", "--rm", "--interactive", "--network", "none", f"driftloop/predict:{__version__}"],
        ["apptainer", "run", str(images / "predict.sif")],
    ):
        with window.open("rb") as stream:
            done = subprocess.run(command, stdin=stream, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout == here
        assert here.count("\n") == 61
