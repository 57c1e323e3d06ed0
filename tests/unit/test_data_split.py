"""Splits: disjoint, complete, seeded, and steady when a neighbour changes its size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftloop.data.split import split_indices
from driftloop.errors import ParameterError

SIZES = {"calibration": 300, "test": 200, "production": 1000}


@given(
    seed=st.integers(0, 2**32),
    sizes=st.dictionaries(st.sampled_from(["calibration", "test", "production"]), st.integers(0, 30)),
)
def test_every_sample_is_in_exactly_one_split(seed: int, sizes: dict[str, int]) -> None:
    splits = split_indices(100, sizes, seed)
    assert {name: len(splits[name]) for name in sizes} == sizes
    np.testing.assert_array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(100))


def test_same_seed_same_splits_whatever_the_order_of_the_names() -> None:
    one = split_indices(5000, SIZES, seed=3)
    two = split_indices(5000, dict(reversed(SIZES.items())), seed=3)
    other = split_indices(5000, SIZES, seed=4)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
        assert not np.array_equal(one[name], other[name])


def test_splits_are_spread_over_the_whole_dataset() -> None:
    # MNIST's halves come from different writers: a split by position would be one half.
    for index in split_indices(70_000, {"calibration": 5000, "test": 5000}, seed=0).values():
        assert abs(np.mean(index < 35_000) - 0.5) < 0.03
        assert abs(np.mean(index[: len(index) // 2] < 35_000) - 0.5) < 0.04


def test_a_larger_split_keeps_its_samples_and_barely_disturbs_the_others() -> None:
    before = split_indices(5000, SIZES, seed=1)
    after = split_indices(5000, {**SIZES, "calibration": 400}, seed=1)
    assert set(before["calibration"]) <= set(after["calibration"])
    # The 100 new samples may come from the others, which then replace them: at most 100 swaps in all.
    moved = sum(len(set(before[name]) - set(after[name])) for name in ("test", "production", "train"))
    assert moved <= 200


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"test": 60, "production": 40}, r"test 60 \+ production 40 = 100 samples, but the dataset has 100"),
        ({"test": -1}, "test is -1"),
        ({"test": 0.5}, "test is 0.5"),
        ({"test": True}, "test is True"),
        ({"train": 50}, "give it no size"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        split_indices(100, sizes, seed=0)
