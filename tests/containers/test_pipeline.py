"""The same run, bare and with every rule in its image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.containers.engines import apptainer, docker, give_images, images  # noqa: F401 (fixtures)
from tests.support import BIN, ROOT, make_project, run, snakemake

from driftloop import __version__
from driftloop.containers import image

pytestmark = [pytest.mark.containers]

WINDOWS = ("w01", "w02", "w03", "w04", "w05")
LIGHT = (
    *("split.calibration=2000", "split.test=2000", "split.production=50000", "split.population=500"),
    *("train.epochs=2", "detector.reference=4000", "retrain.steps=60", "filter.steps=100"),
)
"""The demo with less to train, and two repairs as ever. As it comes it runs in tests/e2e/test_demo.py."""

CARRIED = ("Snakefile", "rules", "profiles", "params.yaml", "images", "data")
"""What docs/cluster.md says to carry to a machine without a network."""


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory, warm: str) -> Path:
    """The demo's stream on real MNIST, in this environment.

    Of the session, so that it is made before the images are waited for, which another process builds.
    """
    project = make_project(tmp_path_factory.mktemp("bare"), LIGHT)
    done = snakemake(project, timeout=1800, PATH=warm)
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture(scope="module")
def no_network() -> tuple[str, ...]:
    """What runs a command without a network: its namespace has not even a loopback device that is up."""
    alone = ("unshare", "--net")
    return () if subprocess.run([*alone, "true"], capture_output=True).returncode else alone


@pytest.fixture(scope="module")
def contained(
    images: Path,  # noqa: F811
    no_network: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The same with each rule in its image: prepared here, carried there, run without network."""
    prepared = make_project(tmp_path_factory.mktemp("prepared"), LIGHT)
    give_images(images, prepared)
    fetched = snakemake(prepared, "--use-singularity", "data/raw/meta.json")
    assert fetched.returncode == 0, fetched.stdout

    carried = tmp_path_factory.mktemp("carried there")  # a path with a space
    with subprocess.Popen(["tar", "c", *CARRIED], cwd=prepared, stdout=subprocess.PIPE) as tar:
        subprocess.run(["tar", "x", "-C", carried], stdin=tar.stdout, check=True)
    # A rule that ran on the host would meet this program there.
    impostor = tmp_path_factory.mktemp("bin") / "driftloop"
    impostor.write_text("#!/bin/sh\necho 'this ran on the host' >&2; exit 99\n")
    impostor.chmod(0o755)
    path = os.pathsep.join([str(impostor.parent), str(BIN), os.environ["PATH"]])
    command = (*no_network, "snakemake", "--use-singularity", "--cores", "2")
    done = run(carried, *command, timeout=1800, PATH=path)
    assert done.returncode == 0, done.stdout
    assert "Fetching" not in done.stdout, "the data that were carried were fetched again"
    return carried


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
    assert len(one) == {"w01": 0, "w02": 1}.get(window, 2), "fewer repairs were compared"


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
    give_images(images, bare)
    for project in (contained, bare):
        again = snakemake(project, "--use-singularity", "--dry-run")
        assert "Nothing to be done" in again.stdout, again.stdout


def test_a_missing_image_stops_the_run_with_the_command_that_builds_it(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    done = snakemake(project, "--use-singularity")
    assert done.returncode == 1
    assert ".sif is not there. Run: driftloop images build" in done.stdout
    assert not any((project / "data").iterdir())


def test_the_run_had_no_network(no_network: tuple[str, ...]) -> None:
    if not no_network:
        pytest.skip("the images ran with the network: taking it away needs the right to make a namespace")
    asked = "import socket; print([name for _, name in socket.if_nameindex()])"
    devices = subprocess.run([*no_network, "python3", "-c", asked], capture_output=True, text=True)
    assert devices.stdout.strip() == "['lo']"


def test_the_images_ran_on_the_real_data(contained: Path) -> None:
    assert read(contained, "data/raw/meta.json")["name"] == "mnist"


def test_without_apptainer_the_run_says_what_to_do(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    for program in ("bash", "which"):  # Snakemake's own needs
        (tmp_path / program).symlink_to(shutil.which(program))
    path = os.pathsep.join([str(BIN), str(tmp_path)])
    done = run(project, "snakemake", "--cores", "1", "--use-singularity", PATH=path)
    assert done.returncode == 1
    assert "Apptainer is not on the PATH" in done.stdout
    assert "https://apptainer.org/docs" in done.stdout
    assert "Traceback" not in done.stdout


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
        assert here.count("\n") == 501
