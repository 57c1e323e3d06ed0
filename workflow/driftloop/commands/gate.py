"""Edges of the gate: what its two looks need of a window, its incumbent and its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop import layout
from driftloop.commands.classify import Labelled, correct, open_model, see
from driftloop.commands.repair import Occasion
from driftloop.improver import gate
from driftloop.improver.comparison import Comparison, compare, compare_on_window
from driftloop.improver.reviewed import Reviewed, join
from driftloop.review.decision import REPAIRS

Evaluations = dict[str, gate.Evaluation]


class Rivals:
    """The candidates for one window beside its incumbent, and what all of them answer.

    Args:
        occasion: of the repair.
        params: with `seed` and `gate`.

    Attributes:
        models: the candidates that the decision asks for, by the repair's name.
    """

    def __init__(self, occasion: Occasion, params: dict[str, Any]) -> None:
        self._occasion = occasion
        self._alpha, self._margin = params["gate"]["alpha"], params["gate"]["margin"]
        self._seed = params["seed"]
        names = REPAIRS[occasion.verdict["decision"]]
        self.models = {name: open_model(layout.candidate(occasion.window, name)) for name in names}

    def look(self) -> tuple[Evaluations, str | None]:
        """Judge all candidates by the random slice of the review: evaluations by name, and the winner."""
        return self._judge(dict.fromkeys(self.models, self._occasion.parts.judging), second_look=False)

    def ask(self, evaluations: Evaluations) -> dict[str, list[int]]:
        """Return for each candidate the samples whose labels would settle what the first look left open."""
        shown = np.array(sorted(self._occasion.picks), dtype=np.int64)
        more = np.union1d(shown, self._occasion.parts.unlabelled)
        seen = {name: shown if self._has_seen_nothing(name) else more for name in self.models}
        return gate.ask(evaluations, self._answers[""], self._answers, seen, self._seed)

    def settle(self, asked: Mapping[str, list[int]], settling: Reviewed) -> tuple[Evaluations, str | None]:
        """Judge all candidates a second time, each by the labels that were asked for its sake.

        What has learnt nothing from the window is judged by all its disagreements where all are labelled.
        """
        parts, judging = self._occasion.parts, {}
        everything = join(parts.taught, parts.judging, settling)
        for name in self.models:
            differs = self._answers[""] != self._answers[name]
            new = settling.take(np.isin(settling.index, asked[name]))
            every = everything.take(differs[everything.index])
            whole = len(asked[name]) <= gate.FEW and len(every) == differs.sum()
            if whole and self._has_seen_nothing(name):
                new = every
            judging[name] = join(parts.judging.take(~differs[parts.judging.index]), new)
        return self._judge(judging, second_look=True)

    def _judge(self, judging: Mapping[str, Reviewed], *, second_look: bool) -> tuple[Evaluations, str | None]:
        def one(name: str, by: Reviewed) -> gate.Evaluation:
            clean, earlier = self._elsewhere[name]
            answers = self._answers[""], self._answers[name]
            return gate.judge(
                compare_on_window(*answers, by.index, by.labels, self._alpha),
                clean,
                earlier,
                alpha=self._alpha,
                margin=self._margin,
                second_look=second_look,
            )

        return gate.choose({name: one(name, by) for name, by in judging.items()})

    def _has_seen_nothing(self, name: str) -> bool:
        """Whether a candidate has learnt nothing from the window's own images: a new filter has not."""
        return name == "filter" and self._occasion.adds_filter(self.models[name])

    @cached_property
    def _answers(self) -> dict[str, npt.NDArray[np.int64]]:
        """What each candidate answers to the window's samples; the incumbent has no name."""
        models = {"": self._occasion.incumbent, **self.models}
        images, window = self._occasion.arrived.images, self._occasion.window
        return {
            name: see(model, images, f"{window}: {name or 'the incumbent'}").logits.argmax(1)
            for name, model in models.items()
        }

    @cached_property
    def _elsewhere(self) -> dict[str, tuple[Comparison, dict[str, Comparison]]]:
        """Each candidate against the incumbent on clean data, and on the drifts repaired before."""
        window, incumbent = self._occasion.window, self._occasion.incumbent
        sets: dict[str, Labelled] = {"": self._occasion.split("test"), **self._occasion.earlier_drifts()}
        before = {
            name: correct(incumbent, samples, f"{window}: the incumbent") for name, samples in sets.items()
        }
        compared = {
            candidate: {
                name: compare(before[name], correct(model, samples, f"{window}: {candidate}"), self._alpha)
                for name, samples in sets.items()
            }
            for candidate, model in self.models.items()
        }
        return {name: (found.pop(""), found) for name, found in compared.items()}
