"""How often does the gate promote? Candidates of known worth are sent through it, as the pipeline would.

A hundred labels in all: 48 in the review, of which one half teaches and the other, drawn at random, judges;
and up to 52 more, where incumbent and candidate disagree, if the first look has not settled it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from driftloop.improver.comparison import compare, compare_on_window
from driftloop.improver.gate import ask, choose, judge
from driftloop.improver.reviewed import draw_unlabelled

ALPHA, MARGIN, TRIALS = 0.02, 0.005, 500
WINDOW, TAUGHT, SLICE, ASKED = 500, 24, 24, 52
Classes = npt.NDArray[np.int64]


class Pair(NamedTuple):
    """Answers of two models to the same samples, and the true classes: int64 (N,)."""

    incumbent: Classes
    candidate: Classes
    labels: Classes


class Outcome(NamedTuple):
    """What the gate said, and how many labels it took, those that taught among them."""

    promoted: bool
    labels: int


def pass_through_gate(window: Pair, clean: Pair, rng: np.random.Generator, margin: float = MARGIN) -> Outcome:
    """Send one candidate through the gate, with a second look if it asks for one."""
    order = rng.permutation(len(window.labels))
    judging, shown = order[:SLICE], order[: SLICE + TAUGHT]
    seen = np.union1d(shown, draw_unlabelled(len(order), shown.tolist()))
    on_clean = compare(clean.incumbent == clean.labels, clean.candidate == clean.labels, ALPHA)

    def look(index: npt.NDArray[np.int64], *, second: bool) -> bool:
        found = compare_on_window(window.incumbent, window.candidate, index, window.labels[index], ALPHA)
        evaluations, winner = choose(
            {"it": judge(found, on_clean, alpha=ALPHA, margin=margin, second_look=second)}
        )
        wanted = min(evaluations["it"].more_labels or 0, ASKED)
        asked[:] = ask(
            {"it": replace(evaluations["it"], more_labels=wanted)},
            window.incumbent,
            {"it": window.candidate},
            {"it": seen},
            int(rng.integers(2**31)),
        )["it"]
        return winner is not None

    asked: list[int] = []
    if look(judging, second=False):
        return Outcome(True, len(shown))
    if not asked:
        return Outcome(False, len(shown))
    more = list(asked)
    alike = judging[window.incumbent[judging] == window.candidate[judging]]
    return Outcome(look(np.concatenate([alike, more]), second=True), len(shown) + len(more))


def rates(
    draw: Callable[[np.random.Generator], tuple[Pair, Pair]], trials: int, seed: int = 0
) -> dict[str, float]:
    """Return the share of promotions and the mean number of labels over so many windows."""
    rng = np.random.default_rng(seed)
    outcomes = [pass_through_gate(*draw(rng), rng) for _ in range(trials)]
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


def simulated() -> dict[str, dict[str, float]]:
    """Rates for made-up candidates, no better and five points better, by how often the two disagree."""
    worthless = {f"no_better_differing_on_{2 * share:.0%}": made_up(share, share) for share in WORTHLESS}
    useful = {
        f"5_points_winning_{0.05 + lost:.0%}_losing_{lost:.0%}": made_up(0.05 + lost, lost) for lost in LOSSES
    }
    return {name: rates(draw, WORTHLESS_TRIALS) for name, draw in worthless.items()} | {
        name: rates(draw, TRIALS) for name, draw in useful.items()
    }


WORTHLESS_TRIALS = 2000  # a rate of 2 % is known to 0.3 points by so many
WORTHLESS = (0.01, 0.03, 0.1, 0.2, 0.3)
LOSSES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05)

if __name__ == "__main__":
    for name, found in simulated().items():
        print(name, found)
