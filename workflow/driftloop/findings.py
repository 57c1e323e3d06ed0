"""What the files of a window say: how a drift report, an evaluation and a verdict are read.

How they are written stands with the check, the gate and the review.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from driftloop.estimate import Estimate, widened
from driftloop.files import digest_json

Facts = Mapping[str, Any]


def alarm(drift: Facts) -> tuple[float, float, int | None]:
    """Return p-value and level of the test that decided, and how many windows it took together.

    >>> alarm({"p_value": 0.2, "alpha": 0.01, "stream": None})
    (0.2, 0.01, None)
    >>> together = {"windows": 6, "p_value": 0.0004, "alpha": 0.001, "drifted": True}
    >>> alarm({"p_value": 0.2, "alpha": 0.01, "stream": together})
    (0.0004, 0.001, 6)
    """
    stream = drift.get("stream")
    if stream and stream["drifted"]:
        return stream["p_value"], stream["alpha"], stream["windows"]
    return drift["p_value"], drift["alpha"], None


_MORE_OR_LESS = {
    "brightness": ("brighter", "darker"),
    "contrast": ("richer in contrast", "poorer in contrast"),
    "saturation": ("more colourful", "paler"),
    "sharpness": ("sharper", "softer"),
    "grain": ("grainier", "smoother"),
}
_BEYOND_CHANCE = 3.0
"""Standard deviations from which a property is said to have moved."""


def moved(drift: Facts) -> list[tuple[str, str]]:
    """Return how a window's images have moved together: how many are so beside usual images, and how.

    The surest three come, the surest first; none where nothing is beyond chance. Where a few have moved far,
    and the others have not, they are called some.

    >>> moves = [{"name": "brightness", "effect": -0.5, "standard": 4.0, "few": -3.5},
    ...          {"name": "grain", "effect": 0.8, "standard": 7.0, "few": 6.0},
    ...          {"name": "contrast", "effect": 0.1, "standard": 1.0, "few": -5.0}]
    >>> moved({"moves": moves})
    [('90%', 'grainier'), ('some', 'much poorer in contrast'), ('75%', 'darker')]
    """
    told = []
    for each in drift.get("moves", ()):
        more_or_less = _MORE_OR_LESS[each["name"]]
        if each["standard"] >= _BEYOND_CHANCE:
            many = f"{(1 + abs(each['effect'])) / 2:.0%}"
            told.append((each["standard"], many, more_or_less[each["effect"] < 0]))
        elif abs(each["few"]) >= _BEYOND_CHANCE:
            told.append((abs(each["few"]), "some", f"much {more_or_less[each['few'] < 0]}"))
    return [(many, how) for _, many, how in sorted(told, key=lambda each: -each[0])[:3]]


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


def share(drift: Facts, name: str) -> Estimate | None:
    """Return a drift report's estimate called `name` with its 95 % limits, or None where it has none.

    Those of the accuracy are told wider than the report has them, by how much of the window is novel.

    >>> share({"novel_share": {"estimate": 0.5, "low": 0.4, "high": 0.6}}, "novel_share")
    Estimate(estimate=0.5, low=0.4, high=0.6)
    """
    value = drift.get(name)
    if value is None:
        return None
    found = Estimate(value["estimate"], value["low"], value["high"])
    novel = share(drift, "novel_share") if name == "estimated_accuracy" else None
    return widened(found, novel) if novel else found
