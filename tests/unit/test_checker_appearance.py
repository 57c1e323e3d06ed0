"""Statistics of images say what their definitions say, on images of any shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from driftloop.checker import appearance

SHAPES = [(9, 28, 28, 1), (4, 33, 17, 2), (4, 20, 31, 3), (3, 1, 5, 3)]


def _images(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    images[::2] = images[::2] // 30 * 30  # many differences lie exactly on a class's end
    return images


@pytest.mark.parametrize("shape", SHAPES)
def test_tones_are_log_histograms_of_each_channel_s_levels(shape: tuple[int, ...]) -> None:
    images = _images(shape)
    channels = np.moveaxis(images, 3, 1).reshape(shape[0], shape[3], -1)
    counts = [[np.histogram(each, bins=16, range=(0, 256))[0] for each in image] for image in channels]
    expected = np.log1p(counts).reshape(shape[0], -1)
    np.testing.assert_array_equal(appearance.tones(images), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_edges_count_a_difference_on_an_end_to_the_class_that_it_ends(shape: tuple[int, ...]) -> None:
    images = _images(shape)
    grey = images.astype(np.float64).mean(axis=3)
    ends = [1, 4, 12, 30, 60, 100, 150, 200]
    across = np.searchsorted(ends, np.abs(np.diff(grey, axis=2)))
    expected = np.log1p([np.bincount(each.ravel(), minlength=9) for each in across])
    np.testing.assert_array_equal(appearance.edges(images)[:, 9:18], expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_properties_are_means_over_pixels_and_channels(shape: tuple[int, ...]) -> None:
    images = _images(shape)
    colours = images / 255
    found = appearance.properties(images)
    np.testing.assert_allclose(found[:, 0], colours.mean(axis=(1, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(found[:, 2], np.ptp(colours, axis=3).mean(axis=(1, 2)), rtol=1e-12)
