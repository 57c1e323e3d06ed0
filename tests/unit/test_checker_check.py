"""Checking a window, from features to a report: what a reviewer and the next step rely on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from driftloop.checker.check import check_window
from driftloop.checker.detector import rows
from driftloop.checker.exposure import DAMAGES, expose
from driftloop.checker.fitted import add_kind, fit_detector
from driftloop.checker.picks import pick_samples
from driftloop.errors import DataError
from driftloop.models.features import Features

SPEC = {"_target_": "driftloop.checker.neighbours.NearestNeighbours"}


@pytest.fixture(scope="module")
def fitted(make_features):
    return fit_detector(make_features(500, seed=1), make_features(300, seed=2), spec=SPEC)


def joined(*parts: Features) -> Features:
    return Features(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("images", "embeddings", "logits")
        )
    )


def test_a_clean_window_is_not_drifted_and_a_noisy_one_is(fitted, make_features):
    clean = check_window(fitted, make_features(100, seed=3))
    noisy = check_window(fitted, make_features(100, seed=4, noise=0.5))
    assert (clean.drifted, noisy.drifted) == (False, True)
    assert clean.p_value > clean.alpha >= noisy.p_value > 0
    assert clean.novel_share.low == 0.0
    assert noisy.novel_share.estimate > 0.5


def test_the_report_is_json_and_its_table_is_complete(fitted, make_features):
    window = make_features(50, seed=3)
    report = check_window(fitted, window, picks=8)
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["n"] == 50
    table = report.samples.arrays()
    assert {name: column.shape for name, column in table.items()} == dict.fromkeys(
        ("predicted", "confidence", "drift_score", "p_value", "kind"), (50,)
    )
    np.testing.assert_array_equal(table["predicted"], window.logits.argmax(axis=1))
    assert 0 < table["p_value"].min() <= table["p_value"].max() <= 1
    assert all(0 <= place < 500 for pick in report.picks for place in pick.nearest)


def test_the_last_bits_of_a_number_are_not_reported(fitted, make_features):
    """They follow the number of processors, and an answer holds for the very report that was seen."""
    report = check_window(fitted, make_features(50, seed=3), seed=1)
    nudged = replace(report, statistic=float(np.nextafter(report.statistic, np.inf)))
    assert nudged.statistic != report.statistic
    assert nudged.digest == report.digest


def test_a_check_says_the_same_twice_and_in_any_order(fitted, make_features):
    window = make_features(120, seed=5, noise=0.2)
    order = np.random.default_rng(0).permutation(120)
    report, shuffled = check_window(fitted, window), check_window(fitted, rows(window, order))
    again = check_window(fitted, window)
    assert report.digest == again.digest
    assert (report.p_value, report.novel_share) == (shuffled.p_value, shuffled.novel_share)
    np.testing.assert_array_equal(report.samples.p_value[order], shuffled.samples.p_value)


def test_a_repaired_drift_is_known_again_and_a_new_one_is_not(fitted, make_features):
    known = add_kind(fitted, "w02", make_features(300, seed=6, noise=0.3))
    again = check_window(known, make_features(100, seed=7, noise=0.3))
    mixture = check_window(known, joined(make_features(70, seed=8), make_features(50, seed=9, noise=0.3)))
    clean = check_window(known, make_features(100, seed=10))
    new = check_window(known, make_features(100, seed=11, noise=1.5))
    assert [report.drifted for report in (again, mixture, clean, new)] == [False, False, False, True]
    assert [report.known_as for report in (again, mixture, clean, new)] == ["w02", "w02", None, None]


def test_other_proportions_of_classes_are_label_shift_and_not_drift(make_features):
    """The default detector knows that classes differ: a window of three of them is none of novel images."""
    fitted = fit_detector(make_features(2000, seed=1), make_features(1000, seed=2))
    drifted = []
    for seed in range(20):
        report = check_window(fitted, make_features(80, seed=100 + seed, classes=(1, 2, 3)), draws=999)
        assert report.label_shift.p_value <= 0.001
        assert report.label_shift.distance > 0.5
        drifted.append(report.drifted)
    assert np.mean(drifted) <= 0.05


def test_the_accuracy_of_a_damaged_window_is_estimated(make_features):
    """The images say everything here: a class is the nearest of ten shapes, and light does not matter."""
    clean = make_features(1500, seed=1)
    truth = clean.logits.argmax(axis=1)
    shapes = np.stack([clean.images[truth == k].mean(axis=0).ravel() for k in range(10)]) / 255

    def predict(images: np.ndarray) -> Features:
        pixels = images.reshape(len(images), -1) / 255
        distances = ((pixels[:, None] - shapes) ** 2).sum(axis=2)
        return Features(images, pixels.astype(np.float32), (-3 * distances).astype(np.float32))

    reference, calibration = predict(clean.images[:500]), predict(clean.images[500:800])
    exposure = expose(clean.images[500:800].repeat(4, axis=0), truth[500:800].repeat(4), predict, seed=0)
    assert set(exposure.damages) == set(range(-1, len(DAMAGES)))
    fitted = fit_detector(reference, calibration, spec=SPEC, classes=truth[:500], exposure=exposure)
    rng = np.random.default_rng(3)
    for strength in (0.0, 0.3, 0.6):
        images = clean.images[800:] / 255 + strength * rng.standard_normal(clean.images[800:].shape)
        window = predict(np.round(np.clip(images, 0, 1) * 255).astype(np.uint8))
        report = check_window(fitted, window, draws=99)
        true = np.mean(window.logits.argmax(axis=1) == truth[800:])
        assert report.estimated_accuracy.estimate == pytest.approx(true, abs=0.1)
        assert report.estimated_accuracy.low <= true <= report.estimated_accuracy.high


def test_without_exposure_no_accuracy_is_claimed(fitted, make_features):
    report = check_window(fitted, make_features(30, seed=1))
    assert report.estimated_accuracy is None


def test_picks_are_strange_and_different_with_a_random_slice():
    rng = np.random.default_rng(0)
    strangeness = np.concatenate([np.zeros(450), np.ones(50)]) + rng.random(500) / 2
    corner = np.repeat(np.arange(5), 100)[rng.permutation(500)]
    embeddings = np.eye(5, dtype=np.float32)[corner]
    picks = pick_samples(strangeness, embeddings, count=20, surely_novel=0.1, random_share=0.25, seed=0)
    assert len({pick.index for pick in picks}) == 20
    assert [pick.random for pick in picks] == [False] * 15 + [True] * 5
    strange = [pick.index for pick in picks if not pick.random]
    assert min(strange) >= 450
    assert set(corner[strange[:5]]) == set(corner[450:])


def test_few_picks_are_random_where_little_has_drifted(fitted, make_features):
    """Nine in ten random samples of such a window are ordinary, and say nothing of the drift."""
    calm, strange = make_features(450, seed=3), make_features(50, seed=4, noise=0.5)
    for window, random in ((joined(calm, strange), range(8, 11)), (strange, range(20, 21))):
        report = check_window(fitted, window, picks=40)
        assert report.drifted
        assert sum(pick.random for pick in report.picks) in random


def test_the_random_slice_is_fair():
    shown = np.zeros(40)
    for seed in range(2000):
        for pick in pick_samples(
            np.arange(40.0),
            np.zeros((40, 1), np.float32),
            count=8,
            surely_novel=0.5,
            random_share=0.5,
            seed=seed,
        ):
            shown[pick.index] += pick.random
    assert 130 < shown.min() <= shown.max() < 270


def test_a_small_window_is_picked_whole(fitted, make_features):
    picks = check_window(fitted, make_features(5, seed=1), picks=20).picks
    assert sorted(pick.index for pick in picks) == list(range(5))


def test_one_image_can_be_checked(fitted, make_features):
    assert 0 < check_window(fitted, make_features(1, seed=1)).p_value <= 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: rows(f, slice(0, 0)), "the window is empty"),
        (lambda f: Features(f.images, f.embeddings[:, :3], f.logits), "3 wide, the detector's 16"),
        (lambda f: Features(f.images, f.embeddings * np.float32("nan"), f.logits), "NaN"),
    ],
)
def test_a_window_that_cannot_be_checked_is_refused(fitted, make_features, damage, message):
    with pytest.raises(DataError, match=message):
        check_window(fitted, damage(make_features(10, seed=1)))


def test_too_few_samples_are_refused(fitted, make_features):
    with pytest.raises(DataError, match="the calibration has 5 samples"):
        fit_detector(make_features(50, seed=1), make_features(5, seed=2))
    with pytest.raises(DataError, match="kind w02 has 30 samples; it needs 40"):
        add_kind(fitted, "w02", make_features(30, seed=1))
    with pytest.raises(DataError, match="knows a kind clean already"):
        add_kind(fitted, "clean", make_features(50, seed=1))


def test_fresh_windows_of_a_known_kind_are_calm(make_features):
    fitted = fit_detector(make_features(300, seed=1), make_features(300, seed=2), spec=SPEC)
    alarms = []
    for seed in range(30):
        known = add_kind(fitted, "w02", make_features(200, seed=100 + seed, noise=0.4), seed=seed)
        assert len(known.kinds[1].scores) == 100
        fresh = make_features(60, seed=seed, noise=0.4)
        alarms.append(check_window(known, fresh, draws=999).drifted)
    assert sum(alarms) <= 2  # at alpha 0.01


def bars(n: int, seed: int, *, noise: float = 0.0, dark: float = 0.0) -> Features:
    """Features of images with a bar in one of four places; of a share of them half the light is gone."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, 4, n)
    images = np.zeros((n, 12, 12, 1))
    for each in range(4):
        images[place == each, 2 + 2 * each : 5 + 2 * each, 2:10] = 120
    light = np.exp(0.25 * rng.normal(size=n)) * np.where(rng.random(n) < dark, 0.5, 1)
    images = (images + rng.normal(0, 25, images.shape) + 30) * light[:, None, None, None]
    images = (images + noise * rng.normal(0, 255, images.shape)).clip(0, 255).astype(np.uint8)
    embeddings = np.eye(4)[place] * 4 + (1 + 3 * noise) * rng.normal(size=(n, 4))
    embeddings = np.hstack([embeddings, rng.normal(size=(n, 4))]).astype(np.float32)
    return Features(images, embeddings, embeddings[:, :4] * 2)


def test_a_window_is_not_named_after_a_drift_that_hardly_a_sample_is_like() -> None:
    """A tenth of the images darker is no noise, though too little for the test that knows the noise, too."""
    known = add_kind(fit_detector(bars(1500, 1), bars(1000, 2)), "w02", bars(500, 3, noise=0.5))
    darker = [check_window(known, bars(200, 5000 + seed, dark=0.1)) for seed in range(6)]
    again = [check_window(known, bars(200, 6000 + seed, noise=0.5)) for seed in range(6)]
    assert {report.known_as for report in darker} == {None}
    assert not all(report.drifted for report in darker)
    assert [report.known_as for report in again] == ["w02"] * 6


def repeated(window: Features, times: np.ndarray) -> Features:
    return rows(window, np.repeat(np.arange(len(window)), times))


def test_copies_weigh_once(fitted, make_features):
    window = make_features(30, seed=12)
    once = check_window(fitted, window, picks=12).to_json()
    five = check_window(fitted, repeated(window, np.full(30, 5)), picks=12).to_json()
    assert (five.pop("copies"), five.pop("frozen")) == (120, 0)
    assert "copies" not in once
    for name in (
        "statistic",
        "p_value",
        "novel_share",
        "estimated_accuracy",
        "label_shift",
        "moves",
        "kind_shares",
    ):
        assert five[name] == once[name]
    assert len({pick["index"] // 5 for pick in five["picks"]}) == 12  # nobody labels a picture twice


def test_a_feed_that_freezes_alarms_however_ordinary_its_picture(fitted, make_features):
    window = make_features(40, seed=13)
    assert not check_window(fitted, window).drifted
    times = np.ones(40, dtype=np.int64)
    times[7] = 60
    frozen = check_window(fitted, repeated(window, times))
    assert (frozen.copies, frozen.frozen, frozen.drifted) == (59, 60, True)
    for each in range(40):
        assert check_window(fitted, repeated(rows(window, np.array([each])), np.array([60]))).drifted


def test_a_picture_that_is_as_frequent_among_known_ones_is_no_frozen_feed(make_features):
    blank = rows(make_features(1, seed=99), np.zeros(1, dtype=np.int64))

    def often_blank(n: int, seed: int) -> Features:
        usual, some = make_features(n - n // 3, seed=seed), rows(blank, np.zeros(n // 3, dtype=np.int64))
        names = ("images", "embeddings", "logits")
        return Features(*(np.concatenate([getattr(usual, name), getattr(some, name)]) for name in names))

    known = fit_detector(often_blank(300, 1), often_blank(200, 2))
    windows = [check_window(known, often_blank(90, seed), draws=999) for seed in range(10, 20)]
    assert all(report.frozen == 30 for report in windows)
    assert sum(report.drifted for report in windows) <= 1


def test_a_picture_that_is_sent_a_few_times_more_is_no_frozen_feed(fitted, make_features):
    window = make_features(40, seed=13)
    times = np.ones(40, dtype=np.int64)
    times[7] = 8
    resent = check_window(fitted, repeated(window, times))
    assert (resent.frozen, resent.drifted) == (8, False)
