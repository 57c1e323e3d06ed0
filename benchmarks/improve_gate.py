"""How often does the gate promote? Candidates of known worth are sent through it, as the pipeline would.

A review shows 48 samples: one half was picked for being strange, the other was drawn at random. Which of them
teach whatever is retrained is what the pipeline says. Then samples are labelled on which incumbent and
candidate disagree, one after another: until the gain is shown, or cannot be shown any more within a hundred
labels beyond those that teach. What is no better gets all the labels there are, and a person who stops as
soon as it looks good, or answers what suits the candidate alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from driftloop.improver.comparison import compare
from driftloop.improver.evidence import Evidence, gather
from driftloop.improver.gate import judge
from driftloop.improver.margin import differing, suggest_margin
from driftloop.improver.reviewed import Reviewed, part
from driftloop.improver.tally import LOST, OPEN, WON, Tally

ALPHA, MARGIN, TRIALS = 0.02, 0.005, 2000  # a rate of 2 % is known to 0.3 points by so many
WINDOW, SLICE, ASKED = 500, 24, 100
EVERYTHING = WINDOW
Classes = npt.NDArray[np.int64]


class Pair(NamedTuple):
    """Answers of two models to the same samples, the strangest first, and the true classes: int64 (N,)."""

    incumbent: Classes
    candidate: Classes
    labels: Classes


class Outcome(NamedTuple):
    """What the gate said, and how many labels it took, those that taught among them."""

    promoted: bool
    labels: int


def reviewed_at_random(
    window: Pair, rng: np.random.Generator, *, learns: bool, half: int = SLICE
) -> Evidence:
    """Review a window: what the labels can say of its candidate."""
    n = len(window.labels)
    drawn = rng.choice(n, half, replace=False)
    strange = np.setdiff1d(np.arange(n), drawn)[:half]
    picks = {int(i): False for i in strange} | {int(i): True for i in drawn}
    shown = np.array(sorted(picks))
    reviewed = Reviewed(shown, window.labels[shown])
    parts = part(reviewed, picks, n, answers=window.incumbent)
    learnt = np.union1d(parts.taught.index, parts.unlabelled) if learns else np.zeros(0, np.int64)
    return gather(
        reviewed,
        picks,
        learnt,
        window.incumbent,
        window.candidate,
        int(rng.integers(2**31)),
    )


class Labelling:
    """The labelling of one window's disagreements, in the order in which they are drawn."""

    def __init__(self, evidence: Evidence, truth: Classes) -> None:
        self.begun = evidence.tally().outcomes
        told = {int(index): int(truth[index]) for index in evidence.ask(len(truth), {})}
        self.whole = evidence.tally(told).outcomes
        self.open = np.flatnonzero(self.begun == OPEN)

    def after(self, labels: int) -> Tally:
        """Return the tally after so many labels."""
        outcomes = self.begun.copy()
        outcomes[self.open[:labels]] = self.whole[self.open[:labels]]
        return Tally(outcomes)

    def first(self, most: int, holds: Callable[[int], bool]) -> int:
        """Return after how many labels something holds that goes on to hold; `most` where it never does."""
        few, many = 0, most
        while few < many:
            middle = (few + many) // 2
            few, many = (few, middle) if holds(middle) else (middle + 1, many)
        return many

    def stop(self, most: int, level: float) -> int:
        """Return after how many labels a person stops who has so many to spend."""
        most = min(most, len(self.open))

        def settled(labels: int) -> bool:
            tally = self.after(labels)
            needed = tally.in_a_row(level)
            return tally.shows_gain(level) or needed is None or needed > most - labels

        return self.first(most, settled)


def pass_through_gate(
    window: Pair,
    clean: Pair,
    rng: np.random.Generator,
    margin: float = MARGIN,
    *,
    learns: bool = True,
    most: int = ASKED,
    half: int = SLICE,
) -> Outcome:
    """Send one candidate through the gate, with labels as long as they can settle it.

    Args:
        window: the answers to a window.
        clean: the answers to clean images.
        rng: of the draws.
        margin: the gate's.
        learns: whether the candidate was retrained on what the review showed, or is a filter.
        most: labels beyond those that teach.
        half: how many strange samples the review shows, and how many random ones.
    """
    evidence = reviewed_at_random(window, rng, learns=learns, half=half)
    labelling = Labelling(evidence, window.labels)
    labels = labelling.stop(most - len(evidence.judging), ALPHA)
    tally = labelling.after(labels)
    if not tally.shows_gain(ALPHA):
        return Outcome(False, 2 * half + labels)
    on_clean = compare(clean.incumbent == clean.labels, clean.candidate == clean.labels, ALPHA)
    judged = judge(evidence.compare({}, ALPHA), on_clean, tally=tally, alpha=ALPHA, margin=margin)
    return Outcome(judged.promote, 2 * half + labels)


def answers_what_suits(window: Pair, _: Pair, rng: np.random.Generator) -> Outcome:
    """Send one candidate through with a person who answers nothing that it loses, and stops at its best."""
    labelling = Labelling(reviewed_at_random(window, rng, learns=False), window.labels)
    outcomes = np.where((labelling.whole == LOST) & (labelling.begun == OPEN), OPEN, labelling.whole)
    return Outcome(Tally(outcomes.astype(np.int8)).shows_gain(ALPHA), int((outcomes == WON).sum()))


Passing = Callable[[Pair, Pair, np.random.Generator], Outcome]


def rates(
    draw: Callable[[np.random.Generator], tuple[Pair, Pair]],
    trials: int,
    passing: Passing = pass_through_gate,
    seed: int = 0,
) -> dict[str, float]:
    """Return the share of promotions and the mean number of labels over so many windows."""
    rng = np.random.default_rng(seed)
    outcomes = [passing(*draw(rng), rng) for _ in range(trials)]
    return {
        "promoted": round(float(np.mean([outcome.promoted for outcome in outcomes])), 4),
        "labels": round(float(np.mean([outcome.labels for outcome in outcomes])), 1),
    }


def made_up(
    better: float,
    worse: float,
    clean: tuple[int, float, float] = (5000, 0.0, 0.0),
    accuracy: float = 0.9,
) -> Callable[..., tuple[Pair, Pair]]:
    """Draw windows on which the candidate alone is right so often, and the incumbent alone so often.

    Args:
        better: share of the window that the candidate alone has right.
        worse: that the incumbent alone has right.
        clean: how many clean images there are, and the same shares of them.
        accuracy: the incumbent's on the window.
    """

    def draw(rng: np.random.Generator) -> tuple[Pair, Pair]:
        return drawn(rng, WINDOW, better, worse, accuracy), drawn(rng, *clean)

    return draw


def drawn(rng: np.random.Generator, n: int, better: float, worse: float, accuracy: float = 0.9) -> Pair:
    """Draw answers to n samples; the incumbent has such an accuracy, where that leaves room."""
    right = min(accuracy - worse, 1 - better - worse)
    kind = rng.choice(4, n, p=[better, worse, right, max(0.0, 1 - better - worse - right)])
    wrong = [np.isin(kind, kinds).astype(np.int64) for kinds in ((0, 3), (1, 3))]
    return Pair(*wrong, np.zeros(n, np.int64))


def breaking(rng: np.random.Generator) -> tuple[Pair, Pair]:
    """Draw a window on which the candidate fails the strangest samples, and mends as many of the others."""
    count = round(BROKEN * WINDOW)
    labels, clean = np.zeros(WINDOW, np.int64), np.zeros(5000, np.int64)
    incumbent, candidate = labels.copy(), labels.copy()
    candidate[:count] = 1
    incumbent[rng.choice(np.arange(count, WINDOW), count, replace=False)] = 1
    return Pair(incumbent, candidate, labels), Pair(clean, clean, clean)


def simulated() -> Iterator[tuple[str, dict[str, float]]]:
    """Yield rates for made-up candidates, no better and five points better, by how often the two disagree."""
    filter_ = partial(pass_through_gate, learns=False)
    for share in WORTHLESS:
        for what, passing in {
            "a_hundred_labels": pass_through_gate,
            "all_labels_stop_when_good": partial(filter_, most=EVERYTHING),
            "answers_what_suits": answers_what_suits,
        }.items():
            name = f"no_better_differing_on_{2 * share:.0%}_{what}"
            yield name, rates(made_up(share, share), TRIALS, passing)
    for share in WORTHLESS_WHERE_BAD:
        passing = partial(pass_through_gate, most=EVERYTHING, half=48)
        name = f"no_better_differing_on_{2 * share:.0%}_incumbent_right_on_{BAD:.0%}"
        yield name, rates(made_up(share, share, accuracy=BAD), TRIALS, passing)
    for kind, passing in (("filter", filter_), ("retrained", pass_through_gate)):
        name = f"no_better_{kind}_failing_the_strangest_{BROKEN:.0%}"
        yield name, rates(breaking, TRIALS, passing)
        for won, lost in GAINS:
            name = f"5_points_{kind}_winning_{won:.0%}_losing_{lost:.0%}"
            yield name, rates(made_up(won, lost), TRIALS, passing)


def on_clean() -> Iterator[tuple[str, dict[str, float]]]:
    """Yield rates for candidates five points better on the drift, by what they lose on few clean images."""
    for accuracy in ACCURACIES:
        margin = suggest_margin(CLEAN, accuracy, ALPHA)
        passing = partial(pass_through_gate, margin=margin)
        differ = differing(accuracy)
        for loss in (0.0, margin):
            shares = (differ - loss) / 2, (differ + loss) / 2
            if shares[0] < 0:
                shares = 0.0, loss
            name = f"accuracy_{accuracy:.0%}_margin_{100 * margin:.1f}_losing_{100 * loss:.1f}_on_clean"
            yield name, rates(made_up(0.06, 0.01, (CLEAN, *shares)), TRIALS, passing)


CLEAN, ACCURACIES = 350, (0.95, 0.9, 0.7)  # 150 images of the test split and 200 of the calibration
BROKEN = 0.08
BAD, WORTHLESS_WHERE_BAD = 0.38, (0.05, 0.2)  # the review's own labels may judge, in half of the windows
WORTHLESS = (0.01, 0.03, 0.1, 0.2, 0.3)
GAINS = ((0.05, 0.0), (0.06, 0.01), (0.07, 0.02), (0.08, 0.03), (0.1, 0.05))

if __name__ == "__main__":
    for name, found in chain(on_clean(), simulated()):
        print(name, found, flush=True)
