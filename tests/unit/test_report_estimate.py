"""The accuracy of the incumbent as it is told: wider where much is novel, and right once labels are there."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support import drift_of

from driftloop.estimate import Estimate, Told, widened, with_labels

DRAWINGS = drift_of(
    "w01", drifted=True, estimated_accuracy=Estimate(0.45, 0.30, 0.60), novel_share=Estimate(0.9, 0.7, 1.0)
)


def test_on_images_unlike_everything_known_the_interval_widens():
    assert DRAWINGS.accuracy.low < 0.25 < DRAWINGS.accuracy.high
    usual = replace(DRAWINGS, novel_share=Estimate(0.0, 0.0, 0.0))
    assert usual.accuracy[1:] == pytest.approx((0.30, 0.60))
    # What the check wrote, and answers are bound to, is not touched.
    assert DRAWINGS.estimated_accuracy.low == 0.30


def test_an_interval_that_ends_at_one_is_as_wide_as_its_other_side():
    found = widened(Estimate(0.95, 0.85, 1.0), Estimate(0.0, 0.0, 0.5))
    assert found.low < 0.85
    assert found.high == 1.0


def told(right: np.ndarray, labelled: int, random: int, signs: np.ndarray) -> Told:
    index = np.arange(labelled)
    return Told(index, right[index], index < random, signs)


@pytest.mark.parametrize("true", [0.25, 0.6, 0.9])
@pytest.mark.parametrize("off", [-0.2, 0.0, 0.2])
def test_with_labels_the_limits_hold_whatever_the_estimate_was(true, off):
    rng = np.random.default_rng(0)
    guess = min(1.0, true + off)
    before = widened(Estimate(guess, guess - 0.1, min(1.0, guess + 0.1)), Estimate(0.9, 0.8, 1.0))
    held, errors = [], []
    for _ in range(500):
        window, signs = rng.random(300) < true, rng.random((300, 2))
        found = with_labels(before, told(window, 48, 48, signs))
        held.append(found.low <= window.mean() <= found.high)
        errors.append(abs(found.estimate - window.mean()))
    assert np.mean(held) >= 0.93
    assert np.mean(errors) < 0.055  # forty-eight labels alone are off by 0.052 at worst


def test_what_tells_right_from_wrong_makes_the_estimate_better():
    rng = np.random.default_rng(1)
    plain, helped, held = [], [], []
    for _ in range(300):
        confidence = rng.random(200)
        right = rng.random(200) < 1 / (1 + np.exp(-10 * (confidence - 0.3)))
        order = np.r_[rng.permutation(200)]
        right, confidence = right[order], confidence[order]
        strange = 48 + np.argsort(confidence[48:])[:48]  # which a review shows as well
        index = np.r_[np.arange(48), strange]
        for signs, errors in ((np.zeros((200, 0)), plain), (confidence[:, None], helped)):
            found = with_labels(Estimate(0.7, 0.5, 0.9), Told(index, right[index], index < 48, signs))
            errors.append(abs(found.estimate - right.mean()))
        held.append(found.low <= right.mean() <= found.high)
    assert np.mean(helped) < 0.5 * np.mean(plain)
    assert np.mean(held) >= 0.93


def test_where_all_is_labelled_nothing_is_estimated():
    found = with_labels(Estimate(0.2, 0.1, 0.3), told(np.arange(100) < 80, 100, 50, np.zeros((100, 2))))
    assert found == pytest.approx((0.8, 0.8, 0.8))
