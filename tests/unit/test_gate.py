import json

import numpy as np
import pytest
from scipy import stats

from driftloop.errors import DriftloopError, ParameterError
from driftloop.improver.gate import choose, compare, gain_interval, judge, mcnemar, more_labels

CLEAN = np.ones(5000, bool)
ALPHA, MARGIN = 0.02, 0.005


def answers(better: int, worse: int, both: int, neither: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Incumbent's and candidate's correctness with so many samples of each kind."""
    counts = [better, worse, both, neither]
    return np.repeat([False, True, True, False], counts), np.repeat([True, False, True, False], counts)


def draw(rng: np.random.Generator, n: int, better: float, worse: float) -> tuple[np.ndarray, np.ndarray]:
    kind = rng.choice(4, n, p=[better, worse, 0.8 - better - worse, 0.2])
    return answers(*np.bincount(kind, minlength=4))


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (0, 3), (7, 2), (30, 21), (400, 350)])
def test_mcnemar_is_the_exact_binomial_test(better, worse):
    expected = (
        stats.binomtest(better, better + worse, alternative="greater").pvalue if better + worse else 1.0
    )
    assert mcnemar(better, worse) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_a_candidate_no_better_is_rarely_promoted(rate):
    rng = np.random.default_rng(0)
    promoted = [
        judge(*draw(rng, 100, rate, rate), CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN).promote
        for _ in range(500)
    ]
    assert np.mean(promoted) <= ALPHA


def test_a_candidate_ten_points_better_is_found_with_a_hundred_labels():
    rng = np.random.default_rng(1)
    promoted = [
        judge(*draw(rng, 100, 0.12, 0.02), CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN).promote
        for _ in range(500)
    ]
    assert np.mean(promoted) >= 0.7


@pytest.mark.parametrize("gain", [-0.006, 0.0, 0.03])
def test_the_interval_misses_the_true_gain_no_more_often_than_alpha_says(gain):
    rng = np.random.default_rng(2)
    n, alpha, worse = 400, 0.05, 0.02
    low_misses = high_misses = 0
    for _ in range(1000):
        b, c = rng.multinomial(n, [worse + gain, worse, 1 - 2 * worse - gain])[:2]
        low, high = gain_interval(b, c, n, alpha)
        low_misses += low > gain
        high_misses += high < gain
    # Binomial noise of 1,000 trials around 0.05 has a deviation of 0.007.
    assert 0.02 < low_misses / 1000 < 0.075
    assert 0.02 < high_misses / 1000 < 0.075


def test_the_interval_is_where_the_likelihood_says():
    """The ends satisfy the definition, with the nuisance rate found by brute force."""
    b, c, n, alpha = 9, 3, 80, 0.05
    for end, sign in zip(gain_interval(b, c, n, alpha), (1, -1), strict=True):
        rates = np.linspace(max(0, -end), (1 - end) / 2, 200_001)[1:-1]
        likelihood = b * np.log(rates + end) + c * np.log(rates) + (n - b - c) * np.log1p(-2 * rates - end)
        rate = rates[likelihood.argmax()]
        score = (b - c - n * end) / np.sqrt(n * (2 * rate + end - end**2))
        assert sign * score == pytest.approx(stats.norm.isf(alpha), abs=1e-3)


def test_a_loss_on_clean_data_beyond_the_margin_rejects():
    candidate = CLEAN.copy()
    candidate[:40] = False
    verdict = judge(*answers(30, 0, 10), CLEAN, candidate, alpha=ALPHA, margin=MARGIN)
    assert not verdict.promote
    assert "clean accuracy changes by -0.80 points" in verdict.sentence
    assert judge(*answers(30, 0, 10), CLEAN, candidate, alpha=ALPHA, margin=0.02).promote


def test_few_clean_samples_cannot_show_that_nothing_is_lost():
    verdict = judge(*answers(30, 0, 10), CLEAN[:50], CLEAN[:50], alpha=ALPHA, margin=MARGIN)
    assert not verdict.promote
    assert "cannot be ruled out" in verdict.sentence


def test_unlearning_a_drift_repaired_before_rejects():
    kept, lost = answers(2, 2, 196), answers(0, 30, 170)
    assert judge(*answers(30, 0, 10), CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN, earlier={"w02": kept}).promote
    verdict = judge(*answers(30, 0, 10), CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN, earlier={"w02": lost})
    assert not verdict.promote
    assert "unlearns w02" in verdict.sentence


def test_nothing_to_judge_on_is_no_reason_to_promote():
    empty = np.zeros(0, bool)
    verdict = judge(empty, empty, CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN)
    assert not verdict.promote
    assert verdict.drift.candidate_accuracy is None
    json.dumps(verdict.to_json(), allow_nan=False)


def test_the_labels_asked_for_do_settle_it():
    drift = compare(*answers(4, 1, 43), ALPHA)
    more = more_labels(drift, ALPHA)
    assert more is not None
    rng = np.random.default_rng(3)
    shown = [
        mcnemar(*rng.multinomial(drift.n + more, [4 / 48, 1 / 48, 43 / 48])[:2]) <= ALPHA for _ in range(2000)
    ]
    assert 0.7 < np.mean(shown) < 0.9
    assert more_labels(compare(*answers(1, 4, 43), ALPHA), ALPHA) is None
    assert more_labels(compare(*answers(20, 1, 43), ALPHA), ALPHA) == 0


def test_of_several_candidates_the_one_that_gains_most_is_promoted():
    verdicts, winner = choose(
        {
            "filter": judge(*answers(30, 0, 10), CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN),
            "retrain": judge(*answers(20, 0, 10, 10), CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN),
            "none": judge(*answers(0, 0, 40), CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN),
        }
    )
    assert winner == "filter"
    assert [name for name, verdict in verdicts.items() if verdict.promote] == ["filter"]
    assert "filter gains more" in verdicts["retrain"].sentence


def test_trying_several_worthless_candidates_does_not_help():
    rng = np.random.default_rng(4)
    winners = [
        choose(
            {
                str(each): judge(*draw(rng, 100, 0.2, 0.2), CLEAN, CLEAN, alpha=ALPHA, margin=MARGIN)
                for each in range(5)
            }
        )[1]
        for _ in range(300)
    ]
    assert np.mean([winner is not None for winner in winners]) <= 1.5 * ALPHA


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(DriftloopError, match="same samples"):
        compare(CLEAN, CLEAN[1:], ALPHA)
    with pytest.raises(ParameterError, match="alpha is 2"):
        judge(CLEAN, CLEAN, CLEAN, CLEAN, alpha=2, margin=MARGIN)
    with pytest.raises(DriftloopError, match="no clean samples"):
        judge(CLEAN, CLEAN, CLEAN[:0], CLEAN[:0], alpha=ALPHA, margin=MARGIN)
