"""`verdict.json`: what the steps after the review read of the answer that stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from driftloop import layout
from driftloop.findings.product import Product


@dataclass(frozen=True)
class Verdict(Product):
    """The answer that stands, the same for every reviewer and time.

    Attributes:
        window: its name.
        drifted: what the check found.
        decision: keep, retrain, filter or both.
        diagnosis: the corruption that the reviewer saw.
        labels: sample of the review to class name, or what stands for none; in the order of the samples.
    """

    window: str
    drifted: bool
    decision: str
    diagnosis: str | None
    labels: Mapping[int, str]

    @classmethod
    def of(cls, window: str) -> Self:
        """Read that of a window. Raises DataError where it is missing or damaged."""
        return cls.read(layout.verdict(window))
