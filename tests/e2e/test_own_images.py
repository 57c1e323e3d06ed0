"""Somebody's own pictures and their own model: from a folder to a drift report, and on to a filter."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.datasets import load_digits
from tests.support import ROOT, run
from tests.unit.foreign import write_exported, write_onnx

Person = runpy.run_path(str(ROOT / "tests/golden/review/person.py"))["Person"]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warmed")]
STREAM = "stream={w01: {n: 40}, w02: {n: 60, corruption: impulse_noise}}"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real digits as somebody may keep them: a folder of grey pictures a class, at two depths."""
    home = tmp_path_factory.mktemp("somewhere else") / "my photos"
    levels, labels = load_digits(return_X_y=True)
    images = np.rint(levels * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = home / ("train" if place % 3 else "test") / str(label) / f"IMG {place:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return home


@pytest.fixture(scope="module")
def mine(photos: Path, tmp_path_factory: pytest.TempPathFactory, warmed: None) -> Path:
    """The project that three commands make of them."""
    base = tmp_path_factory.mktemp("own")
    made = run(
        base,
        "driftloop",
        "init",
        "my project",
        "--images",
        str(photos),
        "train.epochs=4",
        "filter.steps=20",
        "inbox.settle=2",
    )
    assert made.returncode == 0, made.stdout
    assert "1,797 grey images of 10 classes, 8 x 8" in made.stdout
    assert "Next: cd 'my project' && snakemake --cores all" in made.stdout
    done = run(base / "my project", "snakemake", "--cores", "all")
    assert done.returncode == 0, done.stdout
    return base / "my project"


def test_three_commands_lead_from_a_folder_to_a_drift_report(mine: Path) -> None:
    drifted = {
        name: json.loads((mine / f"results/{name}/drift.json").read_text())["drifted"]
        for name in ("rehearsal-clean", "rehearsal-noise")
    }
    assert drifted == {"rehearsal-clean": False, "rehearsal-noise": True}
    assert (mine / "results/report.html").exists()


def test_windows_that_arrive_are_taken_in(photos: Path, mine: Path) -> None:
    put(photos, mine / "inbox/monday", like=ImageOps.invert)
    put(photos, mine / "inbox/my window")
    once = run(mine, "driftloop", "watch", "--once")
    assert "monday changed just now" in once.stdout
    assert once.returncode == 75, once.stdout
    assert "monday has drifted and waits for its review: driftloop review monday" in once.stdout
    assert "failed" not in once.stdout
    assert "monday" in (mine / "arrivals.txt").read_text()
    assert "'my window' cannot name a window" in once.stdout
    shutil.rmtree(mine / "inbox/my window")

    person = Person(mine, "watch", columns=100, rows=40)
    person.see("monday")
    put(photos, mine / "inbox/tuesday")
    person.see("1 still growing")
    person.see("tuesday")
    while not (mine / "results/tuesday/drift.json").exists():
        person.see("tuesday")
    person.press("\x03")
    assert person.leave() == 0
    assert "Stopped. Nothing is lost" in person.text()


def put(photos: Path, window: Path, like: Callable[[Image.Image], Image.Image] = Image.Image.copy) -> None:
    """Let a window arrive: real digits that the model may or may not have seen, or what became of them."""
    window.mkdir(parents=True)
    for path in sorted(photos.glob("test/*/*.png"))[::10]:
        with Image.open(path) as picture:
            like(picture).save(window / path.name)


@pytest.mark.parametrize("write", [write_onnx, write_exported], ids=["onnx", "pt2"])
def test_a_program_is_checked_reviewed_and_filtered(
    photos: Path, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    model = write(tmp_path / ("model.onnx" if write is write_onnx else "model.pt2"))
    changes = ("filter.steps=100", "filter.batch_size=32", STREAM)
    given = ["--images", str(photos), "--model", str(model)]
    made = run(tmp_path, "driftloop", "init", "mine", *given, *changes)
    assert made.returncode == 0, made.stdout
    assert "takes images of 8 x 8 pixels with 1 channels" in made.stdout
    assert "its weights stay, its answers can be corrected" in made.stdout
    project = tmp_path / "mine"
    done = run(project, "snakemake", "--cores", "2")
    assert done.returncode == 0, done.stdout
    rows = {row["window"]: row for row in json.loads((project / "results/summary.json").read_text())}
    assert not rows["w01"]["drifted"]
    assert (rows["w02"]["drifted"], rows["w02"]["decision"]) == (True, "filter")
    tried = json.loads((project / "results/w02/evaluation.json").read_text())
    assert list(tried["candidates"]) == ["filter"]
    assert rows["w02"]["true_candidate_accuracy"] > rows["w02"]["true_incumbent_accuracy"] + 0.05
    assert (project / "models/w02/model.json").exists()
    candidate, images = "results/w02/candidates/filter", str(project / "data/windows/w02/images.npy")
    predicted = run(project, "driftloop", "predict", candidate, images).stdout.splitlines()
    said = [int(line.split(",")[1]) for line in predicted if line.startswith(images)]
    truth = np.load(project / "answers/w02/labels.npy")
    assert np.mean(np.array(said) == truth) > 0.6
