"""Disjoint seeded random splits of one dataset."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from driftloop.errors import ParameterError

REST = "train"


def split_indices(n: int, sizes: Mapping[str, int], seed: int) -> dict[str, npt.NDArray[np.int64]]:
    """Draw disjoint random splits. `train` gets whatever the others leave.

    Every split ranks all samples by a permutation of its own. The splits take the best ranked samples that
    are still free, in the alphabetical order of their names. So a split that grows or shrinks disturbs the
    others only where they wanted the same sample, and a smaller split is nearly a prefix of a larger one.
    Random, never by position: the two halves of MNIST's test set come from different writers.

    Args:
        n: how many samples there are.
        sizes: how many samples each split takes, by name. `train` is not among them.
        seed: the same seed gives the same splits.

    Returns:
        For each name, and for `train`, the positions of its samples: int64, in random order.

    Raises:
        ParameterError: a size is negative or not an integer, or nothing is left to train on.

    >>> splits = split_indices(10, {"test": 2, "production": 3}, seed=0)
    >>> {name: len(index) for name, index in splits.items()}
    {'test': 2, 'production': 3, 'train': 5}
    """
    _check_sizes(n, sizes)
    free = np.ones(n, dtype=bool)
    splits = {}
    for name in [*sorted(sizes), REST]:
        ranked = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(n)
        wanted = ranked[free[ranked]]
        splits[name] = wanted if name == REST else wanted[: sizes[name]]
        free[splits[name]] = False
    return {name: splits[name].astype(np.int64) for name in [*sizes, REST]}


def _check_sizes(n: int, sizes: Mapping[str, int]) -> None:
    if REST in sizes:
        raise ParameterError(f"split: {REST} takes what the other splits leave; give it no size.")
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ParameterError(
                f"split: {name} is {size!r}; it must be a whole number of samples, 0 or more."
            )
    if sum(sizes.values()) >= n:
        asked = " + ".join(f"{name} {size}" for name, size in sizes.items())
        raise ParameterError(
            f"split: {asked} = {sum(sizes.values())} samples, but the dataset has {n} and {REST} needs some "
            "of them. Make the splits smaller."
        )
