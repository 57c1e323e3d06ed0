"""What clean images can show of a repair, and how many it takes."""

import numpy as np
import pytest

from driftloop.improver.comparison import compare, pool
from driftloop.improver.margin import chance_to_pass, clean_side, differing, images_to_pass, suggest_margin
from driftloop.improver.paired import gain_interval, loses_less

ALPHA = 0.02


@pytest.mark.parametrize("accuracy", [0.7, 0.9, 0.97])
@pytest.mark.parametrize("n", [80, 350, 2000])
def test_with_the_suggested_margin_repairs_that_lose_nothing_pass_and_others_do_not(n, accuracy):
    rng = np.random.default_rng(n)
    margin, differ = suggest_margin(n, accuracy, ALPHA), differing(accuracy)

    def passing(loss: float) -> float:
        shares = max(0.0, (differ - loss) / 2), max(loss, (differ + loss) / 2)
        better, worse, _ = rng.multinomial(n, [*shares, 1 - sum(shares)], 4000).T
        return float(loses_less(better, worse, n, margin, ALPHA).mean())

    assert passing(0.0) >= 0.88
    # Tango's interval is no exact one: few images may miss its level by a little.
    assert passing(margin) <= 1.5 * ALPHA
    assert passing(1.5 * margin) <= ALPHA / 2


@pytest.mark.parametrize(("n", "differ", "margin"), [(40, 0.1, 0.15), (150, 0.11, 0.05), (1300, 0.06, 0.02)])
def test_the_chance_is_what_draws_say(n, differ, margin):
    rng = np.random.default_rng(0)
    better, worse, _ = rng.multinomial(n, [differ / 2, differ / 2, 1 - differ], 20_000).T
    drawn = loses_less(better, worse, n, margin, ALPHA).mean()
    assert chance_to_pass(n, differ, margin, ALPHA) == pytest.approx(drawn, abs=0.015)


def test_many_images_are_reckoned_as_few_are():
    assert chance_to_pass(30_000, 0.013, 0.002, ALPHA) == pytest.approx(
        chance_to_pass(31_000, 0.013, 0.002, ALPHA), abs=0.02
    )


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (3, 4), (0, 9), (20, 12)])
def test_what_passes_is_what_the_interval_says(better, worse):
    for margin in (0.01, 0.03, 0.08):
        low, _ = gain_interval(better, worse, 200, ALPHA)
        assert bool(loses_less(better, worse, 200, margin, ALPHA)) == (low >= -margin)


def test_so_many_images_would_do():
    needed = images_to_pass(0.11, 0.047, ALPHA)
    assert 0.87 < chance_to_pass(needed, 0.11, 0.047, ALPHA) < 0.95


def test_few_images_are_told_of_and_many_are_not():
    few = clean_side(150, 0.7, 0.047, ALPHA)
    assert few.tight
    assert (
        "33 of 100 repairs that lose nothing can show that. About 560 clean images would do" in few.sentence
    )
    assert not clean_side(10_000, 0.99, 0.005, ALPHA).tight
    assert "no repairs that lose nothing" in clean_side(30, 0.95, 0.001, ALPHA).sentence


def test_two_sets_of_clean_images_judge_together_and_the_first_is_told_of():
    right = np.arange(100) < 90
    test, more = compare(right, right, ALPHA), compare(right, ~right, ALPHA)
    both = pool(test, more, ALPHA)
    assert (both.n, both.better, both.worse, both.candidate_accuracy) == (200, 10, 90, 0.9)
    assert (both.low, both.high) == gain_interval(10, 90, 200, ALPHA)
