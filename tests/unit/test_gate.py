import json

import numpy as np
import pytest
from scipy import stats

from driftloop.errors import DriftloopError, ParameterError
from driftloop.improver.comparison import DriftComparison, compare, compare_on_window
from driftloop.improver.gate import Evaluation, ask, choose, judge, labels_to_settle
from driftloop.improver.paired import gain_interval, sign_test

CLEAN = np.ones(5000, bool)
ALPHA, MARGIN = 0.02, 0.005


CLEAN_KEPT = compare(CLEAN, CLEAN, ALPHA)


def pair(better: int, worse: int, both: int, neither: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Incumbent's and candidate's answers with so many samples of each kind; the true class is always 1."""
    counts = [better, worse, both, neither]
    return np.repeat([0, 1, 1, 0], counts), np.repeat([1, 0, 1, 0], counts)


def on_window(*counts: int, rows: np.ndarray | None = None) -> DriftComparison:
    """The comparison with all samples labelled, or those at `rows`."""
    incumbent, candidate = pair(*counts)
    rows = np.arange(len(incumbent)) if rows is None else rows
    return compare_on_window(incumbent, candidate, rows, np.ones(len(rows), np.int64), ALPHA)


def verdict(*counts: int, clean=CLEAN_KEPT, earlier=None, margin=MARGIN, second_look=False) -> Evaluation:
    return judge(on_window(*counts), clean, earlier, alpha=ALPHA, margin=margin, second_look=second_look)


def goes_through(rng: np.random.Generator, better: float, worse: float, *, rivals: int = 1) -> bool:
    """Send candidates through both looks at a window of 500: 24 labels, and then those asked for."""
    window, truth = 500, np.ones(500, np.int64)
    incumbent = (rng.random(window) < 0.8).astype(np.int64)
    differs = np.where(incumbent == 1, worse / 0.8, better / 0.2)
    candidates = {
        str(name): np.where(rng.random(window) < differs, 1 - incumbent, incumbent) for name in range(rivals)
    }
    order = rng.permutation(window)
    judging, shown = order[:24], order[:48]

    def look(rows_of, *, second: bool):
        return choose(
            {
                name: judge(
                    compare_on_window(incumbent, answers, rows_of(name), truth[rows_of(name)], ALPHA),
                    CLEAN_KEPT,
                    alpha=ALPHA,
                    margin=MARGIN,
                    second_look=second,
                )
                for name, answers in candidates.items()
            }
        )

    evaluations, winner = look(lambda _name: judging, second=False)
    asked = ask(evaluations, incumbent, candidates, dict.fromkeys(candidates, shown), int(rng.integers(1000)))
    if winner is None:
        winner = look(lambda name: np.array(asked[name], np.int64), second=True)[1]
    return winner is not None


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (0, 3), (7, 2), (30, 21), (400, 350)])
def test_the_sign_test_is_the_exact_binomial_test(better, worse):
    expected = (
        stats.binomtest(better, better + worse, alternative="greater").pvalue if better + worse else 1.0
    )
    assert sign_test(better, worse) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_a_candidate_no_better_is_rarely_promoted(rate):
    rng = np.random.default_rng(0)
    assert np.mean([goes_through(rng, rate, rate) for _ in range(400)]) <= ALPHA


def test_trying_several_worthless_candidates_does_not_help():
    rng = np.random.default_rng(4)
    assert np.mean([goes_through(rng, 0.1, 0.1, rivals=4) for _ in range(200)]) <= 1.5 * ALPHA


def test_a_candidate_five_points_better_is_found():
    rng = np.random.default_rng(1)
    assert np.mean([goes_through(rng, 0.06, 0.01) for _ in range(200)]) >= 0.9


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
    fallen = CLEAN.copy()
    fallen[:40] = False
    clean = compare(CLEAN, fallen, ALPHA)
    assert not verdict(30, 0, 10, clean=clean).promote
    assert "Clean accuracy changes by -0.80 points" in verdict(30, 0, 10, clean=clean).sentence
    assert verdict(30, 0, 10, clean=clean).more_labels == 0
    assert verdict(30, 0, 10, clean=clean, margin=0.02).promote


def test_few_clean_samples_cannot_show_that_nothing_is_lost():
    found = verdict(30, 0, 10, clean=compare(CLEAN[:50], CLEAN[:50], ALPHA))
    assert not found.promote
    assert "cannot be ruled out" in found.sentence


def test_unlearning_a_drift_repaired_before_rejects():
    lost = CLEAN.copy()
    lost[:200] = False
    assert verdict(30, 0, 10, earlier={"w02": CLEAN_KEPT}).promote
    found = verdict(30, 0, 10, earlier={"w02": compare(CLEAN, lost, ALPHA)})
    assert not found.promote
    assert "unlearns w02" in found.sentence


def test_nothing_to_judge_on_is_no_reason_to_promote():
    incumbent, candidate = pair(30, 0, 10)
    empty = np.zeros(0, np.int64)
    found = judge(
        compare_on_window(incumbent, candidate, empty, empty, ALPHA), CLEAN_KEPT, alpha=ALPHA, margin=MARGIN
    )
    assert not found.promote
    assert found.drift.candidate_accuracy is None
    assert found.more_labels == 30
    assert "of 30 samples on which the two disagree, none that may judge has a label" in found.sentence
    json.dumps(found.to_json(), allow_nan=False)


def test_few_labels_speak_for_the_whole_window():
    """A tenth of each kind labelled gives the accuracies that all labels give."""
    whole, tenth = on_window(60, 20, 300, 20), on_window(60, 20, 300, 20, rows=np.arange(0, 400, 10))
    assert (whole.incumbent_accuracy, whole.candidate_accuracy) == (0.8, 0.9)
    assert tenth.incumbent_accuracy == pytest.approx(0.8)
    assert tenth.candidate_accuracy == pytest.approx(0.9)
    assert tenth.gain == pytest.approx(0.1)
    assert (tenth.disagreements, tenth.labelled_disagreements) == (80, 8)
    assert tenth.low < whole.low < 0.1 < whole.high < tenth.high


def test_where_the_two_never_differ_nothing_is_asked():
    found = verdict(0, 0, 30, 10)
    assert not found.promote
    assert found.more_labels is None
    assert "as the incumbent does" in found.sentence


def test_the_labels_asked_for_do_settle_it():
    drift = on_window(*(160, 40, 800), rows=np.r_[0:4, 160:161, 200:240])
    assert (drift.better, drift.worse) == (4, 1)
    more = labels_to_settle(drift, 0.8 * ALPHA)
    assert more is not None
    rng = np.random.default_rng(3)
    wins = rng.binomial(more, 6 / 8, 2000)  # as hoped for: two wins and one loss are added
    assert np.mean([sign_test(won, more - won) <= 0.8 * ALPHA for won in wins]) >= 0.88
    assert labels_to_settle(on_window(1, 6, 43), ALPHA) is None


def test_what_is_asked_for_is_a_random_part_of_the_disagreements():
    incumbent, candidate = pair(60, 40, 300)
    drift = compare_on_window(incumbent, candidate, np.arange(3), np.ones(3, np.int64), ALPHA)
    evaluations, _ = choose({"it": judge(drift, CLEAN_KEPT, alpha=ALPHA, margin=MARGIN)})
    seen = {"it": np.arange(10)}
    draws = [ask(evaluations, incumbent, {"it": candidate}, seen, seed)["it"] for seed in range(300)]
    more = evaluations["it"].more_labels
    assert all(len(draw) == more and min(draw) >= 10 and max(draw) < 100 for draw in draws)
    asked = np.bincount(np.concatenate(draws), minlength=100)[10:]
    assert abs(asked - 300 * more / 90).max() < 4 * np.sqrt(300 * more / 90 * (1 - more / 90))


def test_nothing_is_asked_where_too_little_is_left_to_show_anything():
    """The review showed nearly all disagreements, and they were skipped: two more labels prove nothing."""
    incumbent, candidate = pair(30, 0, 300)
    drift = compare_on_window(incumbent, candidate, np.arange(3), np.ones(3, np.int64), ALPHA)
    evaluations, _ = choose({"it": judge(drift, CLEAN_KEPT, alpha=ALPHA, margin=MARGIN)})
    assert evaluations["it"].more_labels
    left = [
        len(ask(evaluations, incumbent, {"it": candidate}, {"it": np.arange(n)}, 0)["it"]) for n in (3, 28)
    ]
    assert left[0] > 2
    assert left[1] == 0


def test_there_is_no_third_look():
    found = verdict(5, 2, 93, second_look=True)
    assert not found.promote
    assert found.more_labels is None
    assert "the last" in found.sentence


def test_the_looks_share_alpha():
    assert not verdict(7, 0, 33).promote
    assert verdict(7, 0, 33, second_look=True).promote
    assert verdict(8, 0, 32).promote


def test_of_several_candidates_the_one_that_gains_most_is_promoted():
    verdicts, winner = choose(
        {"filter": verdict(30, 0, 10), "retrain": verdict(20, 0, 10, 10), "none": verdict(0, 0, 40)}
    )
    assert winner == "filter"
    assert [name for name, found in verdicts.items() if found.promote] == ["filter"]
    assert "filter gains more" in verdicts["retrain"].sentence
    assert not any(found.more_labels for found in verdicts.values())


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(DriftloopError, match="same samples"):
        compare(CLEAN, CLEAN[1:], ALPHA)
    with pytest.raises(ParameterError, match="alpha is 2"):
        judge(on_window(1, 0, 1), CLEAN_KEPT, alpha=2, margin=MARGIN)
    with pytest.raises(DriftloopError, match="no clean samples"):
        verdict(1, 0, 1, clean=compare(CLEAN[:0], CLEAN[:0], ALPHA))
