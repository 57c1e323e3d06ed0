"""A large window in parts: scored by several jobs, gathered by one, and the report is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftloop.checker.check import check_window
from driftloop.checker.detector import rows
from driftloop.checker.exposure import expose
from driftloop.checker.fitted import FittedDetector, add_kind, fit_detector
from driftloop.checker.scores import Scores, join_scores, part_rows, score_samples
from driftloop.checker.store import load_scores, save_scores
from driftloop.errors import DataError
from driftloop.models import features
from driftloop.models.features import Features


@pytest.fixture(scope="module")
def fitted(make_features) -> FittedDetector:
    """The default detector, which knows clean data and one repaired drift, and estimates the accuracy."""
    calibration = make_features(300, seed=2)

    def see(images: np.ndarray) -> Features:
        seen = rows(calibration, np.arange(len(images)) % len(calibration))
        return Features(images, seen.embeddings, seen.logits)

    exposure = expose(calibration.images, calibration.logits.argmax(axis=1), see, seed=0)
    clean = fit_detector(make_features(500, seed=1), calibration, exposure=exposure)
    return add_kind(clean, "w01", make_features(100, seed=6, noise=0.3))


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_a_window_scored_in_parts_gets_the_same_report(
    fitted, make_features, tmp_path: Path, parts: int
) -> None:
    window = make_features(700, seed=5, noise=0.2)
    for place in range(1, parts + 1):
        scores = score_samples(fitted, rows(window, part_rows(len(window), place, parts)))
        save_scores(tmp_path / f"{place}", scores, source="this")
    gathered = join_scores(
        [load_scores(tmp_path / f"{place}", source="this") for place in range(1, parts + 1)]
    )
    whole, again = (
        check_window(fitted, window, draws=999),
        check_window(fitted, window, draws=999, scores=gathered),
    )
    assert again.digest == whole.digest
    for name, column in whole.samples.arrays().items():
        np.testing.assert_array_equal(column, again.samples.arrays()[name])


def test_a_detector_is_not_asked_for_the_scores_of_an_empty_part(make_features, tmp_path: Path) -> None:
    learned = {
        "_target_": "driftloop.checker.autoencoder.Autoencoder",
        "epochs": 1,
    }  # no rows, no latent codes
    fitted = fit_detector(make_features(200, seed=1), make_features(100, seed=2), spec=learned)
    window = make_features(300, seed=3)
    for place in range(1, 5):
        scores = score_samples(fitted, rows(window, part_rows(len(window), place, 4)))
        save_scores(tmp_path / f"{place}", scores, source="this")
    gathered = join_scores([load_scores(tmp_path / f"{place}", source="this") for place in range(1, 5)])
    np.testing.assert_array_equal(gathered.by_kind, score_samples(fitted, window).by_kind)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 100_000])
@pytest.mark.parametrize("parts", [1, 3, 4, 500])
def test_parts_are_whole_blocks_and_together_the_window(n: int, parts: int) -> None:
    slices = [part_rows(n, place, parts) for place in range(1, parts + 1)]
    assert [row for each in slices for row in range(each.start, each.stop)] == list(range(n))
    assert all(each.start % 256 == 0 or each.start == n for each in slices)


def test_parts_of_something_else_or_damaged_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "1-of-2.safetensors"
    with pytest.raises(DataError, match="does not hold the scores of a part"):
        load_scores(path, source="this")
    save_scores(path, Scores(np.zeros((1, 3)), np.zeros((3, 5), np.float32), np.zeros((3, 0))), source="that")
    with pytest.raises(DataError, match="other predictions or another detector"):
        load_scores(path, source="this")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match="does not hold the scores of a part"):
        load_scores(path, source="that")


def test_a_memory_mapped_window_is_checked_as_one_in_memory(tmp_path, make_features, monkeypatch):
    """Parts are small here, so that there are several, and every one's pages are given back."""
    monkeypatch.setattr(features, "PART", 256)
    fitted = fit_detector(make_features(300, seed=1), make_features(200, seed=2))
    window = make_features(700, seed=3, noise=0.1)
    mapped = []
    for name, array in vars(window).items():
        np.save(tmp_path / f"{name}.npy", array)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    reports = [check_window(fitted, each, draws=99) for each in (window, features.Features(*mapped))]
    assert reports[0].digest == reports[1].digest
