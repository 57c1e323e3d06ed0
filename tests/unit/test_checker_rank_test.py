"""The window test: valid at every size, exact where it can be counted, and a share with honest limits."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom

from driftloop.checker.conformal import sample_p_values
from driftloop.checker.label_shift import label_shift
from driftloop.checker.rank_test import RankTest, Standings, Stratum, novel_share, rank_test

DRAWS = 199


def stand(*pairs: tuple[np.ndarray, np.ndarray]) -> Standings:
    return Standings.of([Stratum(window, calibration) for window, calibration in pairs])


def test_of(window: np.ndarray, calibration: np.ndarray, **settings) -> RankTest:
    return rank_test(stand((window, calibration)), **{"draws": DRAWS} | settings)


test_of.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 10, 100])
@pytest.mark.parametrize("ties", [False, True])
def test_clean_windows_alarm_no_more_often_than_alpha(n: int, ties: bool):
    rng = np.random.default_rng(n)
    p_values = []
    for seed in range(1500):
        pool = rng.gamma(2.0, size=n + 60)
        pool = np.round(pool) if ties else pool
        p_values.append(test_of(pool[:n], pool[n:], seed=seed).p_value)
    for alpha in (0.01, 0.05, 0.2):
        alarms = np.count_nonzero(np.array(p_values) <= alpha)
        assert alarms <= binom.ppf(0.9999, len(p_values), alpha)
        if n > 1 and not ties:
            assert alarms >= binom.ppf(0.0001, len(p_values), alpha)


def test_the_p_value_is_that_of_all_subsets():
    """With two of seven samples there are 21 windows: the strangest has one of 21 on its side."""
    pool = np.arange(7.0)
    exact = test_of(pool[5:], pool[:5], draws=20_000).p_value
    assert exact == pytest.approx(1 / 21, rel=0.06)
    drawn = [
        test_of(pool[list(pair)], np.delete(pool, pair), draws=2_000).p_value
        for pair in combinations(range(7), 2)
    ]
    assert min(drawn) > 0
    assert max(drawn) == 1.0


@pytest.mark.parametrize("n", [1, 20, 100_000])
def test_a_p_value_is_never_zero(n: int):
    test = test_of(np.full(n, 9.0) + np.arange(n), np.arange(50) / 50)
    assert test.p_value >= 1 / (DRAWS + 1)


def test_the_order_of_samples_does_not_matter():
    rng = np.random.default_rng(0)
    window, calibration = rng.random(300), rng.random(500)
    assert test_of(window, calibration) == test_of(rng.permutation(window), rng.permutation(calibration))


@pytest.mark.parametrize(("share", "n"), [(1.0, 10), (0.1, 500)])
def test_it_finds_a_window_that_moved_and_one_of_which_a_part_did(share: float, n: int):
    rng = np.random.default_rng(0)
    alarms = []
    for seed in range(100):
        window = rng.standard_normal(n)
        window[: round(share * n)] += 2.5
        alarms.append(test_of(window, rng.standard_normal(1000), seed=seed).p_value <= 0.01)
    assert np.mean(alarms) >= 0.95


def test_only_high_scores_are_strange():
    rng = np.random.default_rng(0)
    assert test_of(rng.standard_normal(50) - 2, rng.standard_normal(500)).p_value > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("share", "n"), [(0.0, 200), (0.1, 500), (0.5, 100), (1.0, 50)])
def test_the_interval_of_the_novel_share_covers_it(share: float, n: int):
    rng = np.random.default_rng(1)
    covered = []
    for seed in range(200):
        window = rng.standard_normal(n)
        window[: round(share * n)] += 6
        _, low, high = novel_share(stand((window, rng.standard_normal(1000))), seed=seed)
        covered.append(low <= share <= high)
    assert np.mean(covered) >= 0.93


def test_the_novel_share_of_a_huge_trifling_shift_is_small():
    rng = np.random.default_rng(2)
    standings = stand((rng.standard_normal(200_000) + 0.03, rng.standard_normal(200_000)))
    assert rank_test(standings, draws=DRAWS).p_value == 1 / (DRAWS + 1)
    assert novel_share(standings)[0] < 0.03


def test_a_mixture_of_known_kinds_does_not_alarm():
    rng = np.random.default_rng(3)
    alarms = 0
    for seed in range(500):
        clean, drift = rng.standard_normal(300), rng.gamma(2.0, size=120)
        standings = stand((rng.standard_normal(40), clean), (rng.gamma(2.0, size=20), drift))
        alarms += rank_test(standings, draws=DRAWS, seed=seed).p_value <= 0.05
    assert alarms <= binom.ppf(0.9999, 500, 0.05)


def test_more_of_a_wide_class_is_no_drift():
    rng = np.random.default_rng(6)
    alarms = 0
    for seed in range(500):
        narrow, wide = rng.standard_normal(200), 5 + 3 * rng.standard_normal(200)
        standings = stand((rng.standard_normal(5), narrow), (5 + 3 * rng.standard_normal(60), wide))
        alarms += rank_test(standings, draws=DRAWS, seed=seed).p_value <= 0.05
    assert binom.ppf(0.0001, 500, 0.05) <= alarms <= binom.ppf(0.9999, 500, 0.05)


def test_windows_together_are_one_larger_window():
    rng = np.random.default_rng(7)
    first, second, calibration = rng.random(40), rng.random(70), rng.random(90)
    together = stand((np.concatenate([first, second]), calibration))
    added = stand((first, calibration)) + stand((second, calibration))
    assert rank_test(added, draws=DRAWS) == rank_test(together, draws=DRAWS)


def test_a_close_call_is_drawn_more_finely():
    rng = np.random.default_rng(8)
    calibration = rng.random(200)
    assert rank_test(stand((rng.random(20) + 1, calibration)), draws=9999).p_value == 1 / 10_000
    calm = rank_test(stand((rng.random(20), calibration)), draws=9999).p_value
    assert (calm * 1000) == pytest.approx(round(calm * 1000))


def test_conformal_p_values_are_valid_and_never_zero():
    rng = np.random.default_rng(4)
    p_values = np.concatenate(
        [sample_p_values(scores[:5], scores[5:]) for scores in np.round(rng.random((2000, 30)), 2)]
    )
    assert p_values.min() >= 1 / 26
    for level in (0.05, 0.1, 0.5):
        assert np.mean(p_values <= level) <= level + 0.01


def test_label_shift_is_found_and_not_invented():
    rng = np.random.default_rng(5)
    calibration = rng.integers(0, 10, 2000)
    same = [
        label_shift(rng.integers(0, 10, 30), calibration, draws=DRAWS, seed=seed).p_value
        for seed in range(500)
    ]
    assert np.count_nonzero(np.array(same) <= 0.05) <= binom.ppf(0.9999, 500, 0.05)
    shifted = label_shift(np.append(rng.integers(0, 5, 30), np.full(20, 3)), calibration, draws=DRAWS)
    assert shifted.p_value == 1 / (DRAWS + 1)
    assert shifted.grown == "3"
    assert shifted.distance > 0.4
