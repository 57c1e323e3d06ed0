"""Edges of the gate: what it needs of a window, its incumbent and its candidates."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop import layout
from driftloop.commands.classify import Labelled, correct, open_model, see
from driftloop.commands.repair import Occasion
from driftloop.files import read_json
from driftloop.findings.evaluation import Comparison, Draw, Evaluation
from driftloop.improver import gate
from driftloop.improver.comparison import compare, pool
from driftloop.improver.evidence import Evidence, gather
from driftloop.improver.margin import clean_side
from driftloop.improver.tally import LONGEST
from driftloop.review.decision import repairs_of

CALIBRATION = "(calibration)"
"""Stands beside the names of windows, none of which can be called so."""


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
        self._alpha, self._allowed = params["gate"]["alpha"], params["gate"]["margin"]
        self._seed = params["seed"]
        names = repairs_of(occasion.verdict.decision, params["filter"]["_target_"])
        self.models = {name: open_model(layout.candidate(occasion.window, name)) for name in names}

    def judge(self, asked: Mapping[int, int]) -> tuple[dict[str, Evaluation], str | None]:
        """Judge all candidates: evaluations by name, and the winner.

        Args:
            asked: what was said of samples after the review: position to class, or `tally.UNTOLD`.
        """
        tallies = {name: self._evidence[name].tally(asked) for name in self.models}
        return gate.choose({name: self._judge(name, asked) for name in self.models}, tallies)

    def ask(self, evaluations: Mapping[str, Evaluation], asked: Mapping[int, int]) -> list[int]:
        """Return the samples to label next, in the order in which they are drawn.

        The order is the same for all candidates, so that those on which several differ come in each one's
        turn.
        """
        wanted = [self._evidence[name].ask(each.more_labels, asked) for name, each in evaluations.items()]
        every = np.concatenate([*wanted, np.zeros(0, np.int64)])
        order = next(iter(self._evidence.values())).order
        return [int(index) for index in order if index in every]

    def draws(self, evaluations: Mapping[str, Evaluation]) -> dict[str, Draw]:
        """Return what `driftloop settle` needs to count on by itself, of each candidate that is open."""
        return {
            name: Draw(
                tuple((draw := self._evidence[name].draw[:LONGEST]).tolist()),
                tuple(self._answers[""][draw].tolist()),
                tuple(self._answers[name][draw].tolist()),
                each.level,
            )
            for name, each in evaluations.items()
            if each.more_labels
        }

    def _judge(self, name: str, asked: Mapping[int, int]) -> Evaluation:
        evidence, (clean, held_out, earlier) = self._evidence[name], self._elsewhere[name]
        return gate.judge(
            evidence.compare(asked, self._alpha),
            clean,
            earlier,
            tally=evidence.tally(asked),
            alpha=self._alpha,
            margin=self._margin,
            held_out=held_out,
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
                occasion.different,
            )
            for name in self.models
        }

    def _learnt(self, name: str) -> npt.NDArray[np.int64]:
        """Return the samples from which a candidate has learnt, as it was kept when it was made."""
        return np.array(read_json(layout.learnt(self._occasion.window, name)), np.int64)

    @cached_property
    def _answers(self) -> dict[str, npt.NDArray[np.int64]]:
        """What each candidate answers to the window's samples. The incumbent has no name."""
        models = {"": self._occasion.incumbent, **self.models}
        images, window = self._occasion.arrived.images, self._occasion.window
        return {
            name: see(model, images, f"{window}: {name or 'the incumbent'}").logits.argmax(1)
            for name, model in models.items()
        }

    @cached_property
    def _margin(self) -> float:
        """How much clean accuracy a candidate may lose, as a fraction."""
        n = sum(len(self._occasion.split(name)) for name in ("test", "calibration"))
        return clean_side(n, float(self._incumbent_right[""].mean()), self._allowed, self._alpha).margin

    @cached_property
    def _sets(self) -> dict[str, Labelled]:
        """What candidates are judged on elsewhere. The test split has no name."""
        sets: dict[str, Labelled] = {"": self._occasion.split("test"), **self._occasion.earlier_drifts()}
        # A filter, and what is retrained behind it, have been fitted to the looks of the calibration split.
        return sets | ({CALIBRATION: self._occasion.split("calibration")} if "retrain" in self.models else {})

    @cached_property
    def _incumbent_right(self) -> dict[str, npt.NDArray[np.bool_]]:
        window, incumbent = self._occasion.window, self._occasion.incumbent
        return {
            name: correct(incumbent, samples, f"{window}: the incumbent")
            for name, samples in self._sets.items()
        }

    @cached_property
    def _elsewhere(self) -> dict[str, tuple[Comparison, Comparison, dict[str, Comparison]]]:
        """Each candidate against the incumbent: on the test split, on all clean data, on earlier drifts."""
        # Each rival is another chance that one of them loses more on clean data than it may, unseen.
        clean_alpha = self._alpha / len(self.models)
        found = {}
        for candidate, model in self.models.items():
            compared = {
                name: compare(
                    self._incumbent_right[name],
                    correct(model, samples, f"{self._occasion.window}: {candidate}"),
                    clean_alpha if name in ("", CALIBRATION) else self._alpha,
                )
                for name, samples in self._sets.items()
                if name != CALIBRATION or candidate == "retrain"
            }
            test, more = compared.pop(""), compared.pop(CALIBRATION, None)
            found[candidate] = test, pool(test, more, clean_alpha) if more else test, compared
        return found
