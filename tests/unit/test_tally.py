"""The test that can be asked again: exact, at every number of labels, whatever a person does."""

import numpy as np
import pytest

from driftloop.improver.outlook import foresee
from driftloop.improver.tally import LOST, NEITHER, OPEN, WON, Tally

ALPHA = 0.02


def tally(won: int = 0, lost: int = 0, left: int = 0, neither: int = 0) -> Tally:
    return Tally(np.repeat(np.array([WON, LOST, NEITHER, OPEN], np.int8), [won, lost, neither, left]))


def fair(rng: np.random.Generator, draws: int, share: float = 0.5) -> np.ndarray:
    return np.where(rng.random(draws) < share, WON, LOST).astype(np.int8)


@pytest.mark.parametrize("draws", [12, 60, 200])
def test_of_those_that_are_no_better_at_most_alpha_ever_look_good(draws):
    rng = np.random.default_rng(draws)
    rate = np.mean([Tally(fair(rng, draws)).shows_gain(ALPHA) for _ in range(2000)])
    assert rate <= ALPHA + 3 * np.sqrt(ALPHA / 2000)


@pytest.mark.parametrize("draws", [1, 8, 40, 150])
def test_the_p_value_is_what_all_courses_say(draws):
    """Drawn, or for few bets counted: how often fair bets come to such a score."""
    rng = np.random.default_rng(draws)
    courses = np.array([fair(rng, draws) for _ in range(1000)])
    if draws == 8:
        courses = np.array(np.meshgrid(*[[WON, LOST]] * 8)).reshape(8, -1).T.astype(np.int8)
    p_values = np.array([Tally(each).p_value for each in courses])
    for level in (0.02, 0.1, 0.5):
        noise = 0 if draws == 8 else 3 * np.sqrt(level / len(courses))
        assert np.mean(p_values <= level) <= level + noise + 1e-9


@pytest.mark.parametrize("draws", [20, 60, 200])
def test_of_a_window_with_as_many_losses_as_wins_none_is_promoted_beyond_alpha(draws):
    """Samples are drawn without putting them back: after losses, wins are the likelier."""
    rng = np.random.default_rng(draws)
    even = np.repeat(np.array([WON, LOST], np.int8), draws // 2)
    assert np.mean([Tally(rng.permutation(even)).shows_gain(ALPHA) for _ in range(2000)]) <= ALPHA


def test_the_p_value_and_the_verdict_are_one():
    rng = np.random.default_rng(0)
    for _ in range(200):
        found = Tally(fair(rng, int(rng.integers(1, 120)), 0.7))
        assert found.shows_gain(ALPHA) == (found.p_value <= ALPHA)


def test_what_has_no_label_counts_as_lost_until_it_has_one():
    rng = np.random.default_rng(1)
    for _ in range(100):
        outcomes = fair(rng, 50, 0.7)
        hidden = np.where(rng.random(50) < 0.3, OPEN, outcomes).astype(np.int8)
        lost = np.where(hidden == OPEN, LOST, hidden).astype(np.int8)
        assert Tally(hidden).p_value == Tally(lost).p_value >= Tally(outcomes).p_value


def test_samples_that_tell_nothing_change_nothing_but_what_is_left_to_come():
    assert tally(9, 1, neither=5, left=20).p_value == tally(9, 1, left=20).p_value


def test_so_many_in_a_row_do_settle_it_and_one_less_does_not():
    open_ = tally(8, 1, left=40)
    needed = open_.in_a_row(ALPHA)
    assert needed
    row = open_.outcomes.copy()
    row[9 : 9 + needed] = WON
    assert Tally(row).shows_gain(ALPHA)
    row[9 + needed - 1] = OPEN
    assert not Tally(row).shows_gain(ALPHA)
    assert tally(0, 20, left=15).in_a_row(ALPHA) is None


def test_more_labels_settle_it_as_often_as_was_foreseen():
    """Of windows that look alike, with shares of wins as the labels let expect."""
    before = tally(6, 2, left=60)
    rng = np.random.default_rng(2)
    shown = []
    for share in rng.beta(6 + 2, 2 + 1, 2000):
        outcomes = before.outcomes.copy()
        outcomes[8:38] = fair(rng, 30, share)
        shown.append(Tally(outcomes).shows_gain(ALPHA))
    few, more, all_ = before.chances([10, 30, 60], ALPHA)
    assert more == pytest.approx(np.mean(shown), abs=0.05)
    assert few < more < all_


def test_a_filter_at_28_right_and_43_wrong_is_not_asked_for_more():
    mixed = np.random.default_rng(0).permutation(tally(28, 43).outcomes)
    outlook = foresee(Tally(np.append(mixed, tally(left=69).outcomes)), ALPHA)
    assert outlook.batch == 0
    assert "unlikely to change" in outlook.sentence


def test_seven_right_and_one_wrong_is_asked_on():
    outlook = foresee(tally(7, 1, left=40), ALPHA)
    assert outlook.batch in (10, 20, 30)
    assert outlook.batch_chance > 0.5
    assert "more labels would settle it with a chance of" in outlook.sentence


def test_what_cannot_show_anything_says_so():
    assert "Even if all 3 left favour it" in foresee(tally(2, left=3), ALPHA).sentence
    assert "No such sample is left" in foresee(tally(2, 1), ALPHA).sentence
