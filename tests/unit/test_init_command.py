"""What `driftloop init` says of the images that it saw, and of what becomes of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from driftloop import pipeline
from driftloop.cli import driftloop


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of a hundred colour pictures each."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for place in range(200):
        picture = tmp_path / "photos" / ("cat", "dog")[place % 2] / f"{place}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(picture)
    return tmp_path / "photos"


def test_it_says_what_it_saw_and_the_size_that_was_asked_for(photos: Path) -> None:
    done = CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos), "dataset.size=20"])
    assert done.exit_code == 0, done.output
    assert "200 colour images of 2 classes, 12 x 12; 100 of a class." in done.output
    assert "They become 20 pixels a side" in done.output
    written = Path("new/params.yaml").read_text()
    assert "size: 20" in written
    assert "driftloop.improver.filters.ResidualDenoiser" in written


def test_it_says_what_share_of_a_picture_a_size_cuts_off(photos: Path) -> None:
    for picture in photos.glob("*/*.png"):
        Image.open(picture).resize((48, 12)).save(picture)
    done = CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos), "dataset.size=12"])
    assert done.exit_code == 0, done.output
    assert (
        "They become 12 pixels a side; of another proportion: crop; 75% of a picture is cut off."
        in done.output
    )


@pytest.mark.slow
def test_ones_own_network_is_found_beside_params_yaml(photos: Path) -> None:
    source = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(432, 2))
"""
    Path("mine.py").write_text(source)
    network = nn.Sequential(nn.Flatten(), nn.Linear(432, 2))
    save_file(network.state_dict(), "net.safetensors")
    init = ["init", "new", "--images", str(photos), "--weights", "net.safetensors", "--model"]
    refused = CliRunner().invoke(driftloop, [*init, "nothing:Net"])
    assert "No module named 'nothing'" in str(refused.exception)
    assert not Path("new").exists()

    program = Path(sys.executable).with_name("driftloop")

    def run(where: str, *arguments: str) -> str:
        done = subprocess.run([program, *arguments], cwd=where, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    assert "model.mean" in run(".", *init, "mine:Net")
    Path("mine.py").unlink()  # the project has a copy
    run("new", "fetch-dataset")
    run("new", "split-dataset")
    assert "reference model: accuracy" in run("new", "train-model")


def test_copies_are_counted_once(photos: Path) -> None:
    for picture in sorted(photos.glob("*/*.png"))[:20]:
        shutil.copyfile(picture, picture.with_name(f"copy of {picture.name}"))
    done = CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos)])
    assert "200 colour images of 2 classes" in done.output


def test_unequal_classes_are_named(photos: Path) -> None:
    for picture in sorted((photos / "cat").iterdir())[:50]:
        picture.rename(photos / "dog" / f"more-{picture.name}")
    done = CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos)])
    assert "from 50 (cat) to 150 (dog) of a class." in done.output


def test_a_list_may_name_pictures_beside_its_folder_once_a_larger_one_is_given(photos: Path) -> None:
    lists = photos.parent / "lists"
    lists.mkdir()
    pictures = [each.relative_to(photos.parent) for each in photos.rglob("*.png")]
    rows = "".join(f"{each},{each.parent.name}\n" for each in pictures)
    (lists / "all.csv").write_text("path,label\n" + rows)
    init = ["init", "new", "--images", "lists/all.csv"]
    assert "does not exist" in str(CliRunner().invoke(driftloop, init).exception)
    done = CliRunner().invoke(driftloop, [*init, f"dataset.root={photos.parent}"])
    assert done.exit_code == 0, done.output
    assert "200 colour images of 2 classes" in done.output


def test_an_init_that_was_cut_short_goes_on(photos: Path) -> None:
    command = ["init", "new", "--images", str(photos)]
    assert CliRunner().invoke(driftloop, command).exit_code == 0
    shutil.rmtree("new/.git/refs")  # as after Ctrl-C while Git and DVC are set up
    Path("new/.dvc/config").unlink()
    Path("new/params.yaml").unlink()
    for name in ("dvc.yaml", "profiles/default/config.yaml"):
        Path("new", name).write_text("# mine\n")
    done = CliRunner().invoke(driftloop, command)
    assert done.exit_code == 0, done.output
    assert Path("new/.dvc/config").exists()
    assert (
        Path("new/dvc.yaml").read_text() == Path("new/profiles/default/config.yaml").read_text() == "# mine\n"
    )
    status = subprocess.run(["git", "-C", "new", "status"], capture_output=True, text=True)
    assert status.returncode == 0, status.stderr
    assert "is a project already" in str(CliRunner().invoke(driftloop, command).exception)
    Path("other").mkdir()
    Path("other/Snakefile").write_text("rule all:\n")
    command[1] = "other"
    assert "is a project already" in str(CliRunner().invoke(driftloop, command).exception)


def test_a_package_that_cannot_be_written_makes_a_project_that_can(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = photos.parent / "store"
    shutil.copytree(pipeline.ROOT / ".dvc/plots", store / ".dvc/plots")
    shutil.copytree(pipeline.ROOT / "profiles", store / "profiles")
    shutil.copyfile(pipeline.ROOT / "dvc.yaml", store / "dvc.yaml")
    made = [store, *store.rglob("*")]
    for path in made:
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.setattr(pipeline, "ROOT", store)
    done = CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos)])
    for path in made:
        path.chmod(0o755)  # so that it can be removed
    assert done.exit_code == 0, done.output
    copied = [*Path("new/profiles").rglob("*"), *Path("new/.dvc/plots").rglob("*"), Path("new/dvc.yaml")]
    assert len(copied) > 5
    assert [path for path in copied if not path.stat().st_mode & 0o200] == []


@pytest.mark.parametrize(("stream", "last"), [("stream={}", "reference"), ("stream.w09.n=20", "w09")])
def test_dvc_names_the_folder_that_is_in_production_after_the_stream(
    photos: Path, stream: str, last: str
) -> None:
    done = CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos), stream])
    assert done.exit_code == 0, done.output
    described = yaml.safe_load(Path("new/dvc.yaml").read_text())
    assert described["artifacts"]["production"]["path"] == f"models/{last}"


def test_what_belongs_to_one_machine_is_not_committed(photos: Path) -> None:
    assert CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos)]).exit_code == 0
    Path("new/images").symlink_to(photos)
    Path("new/decisions/production.lock").touch()
    Path("new/__pycache__").mkdir()
    Path("new/__pycache__/models.pyc").touch()
    subprocess.run(["git", "-C", "new", "add", "-A"], check=True)
    listed = subprocess.run(["git", "-C", "new", "ls-files"], capture_output=True, text=True, check=True)
    assert {"params.yaml", "Snakefile", "decisions/.gitkeep"} <= set(listed.stdout.split())
    assert not {name for name in listed.stdout.split() if "images" in name or "lock" in name or "pyc" in name}
