"""Windows together: few false alarms whatever the calibration, and a drift that no window shows by itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binom

from driftloop.checker.check import check_window
from driftloop.checker.fitted import fit_detector
from driftloop.checker.property_test import Ranks, correlate, rank_scores
from driftloop.checker.rank_test import Standings, Stratum, rank_test
from driftloop.checker.stream import NEW, Stream
from driftloop.checker.window_test import Evidence

SPEC = {"_target_": "driftloop.checker.neighbours.NearestNeighbours"}


def stand(window: np.ndarray, calibration: np.ndarray) -> Evidence:
    """Scores that drift, of images whose properties never change."""
    novelty = Standings.of([Stratum(window, calibration)])
    still = np.zeros((len(calibration), 5), dtype=np.float32)
    sums = rank_scores(still[:1], still) * len(window)
    kind, sizes = np.array([0]), np.array([len(window)])
    correlation = correlate(still, [np.ones(len(still), dtype=bool)])
    return Evidence(novelty, Ranks(kind, novelty.calibration, sizes, sums, correlation))


@pytest.mark.slow
def test_clean_streams_alarm_no_more_often_than_promised():
    """All windows of a stream share a small calibration, which is the hard case: its luck stays."""
    rng = np.random.default_rng(0)
    first, alarms, tests = 0, 0, 0
    for seed in range(150):
        calibration, stream, alarmed = rng.standard_normal(100), NEW, False
        for _ in range(12):
            stream = stream.followed_by(stand(rng.standard_normal(30), calibration))
            if found := stream.test(alpha=0.05, draws=199, seed=seed):
                tests, alarms = tests + 1, alarms + found.drifted
                alarmed = alarmed or found.drifted
        first += alarmed
    assert tests == 150 * 11
    # The windows of a stream are not independent: 150 streams, each with 0.55 expected alarms.
    assert alarms / tests <= 0.05 * 1.6
    assert first <= binom.ppf(0.9999, 150, 11 * 0.05)


def test_a_drift_that_no_window_shows_is_found():
    rng = np.random.default_rng(1)
    windows, found = [], []
    for seed in range(20):
        calibration, stream = rng.standard_normal(2000), NEW
        for place in range(24):
            standings = stand(rng.standard_normal(50) + 0.012 * place, calibration)
            windows.append(rank_test(standings.novelty, draws=1999, seed=seed).p_value <= 0.001)
            stream = stream.followed_by(standings)
        test = stream.test(alpha=0.001, draws=1999, seed=seed)
        found.append(test.drifted)
        assert 2 <= test.windows <= 24
    assert np.mean(windows) < 0.05
    assert np.mean(found) >= 0.8


def test_what_is_carried_stays_small_and_holds_every_window():
    one, stream = stand(np.arange(3.0), np.arange(9.0)), NEW
    for count in range(1, 201):
        stream = stream.followed_by(one)
        assert sum(block.windows for block in stream.blocks) == count
    assert len(stream.blocks) <= 14
    assert sum(block.evidence.novelty.counts.sum() for block in stream.blocks) == 600


def test_a_first_window_has_no_stream_behind_it():
    assert NEW.followed_by(stand(np.arange(3.0), np.arange(9.0))).test(alpha=0.01) is None


def test_a_stream_survives_its_file():
    rng = np.random.default_rng(2)
    stream = NEW
    for _ in range(5):
        stream = stream.followed_by(stand(rng.random(30), rng.random(50)))
    kept = json.loads(json.dumps(stream.to_json()))
    again = Stream.from_json(kept)
    assert again.test(alpha=0.01, draws=199) == stream.test(alpha=0.01, draws=199)
    with pytest.raises((KeyError, TypeError, ValueError)):
        Stream.from_json({**kept, "blocks": [{**kept["blocks"][0], "novelty": ["1 2 3"]}]})
    with pytest.raises((KeyError, TypeError, ValueError)):
        Stream.from_json({**kept, "blocks": [{**kept["blocks"][0], "properties": [[[1.0], [2.0]]]}]})
    with pytest.raises(ValueError, match="correlations are"):
        Stream.from_json({**kept, "correlation": [[1.0]]})


def test_checks_carry_the_stream_on_until_an_alarm(make_features):
    fitted = fit_detector(make_features(500, seed=1), make_features(300, seed=2), spec=SPEC)
    first = check_window(fitted, make_features(60, seed=3), draws=999)
    second = check_window(fitted, make_features(60, seed=4), draws=999, stream=first.carried)
    assert first.stream is None
    assert second.stream.windows == 2
    assert not second.drifted
    noisy = check_window(fitted, make_features(60, seed=5, noise=0.5), draws=999, stream=second.carried)
    assert noisy.drifted
    assert (noisy.stream, noisy.carried) == (None, NEW)


def test_a_stream_can_alarm_where_the_window_does_not(make_features):
    fitted = fit_detector(make_features(500, seed=1), make_features(400, seed=2), spec=SPEC)
    stream, alone = NEW, []
    for seed in range(12):
        report = check_window(
            fitted, make_features(30, seed=50 + seed, noise=0.02), alpha=1e-6, draws=1999, stream=stream
        )
        stream = report.carried
        alone.append(report.p_value)
        if report.drifted:
            break
    assert report.drifted
    assert report.stream.drifted
    assert report.p_value > report.alpha
    assert report.carried == NEW
