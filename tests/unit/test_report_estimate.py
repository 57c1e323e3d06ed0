"""The accuracy of the incumbent as it is told: wider where much is novel, and right once labels are there."""

import numpy as np
import pytest

from driftloop.report.estimate import Estimate, widened, with_labels
from driftloop.report.summary import share

DRAWINGS = {
    "estimated_accuracy": {"estimate": 0.45, "low": 0.30, "high": 0.60},
    "novel_share": {"estimate": 0.9, "low": 0.7, "high": 1.0},
}


def test_on_images_unlike_everything_known_the_interval_widens():
    found = share(DRAWINGS, "estimated_accuracy")
    assert found.low < 0.25 < found.high
    usual = {**DRAWINGS, "novel_share": {"estimate": 0.0, "low": 0.0, "high": 0.0}}
    assert share(usual, "estimated_accuracy")[1:] == pytest.approx((0.30, 0.60))
    # What the check wrote, and answers are bound to, is not touched.
    assert DRAWINGS["estimated_accuracy"]["low"] == 0.30
    assert share(DRAWINGS, "novel_share").low == 0.7


def test_an_interval_that_ends_at_one_is_as_wide_as_its_other_side():
    found = widened(Estimate(0.95, 0.85, 1.0), Estimate(0.0, 0.0, 0.5))
    assert found.low < 0.85
    assert found.high == 1.0


@pytest.mark.parametrize("true", [0.25, 0.6, 0.9])
@pytest.mark.parametrize("off", [-0.2, 0.0, 0.2])
def test_with_labels_the_limits_hold_whatever_the_estimate_was(true, off):
    rng = np.random.default_rng(0)
    before = widened(Estimate(true + off, true + off - 0.1, true + off + 0.1), Estimate(0.9, 0.8, 1.0))
    held, errors = [], []
    for _ in range(1000):
        window = rng.random(300) < true
        found = with_labels(before, int(window[:48].sum()), 48, 300)
        held.append(found.low <= window.mean() <= found.high)
        errors.append(abs(found.estimate - window.mean()))
    assert np.mean(held) >= 0.93
    assert np.mean(errors) < 0.055  # forty-eight labels alone are off by 0.052 at worst


def test_where_all_is_labelled_nothing_is_estimated():
    assert with_labels(Estimate(0.2, 0.1, 0.3), 80, 100, 100) == pytest.approx((0.8, 0.8, 0.8))
