"""The simulated reviewer at the edges: it alone opens the true labels to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftloop import layout
from driftloop.commands.ledger import append_answer

if TYPE_CHECKING:
    from driftloop.review.decision import Answer
    from driftloop.review.ledger import Entry
    from driftloop.review.material import Material


def simulate_review(material: Material, params: dict[str, Any]) -> Entry:
    """Answer from the true labels, loudly."""
    from driftloop.commands.console import say
    from driftloop.review.answers import check_answer
    from driftloop.review.simulated import NAME

    answer = _review(material, params)
    say(
        (f"{material.window}: a SIMULATED reviewer answers from the true labels", "bold yellow"),
        f" ({answer.decision}). To be asked yourself: review.reviewer=human, or run in a terminal.",
    )
    return append_answer(material, check_answer(answer, material), NAME, simulated=True)


def still_says(answer: Answer, material: Material, params: dict[str, Any]) -> bool:
    """Whether the simulated reviewer would answer so today: its rates may be others than they were.

    Where the true labels are gone, what it said stays.
    """
    return not layout.answers(material.window).exists() or _review(material, params) == answer


def _review(material: Material, params: dict[str, Any]) -> Answer:
    from dataclasses import replace

    from driftloop.review.answers import find_problem

    answer = simulated_answer(material, [pick.index for pick in material.picks], params)
    if answer.decision == "retrain" and find_problem(answer, material):
        return replace(answer, decision="keep")  # no label says how
    return answer


def simulated_answer(material: Material, shown: list[int], params: dict[str, Any]) -> Answer:
    """Answer samples of a window from their true labels, as wrong and as silent as the parameters say."""
    import numpy as np

    from driftloop.corruptions import find_corruption
    from driftloop.data.answers import load_answers
    from driftloop.review.simulated import simulate
    from driftloop.trace import tracing

    window, rates = material.window, params["review"]
    with tracing():  # the verdict depends on the entry that this makes, not on the truth behind it
        truth = load_answers(layout.answers(window))
    corruption = truth.corruption
    return simulate(
        shown,
        truth.labels,
        material.classes,
        corruption=corruption,
        geometric=corruption is not None and find_corruption(params["corruptions"], corruption).geometric,
        error_rate=rates["error_rate"],
        abstention_rate=rates["abstention_rate"],
        rng=np.random.default_rng([params["seed"], *window.encode()]),
    )
