"""How often does the gate promote? Candidates of known worth are sent through it, as the pipeline would.

A hundred labels in all: 48 in the review, of which one half was picked for being strange and teaches whatever
is retrained, and the other, drawn at random, judges; and up to 52 more, where incumbent and candidate
disagree, if the first look has not settled it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from driftloop.improver.comparison import DriftComparison, compare
from driftloop.improver.evidence import gather
from driftloop.improver.gate import Evaluation, choose, judge
from driftloop.improver.reviewed import Reviewed, draw_unlabelled

ALPHA, MARGIN, TRIALS = 0.02, 0.005, 2000  # a rate of 2 % is known to 0.3 points by so many
WINDOW, TAUGHT, SLICE, ASKED = 500, 24, 24, 52
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


def pass_through_gate(
    window: Pair, clean: Pair, rng: np.random.Generator, margin: float = MARGIN, *, learns: bool = True
) -> Outcome:
    """Send one candidate through the gate, with a second look if it asks for one.

    Args:
        window: the answers to a window.
        clean: the answers to clean images.
        rng: of the draws.
        margin: the gate's.
        learns: whether the candidate was retrained on what the review showed, or is a filter.
    """
    n = len(window.labels)
    drawn = rng.choice(n, SLICE, replace=False)
    strange = np.setdiff1d(np.arange(n), drawn)[:TAUGHT]
    picks = {int(i): False for i in strange} | {int(i): True for i in drawn}
    shown = np.array(sorted(picks))
    learnt = np.union1d(strange, draw_unlabelled(n, shown.tolist())) if learns else np.zeros(0, np.int64)
    evidence = gather(
        Reviewed(shown, window.labels[shown]),
        picks,
        learnt,
        window.incumbent,
        window.candidate,
        int(rng.integers(2**31)),
    )
    on_clean = compare(clean.incumbent == clean.labels, clean.candidate == clean.labels, ALPHA)

    def look(drift: DriftComparison, *, second_look: bool) -> Evaluation:
        judged = judge(drift, on_clean, alpha=ALPHA, margin=margin, second_look=second_look)
        return choose({"it": judged})[0]["it"]

    first = look(evidence.first_look(ALPHA), second_look=False)
    more = min(first.more_labels or 0, ASKED)
    if not more or not evidence.could_show(more, first.second_level):
        return Outcome(first.promote, len(shown))
    asked = evidence.ask(more)
    second = evidence.second_look(more, Reviewed(asked, window.labels[asked]), ALPHA)
    return Outcome(look(second, second_look=True).promote, len(shown) + len(asked))


def rates(
    draw: Callable[[np.random.Generator], tuple[Pair, Pair]],
    trials: int,
    seed: int = 0,
    *,
    learns: bool = True,
) -> dict[str, float]:
    """Return the share of promotions and the mean number of labels over so many windows."""
    rng = np.random.default_rng(seed)
    outcomes = [pass_through_gate(*draw(rng), rng, learns=learns) for _ in range(trials)]
    return {
        "promoted": round(float(np.mean([outcome.promoted for outcome in outcomes])), 4),
        "labels": round(float(np.mean([outcome.labels for outcome in outcomes])), 1),
    }


def made_up(better: float, worse: float) -> Callable[..., tuple[Pair, Pair]]:
    """Draw windows on which the candidate alone is right so often, and the incumbent alone so often.

    The incumbent's accuracy is 0.9, where that leaves room.
    """
    right = min(0.9 - worse, 1 - better - worse)
    clean = np.zeros(5000, np.int64)

    def draw(rng: np.random.Generator) -> tuple[Pair, Pair]:
        kind = rng.choice(4, WINDOW, p=[better, worse, right, max(0.0, 1 - better - worse - right)])
        labels = np.zeros(WINDOW, np.int64)
        incumbent, candidate = np.isin(kind, (0, 3)).astype(np.int64), np.isin(kind, (1, 3)).astype(np.int64)
        return Pair(incumbent, candidate, labels), Pair(clean, clean, clean)

    return draw


def breaking(rng: np.random.Generator) -> tuple[Pair, Pair]:
    """Draw a window on which the candidate fails the strangest samples, and mends as many of the others."""
    count = round(BROKEN * WINDOW)
    labels, clean = np.zeros(WINDOW, np.int64), np.zeros(5000, np.int64)
    incumbent, candidate = labels.copy(), labels.copy()
    candidate[:count] = 1
    incumbent[rng.choice(np.arange(count, WINDOW), count, replace=False)] = 1
    return Pair(incumbent, candidate, labels), Pair(clean, clean, clean)


def simulated() -> dict[str, dict[str, float]]:
    """Rates for made-up candidates, no better and five points better, by how often the two disagree."""
    found = {
        f"no_better_differing_on_{2 * share:.0%}": rates(made_up(share, share), TRIALS) for share in WORTHLESS
    }
    for kind, learns in (("filter", False), ("retrained", True)):
        name = f"no_better_{kind}_failing_the_strangest_{BROKEN:.0%}"
        found[name] = rates(breaking, TRIALS, learns=learns)
    for lost in LOSSES:
        name = f"5_points_winning_{0.05 + lost:.0%}_losing_{lost:.0%}"
        found[name] = rates(made_up(0.05 + lost, lost), TRIALS)
    return found


BROKEN = 0.08
WORTHLESS = (0.01, 0.03, 0.1, 0.2, 0.3)
LOSSES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05)

if __name__ == "__main__":
    for name, found in simulated().items():
        print(name, found)
