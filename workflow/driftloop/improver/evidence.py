"""Which labels of a window may judge a candidate, and which are still to be asked for.

Two draws judge: the random slice of the review at the first look, and at the second disagreements of
incumbent and candidate in random order (`driftloop.improver.gate`). That order goes over all samples outside
the slice, also the strange ones that the review showed: a repair is for their sake, and one that broke them
and mended others would pass without them. What a candidate has learnt from may only speak against it, and so
does what is drawn and nobody can label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.improver.comparison import Classes, DriftComparison, compare_on_window
from driftloop.improver.paired import sign_test
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
        known: labels of others that the review showed; they judge at the second where the draw comes to them.
        silent: positions of what the review showed and nobody labelled, or could.
        unjudged: those of them that were drawn at random.
        learnt: positions from which the candidate has learnt, by their labels or by their looks.
        order: int64 (N,), positions in random order, the same for all candidates: fewer labels.
    """

    incumbent: Classes
    candidate: Classes
    judging: Reviewed
    known: Reviewed
    silent: Index
    unjudged: Index
    learnt: Index
    order: Index

    @property
    def differs(self) -> npt.NDArray[np.bool_]:
        """Where the two answer differently, bool (N,)."""
        return np.not_equal(self.incumbent, self.candidate)

    @property
    def left(self) -> Index:
        """The disagreements that the second look draws from, in the order in which it draws them."""
        right = self.incumbent[self.known.index] == self.known.labels
        lost = self.known.index[right & (self.candidate[self.known.index] != self.known.labels)]
        out = np.union1d(self.judging.index, np.setdiff1d(self.learnt, lost))
        return self.order[self.differs[self.order] & ~np.isin(self.order, out)]

    def ask(self, n: int) -> Index:
        """Return those of the first n that are drawn which nobody was shown yet, ascending."""
        drawn = self.left[:n]
        return np.sort(drawn[~np.isin(drawn, np.union1d(self.known.index, self.silent))])

    def could_show(self, n: int, alpha: float) -> bool:
        """Whether the second look could show a gain at this level, if all that it asks were won."""
        won = self.ask(n)
        best = self.second_look(n, Reviewed(won, self.candidate[won]), alpha)
        return sign_test(best.better, best.worse + best.held_against) <= alpha

    def first_look(self, alpha: float) -> DriftComparison:
        """Compare the two by the random slice, for the whole window."""
        return compare_on_window(
            self.incumbent,
            self.candidate,
            self.judging.index,
            self.judging.labels,
            alpha,
            left=len(self.left),
            held_against=int(self.differs[self.unjudged].sum()),
        )

    def second_look(self, n: int, asked: Reviewed, alpha: float) -> DriftComparison:
        """Compare the two by the first n drawn disagreements.

        Gain and accuracies hold for the samples that the candidate has not learnt from.

        Args:
            n: how many were drawn.
            asked: the labels that were asked for; others than those drawn do not count.
            alpha: that each end of the interval is wrong.
        """
        drawn = self.left[:n]
        unlearnt = np.setdiff1d(np.arange(len(self.incumbent)), self.learnt)
        labelled = join(self.known, asked)
        labelled = labelled.take(np.isin(labelled.index, np.intersect1d(drawn, unlearnt)))
        first = self.judging
        if len(self.left) > FEW:  # a label where the two agree says something of both
            first = first.take(~self.differs[first.index])
        judging = join(first, labelled)
        return compare_on_window(
            self.incumbent[unlearnt],
            self.candidate[unlearnt],
            np.searchsorted(unlearnt, judging.index),
            judging.labels,
            alpha,
            held_against=len(drawn) - len(labelled),
        )


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
    >>> answers = np.array([0, 1, 0, 1, 0, 0]), np.array([1, 1, 1, 1, 1, 1])
    >>> found = gather(reviewed, picks, np.array([0, 1, 5]), *answers, seed=0)
    >>> found.judging.index, found.known.index, found.silent, found.unjudged
    (array([2, 3]), array([0, 1]), array([4]), array([4]))
    """
    first = np.array([picks[int(index)] for index in reviewed.index], dtype=bool)
    first &= ~np.isin(reviewed.index, learnt)
    shown = np.array(sorted(picks), dtype=np.int64)
    silent = np.setdiff1d(shown, reviewed.index)
    unjudged = np.array([index for index in silent.tolist() if picks[index]], dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(incumbent))
    judging, known = reviewed.take(first), reviewed.take(~first)
    return Evidence(incumbent, candidate, judging, known, silent, unjudged, learnt, order)
