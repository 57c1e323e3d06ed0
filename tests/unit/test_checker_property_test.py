"""Images that have moved together are found, and a calm window alarms as often as it should."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binom

from driftloop.checker.appearance import PROPERTIES, properties
from driftloop.checker.check import check_window
from driftloop.checker.fitted import add_kind, fit_detector
from driftloop.checker.property_test import Ranks, correlate, property_test, rank_scores
from driftloop.findings.drift import moved
from driftloop.models.features import Features

MIX = np.array(
    [[1, 0, 0, 0, 0], [0.8, 0.6, 0, 0, 0], [0, 0, 0, 0, 0], [0.5, 0, 0, 0.8, 0], [0, 0, 0, 0, 1.0]]
)
"""Properties that go together, as those of images do, and one that never changes, as of grey ones."""


def draw(n: int, rng: np.random.Generator, shift: float = 0.0) -> np.ndarray:
    return (rng.standard_normal((n, 5)) @ MIX.T + shift * MIX.any(axis=1)).astype(np.float32)


def rank(window: np.ndarray, *kinds: np.ndarray) -> Ranks:
    sums = np.stack([rank_scores(window, kind).sum(axis=0) for kind in kinds])
    sizes = np.array([len(kind) for kind in kinds])
    everyone = [np.ones(len(kinds[0]), dtype=bool)]
    counts = np.full(len(kinds), len(window))
    return Ranks(np.arange(len(kinds)), sizes, counts, sums, correlate(kinds[0], everyone))


@pytest.mark.parametrize(("n", "m", "blocks"), [(3, 40, 1), (30, 100, 1), (500, 100, 1), (30, 100, 6)])
def test_calm_windows_alarm_as_often_as_they_should(n: int, m: int, blocks: int):
    """Also where the window is larger than the calibration, and where several share its luck."""
    rng = np.random.default_rng(n + blocks)
    alarms = 0
    for seed in range(400):
        known = draw(m, rng)
        windows = [rank(draw(n, rng), known) for _ in range(blocks)]
        alarms += property_test(*windows, draws=499, seed=seed).p_value <= 0.05
    assert binom.ppf(0.0001, 400, 0.025) <= alarms <= binom.ppf(0.9999, 400, 0.055)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(5, 100), (1000, 100), (300, 30)])
def test_a_calm_window_hardly_ever_looks_certain(n: int, m: int):
    """At levels that matter, and where the window outgrows the calibration: sums of logarithms are skewed."""
    rng = np.random.default_rng(n)
    p_values = [
        property_test(rank(draw(n, rng), draw(m, rng)), draws=1999, seed=seed).p_value for seed in range(4000)
    ]
    for level in (0.005, 0.0015):
        assert np.count_nonzero(np.array(p_values) <= level) <= binom.ppf(0.999, 4000, 1.25 * level)


def test_mixed_kinds_are_calm_where_to_each_the_other_lies_far_out():
    """One kind is narrow but for a few far samples: by logarithms of ranks the mixture would have drifted."""
    rng = np.random.default_rng(4)

    def narrow(n: int) -> np.ndarray:
        far = 3.0 * MIX.any(axis=1) * (rng.random((n, 1)) < 0.06)
        return (0.1 * draw(n, rng) + far).astype(np.float32)

    alarms = []
    for seed in range(25):
        mixed = np.concatenate([draw(1500, rng), narrow(1500)])
        alarms.append(property_test(rank(mixed, draw(4000, rng), narrow(4000)), draws=499, seed=seed).p_value)
    assert np.mean(np.array(alarms) <= 0.05) <= 0.1


def test_windows_of_two_known_kinds_are_calm_and_what_lies_beyond_both_is_not():
    rng = np.random.default_rng(0)
    alarms = []
    for seed in range(200):
        dark, light = draw(150, rng, -1.0), draw(150, rng, 1.0)
        mixed = np.concatenate([draw(25, rng, -1.0), draw(25, rng, 1.0)])
        alarms.append(property_test(rank(mixed, dark, light), draws=499, seed=seed).p_value <= 0.05)
        assert property_test(rank(draw(50, rng, 2.5), dark, light), draws=499).p_value == 1 / 500
    assert np.mean(alarms) <= 0.05


def test_a_tenth_of_a_window_that_has_moved_far_is_found():
    """The mean rank hardly sees it: what nine tenths of ordinary samples leave of it drowns in chance."""
    rng = np.random.default_rng(5)
    known = draw(2000, rng)
    found = []
    for seed in range(40):
        window = np.concatenate([draw(270, rng), draw(30, rng, 2.0)])
        found.append(property_test(rank(window, known), draws=999, seed=seed))
    assert np.mean([each.p_value <= 0.01 for each in found]) >= 0.9
    moves = [move for each in found for move in each.moves if move.name == "brightness"]
    assert np.median([move.standard for move in moves]) < 3
    assert np.median([move.few for move in moves]) > 3


def test_what_never_changes_has_not_moved():
    """Grey images have no colour: the third property here."""
    rng = np.random.default_rng(6)
    known = draw(2000, rng)
    found = property_test(rank(draw(500, rng, 2.0), known), draws=999)
    assert (found.moves[2].effect, found.moves[2].few) == (0.0, 0.0)
    told = moved(found.moves)
    assert len(told) == 3
    assert not {"much paler", "paler", "more colourful"} & {how for _, how in told}


def test_a_slow_move_is_found_in_several_windows_together():
    rng = np.random.default_rng(3)
    known = draw(2000, rng)
    windows = [rank(draw(40, rng, 0.15), known) for _ in range(12)]
    assert property_test(*windows).p_value <= 0.001
    assert property_test(windows[-1]).p_value > 0.001


def test_properties_say_what_they_are_called():
    rng = np.random.default_rng(1)
    picture = rng.uniform(0.3, 0.6, (1, 16, 16, 1)) + np.array([0.0, 0.1, 0.2])
    grey = picture.mean(axis=3, keepdims=True)
    smooth = picture.copy()
    smooth[:, 1:-1, 1:-1] = sum(
        picture[:, 1 + down : 15 + down, 1 + across : 15 + across]
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
    ) / 9  # fmt: skip
    altered = {
        "brightness": picture + 0.1,
        "contrast": (picture - 0.5) * 1.3 + 0.5,
        "saturation": grey + (picture - grey) * 2,
    }
    usual = dict(zip(PROPERTIES, properties(as_bytes(picture))[0], strict=True))
    for name, images in altered.items():
        assert dict(zip(PROPERTIES, properties(as_bytes(images))[0], strict=True))[name] > usual[name] * 1.1
    softer = dict(zip(PROPERTIES, properties(as_bytes(smooth))[0], strict=True))
    assert softer["sharpness"] < usual["sharpness"]
    assert softer["grain"] < usual["grain"]


@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (2, 1, 9, 3), (2, 9, 1, 1)])
def test_images_one_pixel_wide_have_properties(shape: tuple[int, ...]):
    assert np.isfinite(properties(np.full(shape, 7, dtype=np.uint8))).all()


def test_a_window_a_little_darker_alarms_though_no_sample_is_novel(make_features):
    """Each image could have come before; forty of them together could not."""

    def dim(features: Features, factor: float) -> Features:
        images = (features.images * factor).astype(np.uint8)
        return Features(images, features.embeddings, features.logits)

    spec = {"_target_": "driftloop.checker.neighbours.NearestNeighbours"}
    fitted = fit_detector(make_features(500, seed=1), make_features(400, seed=2), spec=spec)
    window = dim(make_features(40, seed=3), 0.85)
    report = check_window(fitted, window)
    assert report.drifted
    assert json.loads(json.dumps(report.to_json()))["drifted"] is True
    assert report.novel_share.low == 0
    darker = next(move for move in report.moves if move.name == "brightness")
    assert darker.effect < -0.4
    assert darker.standard > 4

    again = add_kind(fitted, "w01", dim(make_features(300, seed=4), 0.85))
    assert not check_window(again, window).drifted
    assert check_window(again, dim(make_features(40, seed=5), 0.7)).drifted


def as_bytes(images: np.ndarray) -> np.ndarray:
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)
