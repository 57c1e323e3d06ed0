"""A program's answers are corrected on scikit-learn's digits, which arrive mirrored and in another tone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.unit.foreign import write_exported, write_onnx

from driftloop.errors import DataError
from driftloop.improver.imitate import Imitation
from driftloop.improver.lesson import Lesson, Samples
from driftloop.improver.refit import refit
from driftloop.models.classifier import Classifier
from driftloop.models.export import export_model
from driftloop.models.fixed import is_fixed
from driftloop.models.outside import adopt
from driftloop.models.predict import predict
from driftloop.models.refitted import Refitted
from driftloop.models.store import load_model, save_model

LEVELS, LABELS = load_digits(return_X_y=True)
IMAGES = np.rint(LEVELS * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1)
USUAL = Samples(IMAGES[:600], LABELS[:600])
NOBODYS = Imitation("mnist_c", {("impulse_noise", 5): 1.0})


def mirrored(rows: slice) -> Samples:
    return Samples(IMAGES[rows, :, ::-1] // 2 + 90, LABELS[rows])


def inverted(rows: slice) -> Samples:
    return Samples(255 - IMAGES[rows], LABELS[rows])


def right(classifier: Classifier, samples: Samples) -> float:
    return float((predict(classifier, samples.images).logits.argmax(1) == samples.labels).mean())


def adopted(path: Path) -> Classifier:
    classes = tuple("0123456789")
    return adopt(path, network={}, mean=0.0, std=1.0, images=IMAGES[:8], classes=classes).classifier


@pytest.fixture(scope="module")
def incumbent(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return adopted(write_onnx(tmp_path_factory.mktemp("program") / "m.onnx"))


@pytest.fixture(scope="module")
def candidate(incumbent: Classifier) -> Classifier:
    window = mirrored(slice(600, 800))
    reviewed = Samples(window.images[:100], window.labels[:100])
    return refit(incumbent, Lesson(USUAL, NOBODYS, reviewed, window.images[100:150]), seed=0)


def test_a_program_learns_what_no_filter_undoes_and_forgets_little(
    incumbent: Classifier, candidate: Classifier
) -> None:
    drifted, clean = mirrored(slice(1000, None)), Samples(IMAGES[1000:], LABELS[1000:])
    assert right(candidate, drifted) > right(incumbent, drifted) + 0.2
    assert right(candidate, clean) > right(incumbent, clean) - 0.03


def test_another_drift_is_corrected_behind_the_first(incumbent: Classifier, candidate: Classifier) -> None:
    taught = mirrored(slice(600, 700))
    both = refit(
        candidate,
        Lesson(USUAL, None, inverted(slice(600, 700)), earlier=[NOBODYS], earlier_reviewed=taught),
        seed=0,
    )
    first, second = mirrored(slice(1000, None)), inverted(slice(1000, None))
    assert right(both, second) > right(incumbent, second) + 0.1
    assert right(both, first) > right(candidate, first) - 0.05


def test_it_survives_the_disk_and_is_still_known_for_a_program(candidate: Classifier, tmp_path: Path) -> None:
    save_model(tmp_path, candidate)
    again = load_model(tmp_path)
    np.testing.assert_array_equal(predict(again, IMAGES[:50]).logits, predict(candidate, IMAGES[:50]).logits)
    assert is_fixed(json.loads((tmp_path / "model.json").read_text()))
    assert again.network.fixed


def test_the_same_seed_gives_the_same_correction(incumbent: Classifier) -> None:
    lesson = Lesson(USUAL, reviewed=mirrored(slice(600, 620)))
    first, second = (refit(incumbent, lesson, seed=3) for _ in range(2))
    np.testing.assert_array_equal(predict(first, IMAGES[:50]).logits, predict(second, IMAGES[:50]).logits)


@pytest.mark.parametrize("n", [1, 3])
def test_a_handful_of_labels_is_enough_to_go_on(incumbent: Classifier, n: int) -> None:
    corrected = refit(incumbent, Lesson(USUAL, NOBODYS, mirrored(slice(600, 600 + n))), seed=0)
    assert np.isfinite(predict(corrected, IMAGES[:50]).logits).all()


def test_a_corrected_program_of_torch_can_be_exported(tmp_path: Path) -> None:
    program = adopted(write_exported(tmp_path / "m.pt2"))
    corrected = refit(program, Lesson(USUAL, reviewed=mirrored(slice(600, 640))), seed=0)
    assert isinstance(corrected.network, Refitted)
    assert export_model(corrected, tmp_path / "out.pt2") < 1e-3


def test_there_must_be_labels_to_learn_from(incumbent: Classifier) -> None:
    with pytest.raises(DataError, match="clean images and reviewed samples"):
        refit(incumbent, Lesson(USUAL, NOBODYS, mirrored(slice(0, 0))), seed=0)
