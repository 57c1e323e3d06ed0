"""What a window's samples are for: those that a repair may learn from, and those that judge it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.errors import DataError
from driftloop.review.decision import NONE, UNSURE


@dataclass(frozen=True)
class Reviewed:
    """Samples of a window to which a reviewer gave a class.

    Attributes:
        index: int64 (n,), positions in the window, ascending unless taken otherwise.
        labels: int64 (n,), positions in the list of classes.
    """

    index: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: npt.NDArray[np.integer | np.bool_]) -> Reviewed:
        """Return the samples at `rows`."""
        return Reviewed(self.index[rows], self.labels[rows])


def read_reviewed(labels: Mapping[int, str], classes: Sequence[str], n: int) -> Reviewed:
    """Take from a verdict's labels the samples that have a class; "none" and "unsure" carry none.

    Args:
        labels: sample index to class name, `NONE` or `UNSURE`.
        classes: the class names, in the order of the model's logits.
        n: how many samples the window has.

    Raises:
        DataError: a label is no class, or an index lies outside the window.

    >>> read_reviewed({7: "cat", 2: "dog", 3: UNSURE}, ["cat", "dog"], n=10)
    Reviewed(index=array([2, 7]), labels=array([1, 0]))
    """
    codes = {name: code for code, name in enumerate(classes)}
    given = {index: label for index, label in sorted(labels.items()) if label not in (NONE, UNSURE)}
    for index, label in given.items():
        if label not in codes:
            raise DataError(f"sample {index} is labelled {label!r}; allowed: {', '.join(classes)}.")
        if not 0 <= index < n:
            raise DataError(f"sample {index} is labelled, but the window has the samples 0 to {n - 1}.")
    return Reviewed(
        np.fromiter(given, dtype=np.int64, count=len(given)),
        np.array([codes[label] for label in given.values()], dtype=np.int64),
    )


@dataclass(frozen=True)
class Parts:
    """The samples of a window that teach; the others can judge (`driftloop.improver.evidence`).

    Attributes:
        taught: whatever is retrained learns from these: samples that were picked for being strange, half of
            those that were drawn at random, and the other half too where it could not settle anything.
        unlabelled: int64, positions of those that teach by their looks alone.
    """

    taught: Reviewed
    unlabelled: npt.NDArray[np.int64]


_SETTLES = 15
"""Samples that the incumbent has wrong, from which a half of the random ones might settle by itself that a
repair gains: of 60 disagreements or more, so many wins in a row do."""


def part(
    reviewed: Reviewed,
    picks: Mapping[int, bool],
    n: int,
    different: npt.NDArray[np.int64] | None = None,
    *,
    answers: npt.NDArray[np.int64],
) -> Parts:
    """Deal out the samples of a window.

    A half of the random samples judges if the incumbent has many of the other half wrong, since a repair that
    mends them is then shown at once; or if the review left few others to judge. Else all of them teach, and
    disagreements are asked for that nobody has seen. What is said of a half never decides what it is for.

    Args:
        reviewed: those to which a reviewer gave a class.
        picks: for each sample that the check picked, whether it was drawn at random. If no strange one is
            labelled, all random ones teach, and nothing is left to judge what was retrained at first.
        n: samples in the window.
        different: positions of the pictures that are no copies of others; all of them by default.
        answers: int64 (n,), the incumbent's.

    >>> reviewed, answers = Reviewed(np.array([2, 5, 7]), np.array([0, 1, 0])), np.zeros(21, np.int64)
    >>> parts = part(reviewed, {2: True, 5: False, 7: True}, n=21, answers=answers)
    >>> parts.taught.index, len(parts.unlabelled)
    (array([2, 5, 7]), 1)
    """
    random = np.array(sorted(index for index, drawn in picks.items() if drawn), dtype=np.int64)
    teaching, judging = np.split(np.random.default_rng(n).permutation(random), [len(random) // 2])
    strange = np.array([not picks[int(index)] for index in reviewed.index], dtype=bool)
    unlabelled = draw_unlabelled(n, picks, different)
    wrong = answers[reviewed.index] != reviewed.labels
    settles = np.count_nonzero(wrong & np.isin(reviewed.index, teaching)) >= _SETTLES
    others = (n if different is None else len(different)) - len(picks) - len(unlabelled)
    taught = reviewed
    if strange.any() and (settles or others < 2 * len(judging)):
        taught = reviewed.take(~np.isin(reviewed.index, judging))
    return Parts(taught, unlabelled)


_UNLABELLED = 0.1
"""More of it teaches little more, and leaves fewer to tell a small gain by."""
_MOST_UNLABELLED = 2000


def draw_unlabelled(
    n: int, shown: Collection[int], different: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Draw the samples of a window that teach by their looks alone: some of those that no review shows.

    It is the same draw each time, so that none of them ever judges; nor does a copy of one.

    Args:
        n: samples in the window.
        shown: positions that the check picked.
        different: positions of the pictures that are no copies of others; all of them by default.

    Returns:
        int64 positions, ascending; 2,000 at most.
    """
    order = np.random.default_rng(n).permutation(n)
    if different is not None:
        order = order[np.isin(order, different)]
    others = order[~np.isin(order, list(shown))]
    return np.sort(others[: min(int(_UNLABELLED * len(others)), _MOST_UNLABELLED)])


def join(*parts: Reviewed) -> Reviewed:
    """Put sets of samples together."""
    return Reviewed(
        np.concatenate([each.index for each in parts]), np.concatenate([each.labels for each in parts])
    )


def one_of_each(labels: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Return the position of the first sample of each class, of `most` classes at most.

    Nothing is chosen by how well it came out.

    >>> one_of_each(np.array([1, 0, 1, 0]), 10)
    array([1, 0])
    """
    _, first = np.unique(labels, return_index=True)
    return first[:most].astype(np.int64)
