"""Which labels of a window may judge a candidate, and which are still to be asked for.

Two draws judge: the random slice of the review at the first look, and at the second disagreements of
incumbent and candidate in random order (`driftloop.improver.gate`). That order goes over all samples outside
the slice, also the strange ones that the review showed: a repair is for their sake, and one that broke them
and mended others would pass without them. What a candidate has learnt from may only speak against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.improver.comparison import Classes, DriftComparison, compare_on_window
from driftloop.improver.reviewed import Reviewed, join

Index = npt.NDArray[np.int64]

FEW = 20
"""So few disagreements are labelled all at once, and then count together with those of the first look."""


@dataclass(frozen=True)
class Evidence:
    """What the labels of a window can say of one candidate.

    Attributes:
        incumbent: its answers to the whole window, int64 (N,).
        candidate: its answers, int64 (N,).
        judging: labels of samples that the review drew at random: they judge at the first look.
        known: other labels that may judge at the second look, where the order comes to them.
        closed: positions that can judge nothing: what the candidate has learnt from, and what the review
            showed but nobody labelled.
        order: int64 (N,), positions in random order, the same for all candidates: fewer labels.
    """

    incumbent: Classes
    candidate: Classes
    judging: Reviewed
    known: Reviewed
    closed: Index
    order: Index

    @property
    def differs(self) -> npt.NDArray[np.bool_]:
        """Where the two answer differently, bool (N,)."""
        return np.not_equal(self.incumbent, self.candidate)

    @property
    def left(self) -> Index:
        """The disagreements that may judge at the second look, in the order in which they are drawn."""
        out = np.union1d(self.judging.index, self.closed)
        return self.order[self.differs[self.order] & ~np.isin(self.order, out)]

    def draw(self, n: int) -> Index:
        """Return the first n of them that have no label yet among so many drawn: those to ask for."""
        drawn = self.left[:n]
        return np.sort(drawn[~np.isin(drawn, self.known.index)])

    def first_look(self, alpha: float) -> DriftComparison:
        """Compare the two by the random slice, for the whole window."""
        return compare_on_window(
            self.incumbent, self.candidate, self.judging.index, self.judging.labels, alpha, len(self.left)
        )

    def second_look(self, n: int, asked: Reviewed, alpha: float) -> DriftComparison:
        """Compare the two by the first n drawn disagreements, for all samples that are not closed.

        Args:
            n: how many were drawn.
            asked: the labels that were asked for; others than those drawn do not count.
            alpha: that each end of the interval is wrong.
        """
        labelled, drawn = join(self.known, asked), self.left[:n]
        first = self.judging
        if len(self.left) > FEW:  # where the two agree a label is always welcome
            first = first.take(~self.differs[first.index])
        judging = join(first, labelled.take(np.isin(labelled.index, drawn)))
        may = np.setdiff1d(np.arange(len(self.incumbent)), self.closed)
        index = np.searchsorted(may, judging.index)
        return compare_on_window(self.incumbent[may], self.candidate[may], index, judging.labels, alpha)


def gather(
    reviewed: Reviewed,
    picks: Mapping[int, bool],
    learnt: Index,
    incumbent: Classes,
    candidate: Classes,
    seed: int,
) -> Evidence:
    """Deal out the labels of a review for one candidate.

    Args:
        reviewed: the samples to which the reviewer gave a class.
        picks: for each sample that the review showed, whether it was drawn at random.
        learnt: positions from which the candidate has learnt, by their labels or by their looks.
        incumbent: its answers to the whole window, int64 (N,).
        candidate: its answers, int64 (N,).
        seed: of the order.

    >>> reviewed = Reviewed(np.array([0, 1, 2, 3]), np.array([1, 1, 1, 1]))
    >>> picks = {0: False, 1: False, 2: True, 3: True, 4: True}
    >>> incumbent, candidate = np.array([0, 1, 0, 1, 0, 0, 0]), np.full(7, 2)
    >>> found = gather(reviewed, picks, np.array([0, 1, 5]), incumbent, candidate, seed=0)
    >>> found.judging.index, found.known.index, found.closed
    (array([2, 3]), array([1]), array([0, 4, 5]))
    """
    drawn = np.array([picks[int(index)] for index in reviewed.index], dtype=bool)
    seen = np.isin(reviewed.index, learnt)
    lost = (incumbent[reviewed.index] == reviewed.labels) & (candidate[reviewed.index] != reviewed.labels)
    judging, known = reviewed.take(drawn & ~seen), reviewed.take(np.where(seen, lost, ~drawn))
    shown = np.array(sorted(picks), dtype=np.int64)
    closed = np.setdiff1d(np.union1d(shown, learnt), np.union1d(judging.index, known.index))
    order = np.random.default_rng(seed).permutation(len(incumbent))
    return Evidence(incumbent, candidate, judging, known, closed, order)
