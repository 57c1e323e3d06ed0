"""Several detectors as one: each is put on a common scale, then their evidence is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import Arrays, Detector, rows
from driftloop.models.features import Features
from driftloop.params.instantiate import instantiate

_NEIGHBOURS = "driftloop.checker.neighbours.NearestNeighbours"
DEFAULT_MEMBERS: tuple[Mapping[str, Any], ...] = (
    {"_target_": _NEIGHBOURS, "space": "embeddings"},
    {"_target_": _NEIGHBOURS, "space": "spectrum", "whiten": True},
    {"_target_": _NEIGHBOURS, "space": "profiles", "whiten": True},
    {"_target_": _NEIGHBOURS, "space": "edges", "whiten": True},
    {"_target_": _NEIGHBOURS, "space": "tones", "whiten": True},
)
_HELD_OUT = 0.25
_MOST_HELD_OUT = 3000
_LEAST_OF_A_CLASS = 30


class Combined(Detector):
    """The evidence of its members, added as perpendicular distances are.

    Members are fitted on three quarters of the reference. The rest, at most 3,000 samples, shows what each
    one's scores look like on data that it does not hold. A member's evidence is how far a score lies above
    the lower tenth of those, in units of the way from there to the upper tenth. The sum is scaled in the
    same way once more, by predicted class. Classes differ in how far apart their samples lie. A window with
    more of a wide class is no drift.

    Args:
        members: `_target_` and settings of each. The default is what the benchmark shows
            best on generic damages.
    """

    def __init__(self, members: Sequence[Mapping[str, Any]] = DEFAULT_MEMBERS) -> None:
        if not members:
            raise ValueError("members is empty; name one detector at least")
        self.members = [
            instantiate(spec, Detector, where=f"members[{place}]") for place, spec in enumerate(members)
        ]

    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:
        """Fit every member, then the scale of each on the held-out part."""
        order = rng.permutation(len(reference))
        cut = min(max(1, round(_HELD_OUT * len(order))), _MOST_HELD_OUT)
        held_out, kept = np.sort(order[:cut]), np.sort(order[cut:])
        inner, outer = rows(reference, kept), rows(reference, held_out)
        state: dict[str, npt.NDArray[Any]] = {}
        for place, member in enumerate(self.members):
            learnt = member.fit(inner, rng)
            state |= {f"{place}.{name}": array for name, array in learnt.items()}
            state[f"{place}.scale"] = _scale(member.score(learnt, outer))
        sums, predicted = self._sum(state, outer), outer.logits.argmax(axis=1)
        state["classes"] = np.tile(_scale(sums), (outer.logits.shape[1], 1))
        for label, count in enumerate(np.bincount(predicted)):
            if count >= _LEAST_OF_A_CLASS:
                state["classes"][label] = _scale(sums[predicted == label])
        return state

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Return the members' evidence, scaled by predicted class."""
        return _scaled(self._sum(state, features), state["classes"][features.logits.argmax(axis=1)].T)

    def _sum(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        total = np.zeros(len(features))
        for place, member in enumerate(self.members):
            prefix = f"{place}."
            own = {name[len(prefix) :]: array for name, array in state.items() if name.startswith(prefix)}
            total += np.maximum(_scaled(member.score(own, features), own["scale"]), 0) ** 2
        return np.sqrt(total / len(self.members))


def _scale(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return where scores begin, and how far they reach."""
    low, high = np.quantile(scores, [0.1, 0.9])
    return np.array([low, max(high - low, 1e-9)])


def _scaled(scores: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray((scores - scale[0]) / scale[1])
