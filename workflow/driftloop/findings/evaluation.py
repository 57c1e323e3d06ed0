"""`evaluation.json`: what the gate found of each candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftloop.files import digest_json

Facts = Mapping[str, Any]


def foremost(evaluation: Facts) -> str:
    """Return the name of the candidate that won, or else of the one that gained most.

    >>> foremost({"winner": None, "candidates": {"retrain": {"drift": {"gain": 0.1}},
    ...                                          "filter": {"drift": {"gain": 0.2}}}})
    'filter'
    """
    candidates = evaluation["candidates"]
    return str(evaluation["winner"] or max(candidates, key=lambda name: candidates[name]["drift"]["gain"]))


def believed(verdict: Facts, evaluation: Facts | None) -> Facts | None:
    """Return the evaluation if it is of what the verdict asks for, else None: it is left from an earlier one.

    >>> believed({"decision": "keep"}, {"winner": "filter", "candidates": {"filter": {}}}) is None
    True
    """
    return evaluation if evaluation and evaluation.get("verdict") == digest_json(verdict) else None
