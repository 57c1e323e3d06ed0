"""`driftloop predict`: what it prints of pictures, arrays and standard input, and which model it takes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tests.unit.test_improver import FOG, digits, drifted, filtered, incumbent

from driftloop import layout
from driftloop.checker.fitted import fit_detector
from driftloop.checker.store import save_detector
from driftloop.commands.table import find_command
from driftloop.errors import DataError, ModelError
from driftloop.models.predict import predict
from driftloop.models.store import save_model
from driftloop.tracker.production import move


@pytest.fixture
def images(project) -> np.ndarray:
    """Foggy digits and clean ones; the model with a filter is in production, the one without is w01's."""
    save_model(layout.model("w01"), incumbent())
    save_model(layout.model("w02"), filtered())
    move("w02", "workflow")
    images = np.concatenate([drifted(FOG).images[:200], digits()["test"].images[:100]])
    np.save("images.npy", images)
    return images


def run(*arguments: str, stdin: bytes | None = None) -> list[dict[str, str]]:
    result = CliRunner().invoke(find_command("predict"), arguments, input=stdin, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_pictures_are_made_to_fit_as_the_project_s_windows_are(images):
    wide = np.zeros((16, 20), np.uint8)
    wide[:, 2:-2] = digits()["test"].images[0, ..., 0]
    Image.fromarray(wide).save("wide.png")
    Image.fromarray(wide[:, 2:-2]).save("right.png")
    Path("._wide.png").write_bytes(b"what some systems leave beside a picture")
    with pytest.raises(DataError, match="Crop it"):
        run("wide.png")
    mnist = "  _target_: driftloop.data.sources.MNIST\n"
    folder = "  _target_: driftloop.data.own.ImageFolder\n  folder: photos\n  size: 16\n"
    params = Path("params.yaml").read_text()
    assert mnist in params
    Path("params.yaml").write_text(params.replace(mnist, folder))
    Path("pictures").mkdir()
    for name in ("wide.png", "right.png", "._wide.png"):
        Path(name).rename(Path("pictures") / name)
    right, cropped = run("pictures")
    assert right["confidence"] == cropped["confidence"]


def test_production_is_the_model_unless_another_is_named(images):
    for arguments, classifier in ((["images.npy"], filtered()), (["models/w01", "images.npy"], incumbent())):
        rows = run(*arguments)
        logits = predict(classifier, images).logits
        assert [row["class"] for row in rows] == [str(code) for code in logits.argmax(1)]
        assert [row["name"] for row in rows[:2]] == ["images.npy[0]", "images.npy[1]"]
        exact = np.exp(logits - logits.max(1, keepdims=True))
        confidence = [float(row["confidence"]) for row in rows]
        assert confidence == pytest.approx(exact.max(1) / exact.sum(1), abs=2e-6)


def test_it_tells_which_filters_acted(images):
    filters = [row["filters"] for row in run("images.npy")]
    assert filters[:200].count("1") > 150
    assert filters[200:].count("1") < 5
    assert {row["filters"] for row in run("models/w01", "images.npy")} == {""}


def test_pictures_and_standard_input_say_what_the_array_says(images):
    expected = [row["class"] for row in run("images.npy")][:3]
    Path("pictures").mkdir()
    for place, image in enumerate(images[:3]):
        Image.fromarray(image[..., 0]).save(f"pictures/{place}.png")
    assert [row["class"] for row in run("pictures")] == expected
    (row,) = run(stdin=Path("pictures/1.png").read_bytes())
    assert row["class"] == expected[1]
    assert [row["class"] for row in run(stdin=Path("images.npy").read_bytes())][:3] == expected


def test_one_damaged_picture_of_a_folder_is_left_out_and_said(images):
    Path("pictures").mkdir()
    for place, image in enumerate(images[:3]):
        Image.fromarray(image[..., 0]).save(f"pictures/{place}.png")
    Path("pictures/1.png").write_bytes(Path("pictures/1.png").read_bytes()[:40])
    result = CliRunner().invoke(find_command("predict"), ["pictures"])
    assert [row["name"] for row in csv.DictReader(io.StringIO(result.stdout))] == [
        "pictures/0.png",
        "pictures/2.png",
    ]
    assert "pictures/1.png is not a readable picture" in result.stderr
    assert "1 of 3 were left out" in str(result.exception)
    with pytest.raises(DataError, match=r"pictures/1\.png is not a readable picture"):
        run("pictures/0.png", "pictures/1.png")  # it was named itself


def test_one_image_may_come_as_an_array_of_its_own(images):
    expected = run("images.npy")[0]["class"]
    for place, image in enumerate((images[0], images[0][None], images[:1, ..., 0], images[0, ..., 0])):
        np.save("one.npy", image)
        Path("one.npy").rename(f"{place}.NPY")
        assert [row["class"] for row in run(f"{place}.NPY")] == [expected]
    np.save("wide.npy", np.zeros((5, 9, 9, 1), np.uint8))
    with pytest.raises(DataError, match=r"wide.npy is uint8 \(5, 9, 9, 1\)"):
        run("wide.npy")


def test_what_is_wrong_with_standard_input_is_called_that(images):
    with pytest.raises(DataError, match=r"^standard input is not a readable picture"):
        run(stdin=b"no picture")
    result = CliRunner().invoke(find_command("predict"), [], input=b"")
    assert result.exit_code == 2
    assert "Nothing came through standard input" in result.output


def test_drift_scores_tell_what_is_strange(images):
    parts = digits()
    reference, calibration = (predict(filtered(), parts[name].images) for name in ("train", "calibration"))
    save_detector(layout.model("w02"), fit_detector(reference, calibration), model="0" * 64)
    command = find_command("predict")
    printed = CliRunner().invoke(command, ["images.npy", "--drift", "--jsonl"], catch_exceptions=False).stdout
    scores = [json.loads(line)["drift_score"] for line in printed.splitlines()]
    assert np.median(scores[:200]) > np.quantile(scores[200:], 0.9)


def test_without_a_model_it_says_what_to_do(project):
    result = CliRunner().invoke(find_command("predict"), ["pictures"])
    assert isinstance(result.exception, ModelError)
    assert "snakemake --cores all" in str(result.exception)
