"""Several detectors as one: each is put on a common scale, then their evidence is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import Arrays, Detector, rows
from driftloop.checker.features import Features
from driftloop.params.instantiate import instantiate

_NEIGHBOURS = "driftloop.checker.neighbours.NearestNeighbours"
DEFAULT_MEMBERS: tuple[Mapping[str, Any], ...] = (
    {"_target_": _NEIGHBOURS, "space": "embeddings"},
    {"_target_": _NEIGHBOURS, "space": "spectrum", "whiten": True},
    {"_target_": _NEIGHBOURS, "space": "profiles", "whiten": True},
    {"_target_": _NEIGHBOURS, "space": "edges", "whiten": True},
)
_HELD_OUT = 0.2
_MOST_HELD_OUT = 2000


class Combined(Detector):
    """The evidence of its members, added as perpendicular distances are.

    Members are fitted on four fifths of the reference; the rest, at most 2,000 samples, shows what each
    one's scores look like on data that it does not hold. A member's evidence is how far a score lies above
    the lower tenth of those, in units of the way from there to the upper tenth.

    Args:
        members: `_target_` and settings of each; the default is what the benchmark showed best.
    """

    def __init__(self, members: Sequence[Mapping[str, Any]] = DEFAULT_MEMBERS) -> None:
        if not members:
            raise ValueError("members is empty; name one detector at least")
        base: type[Detector] = Detector
        self.members = [
            instantiate(spec, base, where=f"members[{place}]") for place, spec in enumerate(members)
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
            scores = member.score(learnt, outer)
            low, high = np.quantile(scores, [0.1, 0.9])
            state |= {f"{place}.{name}": array for name, array in learnt.items()}
            state[f"{place}.scale"] = np.array([low, max(high - low, 1e-9)])
        return state

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Return the root of the mean squared evidence."""
        total = np.zeros(len(features))
        for place, member in enumerate(self.members):
            prefix = f"{place}."
            own = {name[len(prefix) :]: array for name, array in state.items() if name.startswith(prefix)}
            low, spread = own["scale"]
            total += np.maximum((member.score(own, features) - low) / spread, 0) ** 2
        return np.sqrt(total / len(self.members))
