import numpy as np
import pytest

from driftloop.errors import DataError
from driftloop.improver.reviewed import Reviewed, folds, join, read_reviewed
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


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("n", [0, 1, 2, 47, 96])
def test_folds_are_disjoint_whole_and_balanced(n, k):
    rng = np.random.default_rng(n)
    reviewed = Reviewed(np.sort(rng.permutation(500)[:n]), rng.integers(0, 10, n))
    parts = folds(reviewed, k, seed=5)
    whole = join(parts)
    order = np.argsort(whole.index)
    assert np.array_equal(whole.index[order], reviewed.index)
    assert np.array_equal(whole.labels[order], reviewed.labels)
    for label in range(10):
        counts = [(part.labels == label).sum() for part in parts]
        assert max(counts) - min(counts) <= 1
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(
        np.array_equal(a.index, b.index) for a, b in zip(parts, folds(reviewed, k, seed=5), strict=True)
    )
