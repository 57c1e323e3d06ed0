"""Where the stream stands: each window's state, read from its files, and the next command to type."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from driftloop import layout
from driftloop.errors import DataError, LedgerError, ModelError
from driftloop.findings.drift import Drift
from driftloop.findings.evaluation import Evaluations
from driftloop.findings.verdict import Verdict
from driftloop.review.decision import verdict
from driftloop.review.ledger import (
    Entry,
    as_decided,
    read_ledger,
    reported,
    settled_labels,
    standing_decision,
)
from driftloop.tracker.lineage import FILE, load_lineage

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_BEFORE = ("make_window", "take_window", "predict_window", "check_window")
_FAILED = re.compile(r"^\w+(?:Error|Exception): ", re.MULTILINE)
FINAL = ("kept", "promoted", "rejected", "unsettled")
"""States in which nothing is left to do. Before them come waiting, checked, pending and decided.

A window whose ledger does not hold is damaged.
"""


@dataclass(frozen=True)
class WindowState:
    """What is known of a window at this moment. None for what is not known, or does not apply.

    Attributes:
        window: its name.
        state: `waiting` for its check, `broken` where a step before that failed, `checked` with nothing to
            ask, `pending` until somebody decides, `decided` with the repair under way; at last `kept`,
            `promoted`, `rejected`, or `unsettled` where more labels would tell.
        drifted: what the check found.
        p_value: of the check.
        novel_share: share of samples unlike everything known, in [0, 1].
        known_as: the repaired drift that this window shows again.
        estimated_accuracy: the incumbent's, without labels, in [0, 1].
        decision: keep, retrain, filter or both.
        diagnosis: the corruption that the reviewer saw.
        labels: how many samples they labelled.
        reviewer: who decided.
        simulated: whether that was no person.
        repair: the candidate that was promoted, or gained most.
        incumbent_accuracy: on reviewed samples that the candidate did not learn from.
        candidate_accuracy: on the same.
        unsettled: how many more samples the gate asks to be labelled, to settle whether a repair helps.
        problem: why its files do not tell where it stands, in words.
    """

    window: str
    state: str
    drifted: bool | None = None
    p_value: float | None = None
    novel_share: float | None = None
    known_as: str | None = None
    estimated_accuracy: float | None = None
    decision: str | None = None
    diagnosis: str | None = None
    labels: int | None = None
    reviewer: str | None = None
    simulated: bool | None = None
    repair: str | None = None
    incumbent_accuracy: float | None = None
    candidate_accuracy: float | None = None
    unsettled: int | None = None
    problem: str | None = None


def windows(params: Mapping[str, Any]) -> list[WindowState]:
    """Read the state of every window of the stream from the project's files.

    A window whose ledger does not hold is `damaged`. One with another damaged file is `waiting`: a run makes
    that anew.
    """
    mode = params["review"]["reviewer"]
    return [  # what arrived from production only a person can review
        _state_or_problem(window, mode if facts["simulated"] else "human")
        for window, facts in params["stream"].items()
    ]


def _state_or_problem(window: str, mode: str) -> WindowState:
    try:
        return _read_state(window, mode)
    except LedgerError as error:
        return WindowState(window, "damaged", problem=str(error))
    except (DataError, ModelError) as error:
        return WindowState(window, "waiting", problem=f"{error} The next run makes it anew.")


def describe(state: WindowState) -> dict[str, Any]:
    """Return a state as plain values, for a program."""
    return asdict(state)


def next_step(states: Sequence[WindowState]) -> str:
    """Return the command that takes the stream on, or tries the model in production.

    >>> next_step([WindowState("w01", "kept"), WindowState("w02", "pending")])
    'driftloop review w02'
    >>> next_step([WindowState("w01", "unsettled", unsettled=12), WindowState("w02", "kept")])
    'driftloop settle w01'
    >>> next_step([WindowState("w01", "damaged"), WindowState("w02", "pending")])
    'driftloop ledger restore w01'
    """
    if damaged := [state.window for state in states if state.state == "damaged"]:
        return f"driftloop ledger restore {damaged[0]}"
    pending = [state.window for state in states if state.state == "pending" and not state.problem]
    if pending:
        return f"driftloop review {pending[0]}"
    if any(state.state not in FINAL for state in states):
        return "snakemake --cores all"
    if unsettled := [state.window for state in states if state.unsettled]:
        return f"driftloop settle {unsettled[0]}"
    return "driftloop predict IMAGE…" if states else "driftloop watch"


def under_way(state: WindowState) -> str:
    """Return what is known of a window that no summary tells of yet: that is written once all are decided.

    >>> under_way(WindowState("w02", "pending", drifted=True, p_value=0.001))
    'This window drifted (p = 0.001) and waits for its review: driftloop review w02'
    >>> under_way(WindowState("w03", "kept", drifted=False, p_value=0.4))
    'Not drifted (p = 0.4).'
    """
    if state.problem:
        return state.problem
    if state.drifted is None:
        return "Not checked yet."
    if not state.drifted:
        return f"Not drifted (p = {state.p_value:.2g})."
    asks = f" and waits for its review: driftloop review {state.window}" if state.state == "pending" else ""
    return f"This window drifted (p = {state.p_value:.2g}){asks or f'; {state.state}.'}"


def _read_state(window: str, mode: str) -> WindowState:
    drift = Drift.find(layout.drift(window))
    if drift is None:
        failed = _failure(window)
        return WindowState(window, "broken" if failed else "waiting", problem=failed)
    entry = _standing(window, drift, mode) if drift.drifted else None
    if drift.drifted and entry is None:
        return _state(window, "checked" if mode == "simulated" else "pending", drift)
    shown = drift.picked.keys()
    answer = verdict(window, drifted=drift.drifted, answer=entry.answer.on(shown) if entry else None)
    if Verdict.find(layout.verdict(window)) != answer:
        # The ledger has moved on. What follows is not made yet.
        return _state(window, "decided" if entry else "checked", drift, entry)
    evaluation = Evaluations.on(answer)
    asked = evaluation.ask if evaluation and entry else ()
    if evaluation and entry and asked and _unseen(window, entry, shown, evaluation):
        # Labels were signed since. The gate looks at them in the next run.
        return _state(window, "decided", drift, entry)
    state = _state(window, _outcome(window, answer, evaluation), drift, entry, evaluation)
    return replace(state, unsettled=len(asked)) if evaluation else state


def _failure(window: str) -> str | None:
    """Return why the window's last step before its check failed, as it told its log. None where none did."""
    for step in _BEFORE:
        log = layout.log(window, step)
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        if failures := list(_FAILED.finditer(text)):
            return text[failures[-1].end() :].strip()
    return None


def _outcome(window: str, answer: Verdict, evaluation: Evaluations | None) -> str:
    """Say what a window with a verdict has come to: what was promoted must stand in its lineage."""
    home = layout.model(window)
    lineage = load_lineage(home) if (home / FILE).exists() else None
    tried = evaluation is not None or answer.decision == "keep"
    winner = evaluation.winner if evaluation else None
    made_here = {each.window: each.repair for each in (lineage.repairs if lineage else ())}
    if not tried or lineage is None or made_here.get(window) != winner:
        return "decided" if answer.drifted else "checked"
    if winner:
        return "promoted"
    if evaluation:
        return "unsettled" if evaluation.ask else "rejected"
    return "kept"


def _standing(window: str, drift: Drift, mode: str) -> Entry | None:
    """Return the decision about this drift report.

    Of the images it is only asked that the same ones were seen. Comparing their pixels, too, is the review's
    business and would open every window here.
    """
    report = reported(drift)
    entries = [entry for entry in read_ledger(layout.ledger(window)) if entry.answers(report)]
    images = entries[-1].images if entries else ""
    standing = standing_decision(entries, report, images, humans_only=mode == "human")
    return standing and as_decided(entries, standing)


def _unseen(window: str, entry: Entry, shown: Collection[int], evaluation: Evaluations) -> bool:
    """Tell whether samples were labelled beyond the review at which the gate has not looked yet."""
    given = settled_labels(read_ledger(layout.ledger(window)), entry.reported, entry.images, shown)
    return bool(given.items() - evaluation.settling.items())


def _state(
    window: str, state: str, drift: Drift, entry: Entry | None = None, evaluation: Evaluations | None = None
) -> WindowState:
    compared = evaluation.best.drift if evaluation else None
    return WindowState(
        window=window,
        state=state,
        drifted=drift.drifted,
        p_value=drift.alarm[0],
        novel_share=drift.novel_share.estimate,
        known_as=drift.known_as,
        estimated_accuracy=drift.accuracy and drift.accuracy.estimate,
        decision=entry.answer.decision if entry else None,
        diagnosis=entry.answer.diagnosis if entry else None,
        labels=len(entry.answer.labels) if entry else None,
        reviewer=entry.reviewer if entry else None,
        simulated=entry.simulated if entry else None,
        repair=evaluation.foremost if evaluation else None,
        incumbent_accuracy=compared.incumbent_accuracy if compared else None,
        candidate_accuracy=compared.candidate_accuracy if compared else None,
    )


# --- in the terminal --------------------------------------------------------------------------------

_NAME = 20
"""Window names up to this length stay in one piece."""
_STYLES = {
    "promoted": "green",
    "rejected": "red",
    "unsettled": "yellow",
    "pending": "bold yellow",
    "damaged": "bold red",
    "waiting": "dim",
    "broken": "bold red",
    "checked": "dim",
}


def table(states: Sequence[WindowState]) -> Table:
    """Return the stream as a Rich table that 80 columns hold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    # Widths that are set stay, whatever else is long: a figure that lost its last digit would be another one.
    longest = max(len("window"), *(len(state.window) for state in states), 0)
    result.add_column("window", overflow="fold", width=min(longest, _NAME))
    for heading in ("state", "drift, p", "decision", "by"):
        result.add_column(heading, overflow="fold", no_wrap=heading == "state")
    result.add_column("accuracy", width=max(len("accuracy"), *(len(_accuracy(state)) for state in states), 0))
    for state in states:
        result.add_row(
            Text(state.window, style="bold"),
            Text(state.state, style=_STYLES.get(state.state, "")),
            Text(_drift(state)),
            Text(" ".join(filter(None, (state.decision, state.diagnosis)))),
            _reviewer(state),
            Text(_accuracy(state)),
        )
    return result


def _drift(state: WindowState) -> str:
    if state.drifted is None:
        return ""
    if state.known_as:
        return f"{state.known_as} again"
    return f"{'yes' if state.drifted else 'no'}, {state.p_value:.2g}"


def _reviewer(state: WindowState) -> Text:
    from rich.text import Text

    if state.simulated:
        return Text("simulated", style="yellow")
    return Text((state.reviewer or "").partition(" <")[0])


def _accuracy(state: WindowState) -> str:
    """Measured on reviewed samples where a repair was tried, ✗ where it was refused; else estimated."""
    if state.candidate_accuracy is not None and state.incumbent_accuracy is not None:
        sign = "→" if state.state == "promoted" else "✗"
        return f"{state.incumbent_accuracy:.0%} {sign} {state.candidate_accuracy:.0%}"
    return "" if state.estimated_accuracy is None else f"≈ {state.estimated_accuracy:.0%}"
