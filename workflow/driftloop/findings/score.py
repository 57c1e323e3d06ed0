"""`score.json`: how incumbent and candidate do by the true labels of a simulated window's population."""

from __future__ import annotations

from dataclasses import dataclass

from driftloop.findings.product import Product

Counts = tuple[tuple[int, ...], ...]
"""How often each class (row) is taken for each (column)."""


@dataclass(frozen=True)
class Confusion:
    """Which class each model takes for which. None where there is no candidate."""

    incumbent: Counts
    candidate: Counts | None


@dataclass(frozen=True)
class Score(Product):
    """How the models do on the whole population.

    Attributes:
        n: its samples.
        incumbent: accuracy, in [0, 1].
        candidate: accuracy; None where there is no candidate.
        confusion: of both.
    """

    n: int
    incumbent: float
    candidate: float | None
    confusion: Confusion
