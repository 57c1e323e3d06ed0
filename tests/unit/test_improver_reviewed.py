import numpy as np
import pytest

from driftloop.errors import DataError
from driftloop.improver.reviewed import Reviewed, part, read_reviewed
from driftloop.review.decision import NONE, UNSURE


def test_answers_without_a_class_are_left_out():
    reviewed = read_reviewed({4: "b", 1: NONE, 9: UNSURE, 0: "a"}, ("a", "b"), n=10)
    assert reviewed.index.tolist() == [0, 4]
    assert reviewed.labels.tolist() == [0, 1]


def test_a_label_that_is_no_class_is_refused_by_name():
    with pytest.raises(DataError, match=r"sample 3 is labelled 'c'; allowed: a, b"):
        read_reviewed({3: "c"}, ("a", "b"), n=10)
    with pytest.raises(DataError, match="samples 0 to 9"):
        read_reviewed({10: "a"}, ("a", "b"), n=10)


@pytest.mark.parametrize("strange", [0, 3, 30])
@pytest.mark.parametrize("right", [True, False])
def test_strange_samples_teach_and_random_ones_unless_a_half_of_them_could_settle_it(strange, right):
    rng = np.random.default_rng(strange)
    reviewed = Reviewed(np.sort(rng.permutation(500)[:45]), rng.integers(0, 10, 45))
    answers = np.full(500, -1)
    answers[reviewed.index] = reviewed.labels + (not right)
    order = rng.permutation(reviewed.index)
    picks = {int(index): place >= strange for place, index in enumerate(order)}
    parts = part(reviewed, picks, n=500, answers=answers)
    taught = set(parts.taught.index.tolist())
    assert taught >= set(order[: strange or 45].tolist())
    # Without a strange one all random ones teach, and the gate has to ask for others. Of 15 random ones a
    # half is too few to show a gain.
    judge = not right and strange == 3
    assert len(taught) == (3 + 21 if judge else 45)
    # Others teach by their looks: none that was shown, and at every call the same.
    assert len(parts.unlabelled) == int(0.1 * (500 - 45))
    assert not set(parts.unlabelled) & set(picks)
    assert np.array_equal(parts.unlabelled, part(reviewed, picks, n=500, answers=answers).unlabelled)


def test_where_a_review_shows_most_of_a_window_a_half_of_the_random_ones_judges():
    reviewed = Reviewed(np.arange(80), np.zeros(80, np.int64))
    picks = {index: index >= 40 for index in range(80)}
    for n, taught in ((100, 60), (200, 80)):
        parts = part(reviewed, picks, n, answers=np.zeros(n, np.int64))
        assert len(parts.taught) == taught


def test_what_judges_does_not_depend_on_what_has_a_label_or_which():
    picks = {index: index >= 20 for index in range(60)}
    answers = np.ones(500, np.int64)
    every = Reviewed(np.arange(60), np.zeros(60, np.int64))
    judging = set(range(20, 60)) - set(part(every, picks, n=500, answers=answers).taught.index.tolist())
    assert len(judging) == 20
    some = every.take((np.arange(60) % 3 > 0) | ~np.isin(np.arange(60), list(judging)))
    assert judging.isdisjoint(part(some, picks, n=500, answers=answers).taught.index.tolist())
    # What is said of those that judge changes nothing.
    labels = np.where(np.isin(np.arange(60), list(judging)), 1, 0)
    other = part(Reviewed(every.index, labels), picks, n=500, answers=answers)
    assert judging.isdisjoint(other.taught.index.tolist())
