"""Which labels of a window may judge a candidate, and which are still to be asked for.

What judges are disagreements of incumbent and candidate, in random order (`driftloop.improver.tally`): first
those of the random slice that the review showed, then all others. Among these are the strange ones that the
review showed: a repair is for their sake, and one that broke them and mended others would pass without them.
A candidate learns from some of the labels. Of those, the strange samples may only speak against it, and the
random ones count neither way: what is drawn stays random. A sample that a person was shown and could not tell
speaks against it. Of copies of a picture one is drawn: to label the others again is no new evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from driftloop.findings.evaluation import DriftComparison
from driftloop.improver.comparison import Classes, compare_on_window
from driftloop.improver.reviewed import Reviewed, join, read_reviewed
from driftloop.improver.tally import UNTOLD, Tally, answers, count_draws

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """What the labels of a window can say of one candidate.

    Attributes:
        incumbent: its answers to the whole window, int64 (N,).
        candidate: its answers, int64 (N,).
        judging: labels of samples that the review drew at random.
        known: labels of others that the review showed; they judge where the draw comes to them.
        silent: positions of what the review showed and nobody labelled, or could.
        unjudged: those of them that were drawn at random.
        learnt: positions from which the candidate has learnt, by their labels or by their looks.
        random: labels of all that the review drew at random, whether it judges or has taught: they say how
            often the incumbent is right.
        order: int64 (D,), positions of the different pictures in random order, the same for all candidates:
            fewer labels.
    """

    incumbent: Classes
    candidate: Classes
    judging: Reviewed
    known: Reviewed
    silent: Index
    unjudged: Index
    learnt: Index
    random: Reviewed
    order: Index

    @cached_property
    def draw(self) -> Index:
        """The disagreements that can judge, in the order in which they are drawn."""
        right = self.incumbent[self.known.index] == self.known.labels
        lost = self.known.index[right & (self.candidate[self.known.index] != self.known.labels)]
        lost = np.setdiff1d(lost, self.random.index)
        able = (self.incumbent != self.candidate) & ~np.isin(np.arange(len(self.incumbent)), self.learnt)
        able[lost] = True
        sliced = np.isin(self.order, np.union1d(self.judging.index, self.unjudged))
        order = np.concatenate([self.order[sliced], self.order[~sliced]])
        drawn: Index = order[able[order]]
        return drawn

    def tally(self, asked: Mapping[int, int] = {}) -> Tally:
        """Count wins and losses.

        Args:
            asked: what was said of samples after the review: position to class, or `UNTOLD`.
        """
        draw = self.draw
        return count_draws(
            self.incumbent[draw], self.candidate[draw], answers(self._said | dict(asked), draw)
        )

    def ask(self, n: int, asked: Mapping[int, int]) -> Index:
        """Return the first n drawn ones which nobody was shown yet, in their order."""
        shown = np.array(list(self._said | dict(asked)), dtype=np.int64)
        return self.draw[~np.isin(self.draw, shown)][:n]

    def compare(self, asked: Mapping[int, int], alpha: float) -> DriftComparison:
        """Compare the two by what is drawn so far, for the samples that the candidate has not learnt from.

        Args:
            asked: what was said of samples after the review: position to class, or `UNTOLD`.
            alpha: that each end of the interval is wrong.
        """
        tally = self.tally(asked)
        drawn = self.draw[: tally.drawn]
        unlearnt = np.setdiff1d(self.order, self.learnt)
        said = self._said | dict(asked)
        told = [
            index for index in drawn.tolist() if said.get(index, UNTOLD) > UNTOLD and index not in self.learnt
        ]
        labelled = Reviewed(np.array(told, np.int64), np.array([said[index] for index in told], np.int64))
        alike = self.judging.take(self.incumbent[self.judging.index] == self.candidate[self.judging.index])
        judging = join(alike, labelled)
        found = compare_on_window(
            self.incumbent[unlearnt],
            self.candidate[unlearnt],
            np.searchsorted(unlearnt, judging.index),
            judging.labels,
            alpha,
            left=tally.left,
            held_against=len(drawn) - len(labelled),
        )
        unknown = found.incumbent_accuracy is None and found.labelled_disagreements
        return self._with_accuracies(found) if unknown and len(self.random) else found

    def _with_accuracies(self, found: DriftComparison) -> DriftComparison:
        """Fill in accuracies where all labels teach, and so none tells how often both are right together.

        It is how often the incumbent is right on the random samples, less what it has right alone.
        As it lies near 1, it is estimated by the rule of succession.
        """
        told, alike = found.labelled_disagreements, 1 - found.disagreements / found.window
        better, worse = (share / told * (1 - alike) for share in (found.better, found.worse))
        right = float((self.incumbent[self.random.index] == self.random.labels).mean())
        n = len(self.random) * alike
        both = alike * (len(self.random) * min(alike, max(0.0, right - worse)) + 1) / (n + 2)
        return replace(found, incumbent_accuracy=both + worse, candidate_accuracy=both + better)

    @cached_property
    def _said(self) -> dict[int, int]:
        """What the review said of each sample that it showed."""
        labelled = join(self.judging, self.known)
        given = zip(labelled.index.tolist(), labelled.labels.tolist(), strict=True)
        return dict.fromkeys(self.silent.tolist(), UNTOLD) | dict(given)


def said_of(
    labels: Mapping[int, str], shown: Collection[int], classes: Sequence[str], n: int
) -> dict[int, int]:
    """Return what was said of the samples that a person was shown: position to class, or `UNTOLD`.

    Args:
        labels: sample to class name, or what stands for none.
        shown: samples that were shown, with or without a label.
        classes: the class names, in the order of the model's logits.
        n: how many samples the window has.

    >>> said_of({7: "cat", 3: "(unsure)"}, [2, 3], ["cat", "dog"], n=10)
    {2: -1, 3: -1, 7: 0}
    """
    given = read_reviewed(labels, classes, n)
    told = zip(given.index.tolist(), given.labels.tolist(), strict=True)
    return dict.fromkeys([*shown, *labels], UNTOLD) | dict(told)


def gather(
    reviewed: Reviewed,
    picks: Mapping[int, bool],
    learnt: Index,
    incumbent: Classes,
    candidate: Classes,
    seed: int,
    different: Index | None = None,
) -> Evidence:
    """Deal out the labels of a review for one candidate.

    Args:
        reviewed: the samples to which the reviewer gave a class.
        picks: for each sample that the review showed, whether it was drawn at random.
        learnt: positions from which the candidate has learnt, by their labels or by their looks.
        incumbent: its answers to the whole window, int64 (N,).
        candidate: its answers, int64 (N,).
        seed: of the order.
        different: positions of the pictures that are no copies of others; all of them by default.

    >>> reviewed = Reviewed(np.array([0, 1, 2, 3]), np.array([1, 1, 1, 1]))
    >>> picks = {0: False, 1: False, 2: True, 3: True, 4: True}
    >>> answers = np.array([0, 1, 0, 1, 0, 0]), np.array([1, 1, 1, 1, 1, 1])
    >>> found = gather(reviewed, picks, np.array([0, 1, 5]), *answers, seed=0)
    >>> found.judging.index, found.known.index, found.silent, found.unjudged
    (array([2, 3]), array([0, 1]), array([4]), array([4]))
    """
    random = np.array([picks[int(index)] for index in reviewed.index], dtype=bool)
    first = random & ~np.isin(reviewed.index, learnt)
    shown = np.array(sorted(picks), dtype=np.int64)
    silent = np.setdiff1d(shown, reviewed.index)
    unjudged = np.array([index for index in silent.tolist() if picks[index]], dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(incumbent))
    if different is not None:
        order = order[np.isin(order, np.union1d(different, shown))]
    judging, known = reviewed.take(first), reviewed.take(~first)
    every = reviewed.take(random)
    return Evidence(incumbent, candidate, judging, known, silent, unjudged, learnt, every, order)
