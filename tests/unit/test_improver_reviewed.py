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
def test_strange_samples_and_half_of_the_random_ones_teach_and_others_by_their_looks(strange):
    rng = np.random.default_rng(strange)
    reviewed = Reviewed(np.sort(rng.permutation(500)[:45]), rng.integers(0, 10, 45))
    order = rng.permutation(reviewed.index)
    picks = {int(index): place >= strange for place, index in enumerate(order)}
    parts = part(reviewed, picks, n=500)
    taught = set(parts.taught.index.tolist())
    # Without a strange one all random ones teach, and the gate has to ask for others.
    assert taught >= set(order[: strange or 45].tolist())
    assert len(taught) == (strange + (45 - strange) // 2 if strange else 45)
    # Others teach by their looks: none that was shown, and at every call the same.
    assert len(parts.unlabelled) == (500 - 45) // 4
    assert not set(parts.unlabelled) & set(picks)
    assert np.array_equal(parts.unlabelled, part(reviewed, picks, n=500).unlabelled)


def test_what_judges_does_not_depend_on_what_has_a_label():
    picks = {index: index >= 20 for index in range(60)}
    every = Reviewed(np.arange(60), np.zeros(60, np.int64))
    judging = set(range(20, 60)) - set(part(every, picks, n=500).taught.index.tolist())
    some = every.take(np.arange(60) % 3 > 0)
    assert judging.isdisjoint(part(some, picks, n=500).taught.index.tolist())
