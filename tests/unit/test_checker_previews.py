"""What the check prepares for a reviewer: corruptions by likeness, and what a filter would undo, sketched."""

from pathlib import Path

import numpy as np
import pytest

from driftloop.checker.previews import Preview, make_previews, thin
from driftloop.checker.sketch import sketch_filter
from driftloop.corruptions import SUITES, corrupt
from driftloop.errors import DataError
from driftloop.review.previews import load_previews, save_previews

GOLDEN = Path(__file__).parents[1] / "golden/review"
IMAGES = np.load(GOLDEN / "images.npz", allow_pickle=False)


def previews_of(picked: np.ndarray, suite: str, reference: np.ndarray, strange: int = 8) -> list[Preview]:
    return make_previews(
        picked,
        range(strange),
        reference,
        tuple(SUITES[suite]),
        lambda images, name: corrupt(images, suite, name),
        undoable=lambda name: not SUITES[suite][name].geometric,
        seed=0,
    )


@pytest.mark.parametrize("name", ["impulse_noise", "fog", "brightness"])
def test_a_sketch_restores_images_that_it_never_saw(name: str) -> None:
    clean = IMAGES["mnist"]
    sketch = sketch_filter(corrupt(clean[:18], "mnist_c", name), clean[:18])
    corrupted = corrupt(clean[18:], "mnist_c", name, rng=1)
    restored = sketch(corrupted)
    assert restored.shape == corrupted.shape

    def error(images: np.ndarray) -> float:
        return float(np.square(images.astype(float) - clean[18:]).mean())

    assert error(restored) < 0.5 * error(corrupted)


def test_the_likeliest_that_a_filter_can_undo_are_tried() -> None:
    previews = previews_of(IMAGES["mnist_drifted"], "mnist_c", IMAGES["mnist"])
    assert previews[0].name == "impulse_noise"
    assert [item.name for item in previews if item.filtered is not None] == [
        item.name for item in previews if not SUITES["mnist_c"][item.name].geometric
    ][:3]
    assert previews[0].filtered is not None
    assert previews[0].filtered.shape == IMAGES["mnist_drifted"].shape
    assert previews[0].removed is not None
    assert 0.2 < previews[0].removed < 1


def test_large_images_are_thinned_and_small_ones_left_out() -> None:
    large = np.repeat(np.repeat(IMAGES["mnist_drifted"][:10], 9, axis=1), 5, axis=2)
    assert thin(large).shape == (10, 63, 35, 1)
    assert previews_of(large, "mnist_c", large)[0].examples.shape[1:] == (63, 35, 1)
    assert previews_of(large[:, :7, :7], "mnist_c", large[:, :7, :7]) == []
    assert previews_of(large, "mnist_c", large, strange=0) == []


@pytest.mark.parametrize("shape", [(128, 12), (12, 128), (512, 50), (200, 24), (65, 15), (300, 300)])
def test_elongated_images_stay_large_enough_to_be_corrupted(shape: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, *shape, 1), dtype=np.uint8)
    assert min(thin(images).shape[1:3]) >= 8
    assert previews_of(images, "mnist_c", images)


def test_previews_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "previews.safetensors"
    assert load_previews(path) == ()
    save_previews(path, [])
    assert load_previews(path) == ()
    previews = previews_of(IMAGES["mnist_drifted"], "mnist_c", IMAGES["mnist"])
    save_previews(path, previews)
    again = load_previews(path)
    assert [(item.name, item.removed) for item in again] == [(item.name, item.removed) for item in previews]
    assert np.array_equal(again[0].filtered, previews[0].filtered)
    assert np.array_equal(again[-1].examples, previews[-1].examples)
    save_previews(path, previews, about="these")
    assert len(load_previews(path, about="these")) == len(previews)
    assert load_previews(path, about="others") == ()
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match="is damaged"):
        load_previews(path)
