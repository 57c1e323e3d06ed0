"""What more labels could still do for a candidate, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass

from driftloop.improver.tally import Tally

FEW = 10
"""Labels whose chance is always told: a minute of a person's time."""
_BATCHES = (FEW, 20, 30)
_LIKELY = 0.8
"""A person is asked for as many labels as settle it with this chance, up to the largest batch."""
_HOPELESS = 0.05
"""Nothing is asked where all labels that are left would settle it with less than this chance."""


@dataclass(frozen=True)
class Outlook:
    """What more labels could do.

    Attributes:
        left: disagreements that nobody has looked at.
        in_a_row: how many of them would settle it if all favoured the candidate; None where none can.
        few_chance: how likely the next ten settle it, in [0, 1].
        batch: how many to ask for now; 0 where it is hopeless.
        batch_chance: how likely those settle it.
        chance: how likely all that are left settle it.
    """

    left: int
    in_a_row: int | None
    few_chance: float
    batch: int
    batch_chance: float
    chance: float

    @property
    def sentence(self) -> str:
        """What follows, in plain words."""
        if self.in_a_row is None:
            best = {0: "No such sample is left, so", 1: "Even if the last one favours it,"}
            return f"{best.get(self.left, f'Even if all {self.left} left favour it,')} it shows no gain here."
        if not self.batch:
            return (
                f"All {self.left} samples left would settle it with a chance of {_percent(self.chance)}; "
                f"it takes {self.in_a_row} in a row. More labels are unlikely to change that."
            )
        more = ""
        if self.batch > FEW:
            more = f", {self.batch} more with {_percent(self.batch_chance)}"
        few = min(FEW, self.left)
        return f"{few} more labels would settle it with a chance of {_percent(self.few_chance)}{more}."


def foresee(tally: Tally, level: float) -> Outlook:
    """Return what more labels could do for a candidate whose gain the tally does not show yet.

    >>> import numpy as np
    >>> from driftloop.improver.tally import OPEN, WON
    >>> foresee(Tally(np.repeat(np.array([WON, OPEN], np.int8), [8, 40])), 0.02).in_a_row
    5
    """
    left, row = tally.left, tally.in_a_row(level)
    if row is None:
        return Outlook(left, None, 0.0, 0, 0.0, 0.0)
    sizes = [min(size, left) for size in _BATCHES]
    *chances, chance = tally.chances([*sizes, left], level)
    likely = next((place for place, each in enumerate(chances) if each >= _LIKELY), len(sizes) - 1)
    batch = 0 if chance < _HOPELESS else sizes[likely]
    return Outlook(left, row, chances[0], batch, chances[likely], chance)


def _percent(chance: float) -> str:
    return "under 1%" if chance < 0.01 else f"{min(chance, 0.99):.0%}"
