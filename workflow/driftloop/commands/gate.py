"""Edges of the gate: what its two looks need of a window, its incumbent and its candidates."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop import layout
from driftloop.commands.classify import Labelled, correct, open_model, see
from driftloop.commands.repair import Occasion
from driftloop.improver import gate
from driftloop.improver.comparison import Comparison, DriftComparison, compare
from driftloop.improver.evidence import Evidence, gather
from driftloop.improver.reviewed import Reviewed
from driftloop.review.decision import repairs_of

Evaluations = dict[str, gate.Evaluation]


class Rivals:
    """The candidates for one window beside its incumbent, and what all of them answer.

    Args:
        occasion: of the repair.
        params: with `seed`, `gate` and `filter`.

    Attributes:
        models: the candidates that the decision asks for, by the repair's name.
    """

    def __init__(self, occasion: Occasion, params: dict[str, Any]) -> None:
        self._occasion = occasion
        self._alpha, self._margin = params["gate"]["alpha"], params["gate"]["margin"]
        self._seed = params["seed"]
        names = repairs_of(occasion.verdict["decision"], params["filter"]["_target_"])
        self.models = {name: open_model(layout.candidate(occasion.window, name)) for name in names}

    def look(self) -> tuple[Evaluations, str | None]:
        """Judge all candidates by the random slice of the review: evaluations by name, and the winner."""
        decided, winner = gate.choose({name: self._first_look(name) for name in self.models})
        return {name: self._hoped_for(name, each) for name, each in decided.items()}, winner

    def ask(self, evaluations: Evaluations) -> list[int]:
        """Return the samples whose labels would settle what the first look left open, ascending."""
        drawn = [self._evidence[name].ask(each.more_labels or 0) for name, each in evaluations.items()]
        return sorted(set(np.concatenate(drawn).tolist()))

    def settle(self, evaluations: Evaluations, settling: Reviewed) -> tuple[Evaluations, str | None]:
        """Judge a second time each candidate that the first look left open, by what was drawn for its sake.

        Another's disagreements are no random part of its own: where several candidates differ from the
        incumbent, it is more often wrong. Of whom nothing was asked, what the first look said stands.
        """

        def again(name: str, more: int | None) -> gate.Evaluation:
            if not more:
                return self._first_look(name)
            found = self._evidence[name].second_look(more, settling, self._alpha)
            return self._judge(name, found, second_look=True)

        decided, winner = gate.choose(
            {name: again(name, each.more_labels) for name, each in evaluations.items()}
        )
        asked = {name for name, each in evaluations.items() if each.more_labels or name == winner}
        return {name: (decided if name in asked else evaluations)[name] for name in evaluations}, winner

    def _hoped_for(self, name: str, evaluation: gate.Evaluation) -> gate.Evaluation:
        """Return the evaluation; with nothing left to ask where even the best answers would not do."""
        more, level = evaluation.more_labels, evaluation.second_level / len(self.models)
        hopeless = bool(more) and not self._evidence[name].could_show(more or 0, level)
        return evaluation.given_up() if hopeless else evaluation

    def _first_look(self, name: str) -> gate.Evaluation:
        return self._judge(name, self._evidence[name].first_look(self._alpha), second_look=False)

    def _judge(self, name: str, drift: DriftComparison, *, second_look: bool) -> gate.Evaluation:
        clean, earlier = self._elsewhere[name]
        return gate.judge(
            drift, clean, earlier, alpha=self._alpha, margin=self._margin, second_look=second_look
        )

    @cached_property
    def _evidence(self) -> dict[str, Evidence]:
        """What the review's labels can say of each candidate."""
        occasion = self._occasion
        return {
            name: gather(
                occasion.reviewed,
                occasion.picks,
                self._learnt(name),
                self._answers[""],
                self._answers[name],
                self._seed,
            )
            for name in self.models
        }

    def _learnt(self, name: str) -> npt.NDArray[np.int64]:
        """Return the samples from which a candidate has learnt: a new filter has not seen any."""
        parts = self._occasion.parts
        if name != "filter":
            return np.union1d(parts.taught.index, parts.unlabelled)
        if self._occasion.adds_filter(self.models[name]):
            return np.zeros(0, np.int64)
        return self._occasion.aligned_on

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
        # Each rival is another chance that one of them loses more on clean data than it may, unseen.
        levels = {name: self._alpha / (1 if name else len(self.models)) for name in sets}
        before = {
            name: correct(incumbent, samples, f"{window}: the incumbent") for name, samples in sets.items()
        }
        compared = {
            candidate: {
                name: compare(before[name], correct(model, samples, f"{window}: {candidate}"), levels[name])
                for name, samples in sets.items()
            }
            for candidate, model in self.models.items()
        }
        return {name: (found.pop(""), found) for name, found in compared.items()}
