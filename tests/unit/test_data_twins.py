"""A shuffled window finds the ready-made twin of each of its images."""

import numpy as np
import pytest

from driftloop.data.dataset import Dataset
from driftloop.data.twins import Twins
from driftloop.data.window import WindowSpec, draw_window
from driftloop.errors import DataError

CLEAN = np.random.default_rng(0).integers(0, 100, (50, 8, 8, 3), dtype=np.uint8)
CORRUPTED = CLEAN + np.arange(50, dtype=np.uint8)[:, None, None, None]
SHUFFLE = np.random.default_rng(1).permutation(50)


def test_each_image_gets_its_own_twin() -> None:
    np.testing.assert_array_equal(Twins(CLEAN, CORRUPTED)(CLEAN[SHUFFLE]), CORRUPTED[SHUFFLE])


def test_an_archive_stands_in_for_a_corruption_in_a_window() -> None:
    pool = Dataset(CLEAN[SHUFFLE], SHUFFLE % 10, "toy", tuple("0123456789"))
    window = draw_window(
        pool,
        WindowSpec(20, "fog", share=0.5),
        before=[],
        population=10,
        corrupt=Twins(CLEAN, CORRUPTED),
        seed=0,
    )
    mask = window.answers.corrupted
    np.testing.assert_array_equal(window.images[mask], CORRUPTED[SHUFFLE[:20][mask]])
    np.testing.assert_array_equal(window.images[~mask], CLEAN[SHUFFLE[:20][~mask]])
    assert mask.sum() == 10


def test_images_without_a_twin_are_told_and_refused() -> None:
    only_test = Twins(CLEAN[40:], CORRUPTED[40:])
    np.testing.assert_array_equal(only_test.covers(CLEAN[SHUFFLE]), SHUFFLE >= 40)
    with pytest.raises(DataError, match="no twin of 40 of 50 images"):
        only_test(CLEAN[SHUFFLE])
    with pytest.raises(DataError, match="another dataset"):
        Twins(CLEAN, CORRUPTED[:49])
