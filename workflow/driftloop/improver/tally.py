"""Wins and losses of a candidate, counted in the order drawn: a test that can be asked again.

The candidate and the incumbent disagree on some samples of a window. Those are drawn in random order. Of a
candidate that is no better, each draw that one of the two has right is won with probability one half at most,
whatever came before. So the labels are bets at fair odds (Shafer, Journal of the Royal Statistical Society A
184, 2021; Ramdas et al., Statistical Science 38, 2023): the score after each draw is how much a gambler has
won who bets on the candidate with all shares of wins above one half at once, weighed by a beta density. What
counts is the best score so far.

The number of disagreements is known before anybody labels. So the law of the best score is worked out
exactly, draw by draw, instead of being bounded: that takes fewer labels. It holds at every number of labels
and under every rule of stopping, as the best score over all draws is at least that at any stop. What has no
label counts as lost in its place. So neither leaving samples out nor answering some before others can help a
candidate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

Outcomes = npt.NDArray[np.int8]
Classes = npt.NDArray[np.int64]

WON, LOST, NEITHER, OPEN = 1, -1, 0, 2
"""A draw: only the candidate is right, or only the incumbent; neither is; or nobody has looked yet."""
UNTOLD = -1
"""Stands for a class where a person was shown a sample and gave none."""
LONGEST = 1000
"""Draws that can count. Later ones would show differences too small to matter."""

_CLOSE, _CLOSEST = 10.0, 40.0
"""Both parameters of the beta density, at least and at most. A larger one needs a few labels more where all
are won, and finds small gains better as long as all disagreements can be labelled. Computed, at two wins for
each loss: of 60 disagreements 64 % of gains show with 10, and 66 % with 40; of the first 100 of 300 it is 78
and 74 %."""
_FEW = 3000
"""Disagreements times parameter: with 75 or fewer it is the largest one, with 300 or more the least."""
_TINY = 1e-9
_TRIALS = 400
_HOPED_FOR = (2.0, 1.0, 0.2)
"""Wins, losses and draws that neither has right, which are added to those seen when the labels to come are
foreseen."""


@dataclass(frozen=True)
class Tally:
    """What the draws of one candidate have come to.

    Attributes:
        outcomes: int8 (M,), in the order in which the disagreements are drawn: `WON`, `LOST`, `NEITHER`,
            `OPEN`. What a person was shown and could not tell is `LOST`.
    """

    outcomes: Outcomes

    @property
    def left(self) -> int:
        """How many draws nobody has looked at."""
        return int(np.count_nonzero(self.outcomes == OPEN))

    @cached_property
    def drawn(self) -> int:
        """How many draws the evidence is about: up to the first open one, or the best score behind it."""
        scores = self._scores
        opened = int(np.argmax(np.append(self.outcomes, OPEN) == OPEN))
        return max(opened, int(scores.argmax()) + 1 if len(scores) and scores.max() > 0 else 0)

    @property
    def p_value(self) -> float:
        """How likely the best score is for a candidate that is no better; in (0, 1]."""
        return _chance(max(0.0, float(self._scores.max(initial=0.0))), self._horizon, self._close)

    def shows_gain(self, level: float) -> bool:
        """Whether the draws show at this level that the candidate is better."""
        return float(self._scores.max(initial=0.0)) >= _least_score(level, self._horizon, self._close) - _TINY

    def in_a_row(self, level: float) -> int | None:
        """Return how many more labels show a gain if all favour the candidate; None where none can."""
        won = np.where(self.outcomes == OPEN, np.int8(WON), self.outcomes)[:LONGEST]
        enough = np.flatnonzero(
            _score(won, self._close) >= _least_score(level, self._horizon, self._close) - _TINY
        )
        if not len(enough):
            return None
        return int(np.count_nonzero(self.outcomes[: enough[0] + 1] == OPEN))

    def chances(self, more: Sequence[int], level: float) -> list[float]:
        """Return how likely so many more labels show a gain, if the candidate wins about as often as so far.

        It is worked out from some hundred futures, drawn from what the labels let expect. The same tally
        always has the same ones.

        Args:
            more: numbers of labels, each one `left` at most.
            level: of the test.
        """
        first = self.outcomes[:LONGEST]
        open_ = np.flatnonzero(first == OPEN)
        best = np.maximum.accumulate(_score(self._futures(first, open_), self._close), axis=1)
        ends = np.append(open_, len(first))[
            np.minimum(more, len(open_))
        ]  # the draws before the first unasked
        best = np.concatenate([np.zeros((_TRIALS, 1)), best], axis=1)[:, ends]
        shown = np.maximum(best, 0) >= _least_score(level, self._horizon, self._close) - _TINY
        return [float(share) for share in shown.mean(axis=0)]

    def _futures(self, first: Outcomes, open_: npt.NDArray[np.intp]) -> Outcomes:
        """Return how the draws (n,) may come out, (trials, n), where those at `open_` are open."""
        rng = np.random.default_rng(len(open_))
        won, lost, neither = (int(np.count_nonzero(first == each)) for each in (WON, LOST, NEITHER))
        share = rng.beta(won + _HOPED_FOR[0], lost + _HOPED_FOR[1], _TRIALS)[:, None]
        futures = np.repeat(first[None], _TRIALS, axis=0)
        drawn = np.where(rng.random((_TRIALS, len(open_))) < share, WON, LOST)
        undecided = rng.random(drawn.shape) < (neither + _HOPED_FOR[2]) / (won + lost + neither + 2)
        futures[:, open_] = np.where(undecided, NEITHER, drawn)
        return futures

    @cached_property
    def _scores(self) -> npt.NDArray[np.float64]:
        return _score(self._closed(self.outcomes), self._close)

    @property
    def _close(self) -> float:
        """The beta density's parameter. No label changes it, so that the test stays exact."""
        return float(round(min(_CLOSEST, max(_CLOSE, _FEW / max(1, len(self.outcomes))))))

    @property
    def _horizon(self) -> int:
        return int(np.count_nonzero(self.outcomes[:LONGEST] != NEITHER))

    @staticmethod
    def _closed(outcomes: Outcomes) -> Outcomes:
        """Return the draws that can count, with what is open as lost."""
        first = outcomes[:LONGEST]
        return np.where(first == OPEN, np.int8(LOST), first)


def count_draws(incumbent: Classes, candidate: Classes, said: Classes) -> Tally:
    """Count the draws of a candidate.

    Args:
        incumbent: its answers to the disagreements, int64 (M,), in the order in which these are drawn.
        candidate: its answers.
        said: the true classes, int64 (M,): `UNTOLD` where a person gave none, below that where nobody was
            asked.

    >>> said = np.array([1, 0, 2, UNTOLD, -2])
    >>> count_draws(np.array([0, 0, 0, 0, 0]), np.array([1, 1, 1, 1, 1]), said).outcomes
    array([ 1, -1,  0, -1,  2], dtype=int8)
    """
    outcomes = np.full(len(said), NEITHER, np.int8)
    outcomes[(said == incumbent) | (said == UNTOLD)] = LOST
    outcomes[said == candidate] = WON
    outcomes[said < UNTOLD] = OPEN
    return Tally(outcomes)


def answers(labels: Mapping[int, int], index: Classes) -> Classes:
    """Return what was said of the samples at `index`, int64, as `count_draws` takes it.

    >>> answers({4: 1, 7: UNTOLD}, np.array([7, 3, 4]))
    array([-1, -2,  1])
    """
    return np.array([labels.get(int(each), UNTOLD - 1) for each in index], dtype=np.int64)


def _score(outcomes: Outcomes, close: float) -> npt.NDArray[np.float64]:
    """Return the logarithm of what the gambler has after each draw (..., n); none is open."""
    won, lost = (np.cumsum(outcomes == each, axis=-1) for each in (WON, LOST))
    table = _table(_rounded(outcomes.shape[-1]), close)
    return np.asarray(table[won + lost, won])


@lru_cache(maxsize=32)
def _table(longest: int, close: float) -> npt.NDArray[np.float64]:
    """Return the scores after n bets of which w are won, (longest + 1, longest + 1); -inf for w > n."""
    n, w = np.ogrid[: longest + 1, : longest + 1]
    lost = np.maximum(n - w, 0)
    with np.errstate(divide="ignore"):
        above = np.log(2 * special.betainc(lost + close, w + close, 0.5))
    score = special.betaln(w + close, lost + close) - special.betaln(close, close) + above + n * np.log(2)
    return np.where(w > n, -np.inf, score)


def _chance(best: float, horizon: int, close: float) -> float:
    """Return the probability that fair bets reach such a score within so many."""
    if best <= 0:
        return 1.0
    enough = _table(_rounded(horizon), close)[: horizon + 1, : horizon + 1] >= best - _TINY
    needed = np.where(enough.any(axis=1), enough.argmax(axis=1), horizon + 2)
    state, reached = np.zeros(horizon + 2), 0.0
    state[0] = 1.0
    for n in range(1, horizon + 1):
        state[1:] = (state[1:] + state[:-1]) / 2
        state[0] /= 2
        reached += float(state[needed[n] :].sum())
        state[needed[n] :] = 0.0
    return min(1.0, reached)


@lru_cache(maxsize=4096)
def _least_score(level: float, horizon: int, close: float) -> float:
    """Return the smallest score that fair bets reach with probability `level` at most; inf where none is."""
    low, high = 0.0, -np.log(level) + 1
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (low, middle) if _chance(middle, horizon, close) <= level else (middle, high)
    return float(high)


def _rounded(horizon: int) -> int:
    """Return a length of table that many horizons share."""
    return min(LONGEST, -(-horizon // 100) * 100)
