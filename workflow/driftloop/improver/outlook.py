"""What more labels could still do for a candidate, in numbers and in words."""

from __future__ import annotations

from driftloop.findings.evaluation import FEW, Outlook
from driftloop.improver.tally import Tally

_BATCHES = (FEW, 20, 30)
_LIKELY = 0.8
"""A person is asked for as many labels as settle it with this chance, up to the largest batch."""
_HOPELESS = 0.05
"""Nothing is asked where all labels that are left would settle it with less than this chance."""


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
