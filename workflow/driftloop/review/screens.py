"""The screens of the review: a state becomes lines of text, at most as many and as wide as the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from rich.cells import cell_len

from driftloop.printable import printable
from driftloop.review.answers import find_problem
from driftloop.review.beside import draw_closeup, draw_comparison, strip
from driftloop.review.decision import DECISIONS, NONE, REPAIRS, UNSURE, Answer
from driftloop.review.grid import draw_bar, draw_page
from driftloop.review.pen import clip, fold
from driftloop.review.session import matching_classes
from driftloop.review.state import Stage, State, answer_of
from driftloop.review.story import how_it_fared, tell, tell_unsettled, what_it_costs
from driftloop.review.view import View

SMALLEST = (60, 16)
"""Columns and rows that the screens need."""

_MARGIN = "  "
_MEANINGS = {
    "keep": "Leave the model as it is: the drift is harmless, or a false alarm.",
    "retrain": "Train on these labels beside the old data, so that the model learns the new look.",
    "filter": "Put a filter before the model. It takes the corruption out, and the weights stay.",
    "both": "Try each, and the two together. Of those that help, the best goes into production.",
}
_HELP = (
    ("Enter", "the model is right about this sample. Where all have labels: the next screen"),
    ("0-9, letters", "its class: its digit, or the first letters of its name"),
    ("=", "the model is right about all the rest of this page"),
    ("-", "it shows none of the classes"),
    ("/", "I can't tell"),
    ("Space", "skip it"),
    ("Backspace", "undo the last answer"),
    ("arrows, < >", "move, or turn the page"),
    ("#", "jump to a sample by its number"),
    ("+", "look closely, beside the reference. Again: through filters. Again: back"),
    ("Tab, Shift-Tab", "the next screen, the one before"),
    ("below each", "the model's confidence, a bar: how strange it is, and your answer: · none yet"),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-C", "leave. Every answer is kept, and the next review goes on from there"),
)


def render(state: State, view: View) -> list[str]:
    """Draw a state: header, body, and the message and the keys at the foot."""
    if view.columns < SMALLEST[0] or view.rows < SMALLEST[1]:
        needed, there = f"{SMALLEST[0]} x {SMALLEST[1]}", f"{view.columns} x {view.rows}"
        wish = f"The review needs a terminal of {needed} characters; this one has {there}."
        return [clip(line, view.columns) for line in fold(wish, view.columns)][: view.rows]
    body = _help(state, view) if state.help else _BODIES[state.stage](state, view)
    body = body[: view.rows - 3]
    padding = [""] * (view.rows - 3 - len(body))
    return [_header(state, view), *body, *padding, *_foot(state, view)]


def _header(state: State, view: View) -> str:
    page, pages = "", -(-len(state.labels) // view.layout.grid.per_page)
    if state.stage is Stage.LABEL and not state.closeup and pages > 1:
        page = f" · page {1 + state.cursor // view.layout.grid.per_page}/{pages}"
    left = f" driftloop review · {view.material.window}{page} · {_TITLES[state.stage]}"
    total = len(state.labels)
    right = f"{draw_bar(state.labelled, total, 10)} {state.labelled}/{total} labelled "
    return view.pen(clip(left, view.columns - cell_len(right)) + right, "reverse")


def _foot(state: State, view: View) -> list[str]:
    pen = view.pen
    message, style = state.message, "yellow"
    if state.jumping:
        message, style = f"Jump to sample: {state.typed}▏", "bold"
    elif state.typed and not message:
        fitting = ", ".join(matching_classes(state.typed, view.questions.classes))
        message, style = f"Class: {state.typed}▏  {fitting}   (Enter takes the first)", "bold"
    keys = "any key: back" if state.help else _KEYS[state.stage]
    return [pen(clip(" " + message, view.columns), style), pen(clip(" " + keys, view.columns), "dim")]


def _story(state: State, view: View) -> list[str]:
    unsettled = view.questions.unsettled
    told = (
        tell_unsettled(view.material, unsettled)
        if unsettled
        else tell(view.material, view.entries, state.reviewer)
    )
    lines = ["", *_paragraphs(told, view), ""]
    lines += _now_and_known(view, view.rows - 6 - len(lines))
    return [*lines, "", _MARGIN + view.pen(f"Enter: look at the {len(view.material.picks)} samples", "bold")]


def _now_and_known(view: View, rows: int) -> list[str]:
    """The strangest samples, and beside them some that the model knows."""
    material, half = view.material, (view.columns - 6) // 2
    indices = [pick.index for pick in material.picks[:12]]
    if rows < 6 or not indices:
        return []
    rows = min(rows, 1 + max(7, -(-material.images.shape[1] // 2)))
    title = "the models disagree" if view.questions.unsettled else "strangest now"
    now = strip(view, title, material.images, indices, rows, half)
    known = [""] * rows
    if material.reference is not None:
        known = strip(view, "what the model knows", material.reference.images, range(12), rows, half)
    return [f"{_MARGIN}{left}  {right}" for left, right in zip(now, known, strict=True)]


def _label(state: State, view: View) -> list[str]:
    if not view.material.picks:
        return ["", _MARGIN + "The check picked no samples. Tab goes on."]
    if state.closeup:
        body = draw_closeup(state, view)
    else:
        body = draw_page(view.material, state.labels, state.cursor, view.layout, view.pen)
    if not view.legend:
        return body
    room = view.rows - 4
    return [*body[:room], *[""] * (room - len(body)), view.pen(clip(view.legend, view.columns), "cyan")]


def _diagnose(state: State, view: View) -> list[str]:
    """The menu of corruptions. Beside it the strange samples, and clean ones corrupted the chosen way."""
    names = [name or "unknown" for name in view.questions.diagnosis_choices]
    head = ["", _MARGIN + view.pen("What happened to these images?", "bold"), ""]
    wide = max(map(cell_len, names)) + 10
    rows, room = view.rows - 3 - len(head), view.columns - wide - 1
    menu = _menu(names, state.highlighted, view, rows, wide)
    menu += [" " * wide] * (rows - len(menu))
    chosen = view.questions.diagnosis_choices[state.highlighted]
    beside = draw_comparison(chosen, state, view, rows, room)
    return head + [f"{left} {right}" for left, right in zip(menu, beside, strict=True)]


def _decide(state: State, view: View) -> list[str]:
    """The four decisions, what each means, and how it did before: as much as the screen has room for."""
    lines = _decisions(state, view, DECISIONS)
    if len(lines) <= view.rows - 3:
        return lines
    lines = [line for line in lines if line]
    # Where even that is too long, only what is highlighted is explained.
    return lines if len(lines) <= view.rows - 3 else _decisions(state, view, [DECISIONS[state.highlighted]])


def _decisions(state: State, view: View, explained: Sequence[str]) -> list[str]:
    lines = ["", _MARGIN + view.pen("What should happen now?", "bold"), ""]
    for row, name in enumerate(DECISIONS):
        mark, style = ("→", "bold reverse") if row == state.highlighted else (" ", "bold")
        lines.append(view.pen(f"{_MARGIN}{mark} {row + 1}  {name:<8}", style))
        if name in explained:
            for text, style in _notes(name, state, view):
                lines += [
                    f"{_MARGIN}       {view.pen(part, style)}" for part in fold(text, view.columns - 12)
                ]
            lines.append("")
    return lines


def _notes(decision: str, state: State, view: View) -> list[tuple[str, str]]:
    """What there is to know of a decision: texts and their styles."""
    notes = [
        (f"{_MEANINGS[decision]} {what_it_costs(view.material, decision)}", ""),
        (how_it_fared(view.material, decision, state.diagnosis), "cyan"),
    ]
    if view.material.fixed and decision in ("retrain", "both"):
        notes.append(("The model is a program: its weights stay, its answers are corrected.", "yellow"))
    if decision == "filter" and state.diagnosis in view.questions.diagnoses:
        from driftloop.corruptions import find_corruption  # not needed for the first screen

        if find_corruption(view.material.suite, state.diagnosis or "").geometric:
            notes.append((f"{state.diagnosis} moves pixels about: a filter undoes little of that.", "yellow"))
    if decision == "filter" and state.diagnosis is None:
        notes.append(("Without a diagnosis it learns from corruptions of every kind.", "yellow"))
    return notes


def _menu(names: list[str], highlighted: int, view: View, rows: int, columns: int) -> list[str]:
    """A list with one row highlighted, scrolled so that it shows."""
    first = max(0, min(highlighted - rows // 2, len(names) - rows))
    lines = []
    for row, name in list(enumerate(names))[first : first + rows]:
        mark, style = ("→", "bold reverse") if row == highlighted else (" ", "")
        lines.append(view.pen(clip(f"{_MARGIN}{mark} {row + 1:>2}  {name}", columns), style))
    return lines


def _reason(state: State, view: View) -> list[str]:
    wish = "Why? In your own words, for later readers of the ledger. (It may stay empty.)"
    head = [_MARGIN + view.pen(line, "bold") for line in fold(wish, view.columns - 4)]
    typed = fold(state.reason + "▏", view.columns - 6)
    return ["", *head, "", *[_MARGIN * 2 + line for line in typed]]


def _sign(state: State, view: View) -> list[str]:
    """Everything that goes into the ledger, before it does."""
    pen, material = view.pen, view.material
    answer = answer_of(state, view.questions)
    pairs = zip(state.labels, material.picks, strict=True)
    agreeing = sum(label == pick.predicted for label, pick in pairs)
    counts = Counter(answer.labels.values())
    other = state.labelled - agreeing - counts[NONE] - counts[UNSURE]
    unsettled = view.questions.unsettled
    problem = find_problem(answer, material) if state.decision else "There is no decision yet."
    rows = [
        ("window", material.window),
        ("decision", state.decision or "none yet"),
        ("diagnosis", state.diagnosis or "unknown"),
        ("reason", answer.reason or "none given"),
        (
            "labels",
            f"{state.labelled} of {len(state.labels)}: {agreeing} as the model says, {other} otherwise, ",
        ),
        ("", f"{counts[NONE]} none of the classes, {counts[UNSURE]} can't tell"),
        *([("", f"beside {len(unsettled.answer.labels)} given before")] if unsettled else []),
        *([("judging", judging)] if (judging := _judging(answer, view)) else []),
        (
            "by class",
            ", ".join(f"{name}: {counts[name]}" for name in material.classes if counts[name]) or "none",
        ),
    ]
    lines = ["", _MARGIN + pen("This goes into the ledger:", "bold"), ""]
    for name, value in rows:
        parts = fold(value, view.columns - 18)
        lines += [f"{_MARGIN}{name if not line else '':<12}{part}" for line, part in enumerate(parts)]
    foot = ["", f"{_MARGIN}{pen('signed', 'bold')}      {printable(state.reviewer)}▏"]
    foot += ["", _MARGIN + pen(clip(problem, view.columns - 4), "yellow")] if problem else []
    room = view.rows - 3 - len(foot)
    # What is signed, and what keeps it from being signed, is on the screen however many classes there are.
    return [*(lines if len(lines) <= room else [*lines[: room - 1], f"{'':<14}…"]), *foot]


def _judging(answer: Answer, view: View) -> str:
    """Say how many samples would judge a repair, where that is not all that could."""
    drawn = {pick.index for pick in view.material.picks if pick.random}
    given = drawn & answer.labels.keys()
    if not REPAIRS.get(answer.decision) or given == drawn:
        return ""
    if view.questions.unsettled:
        left = len(drawn - given)
        return (
            f'the gate waits for the other {left}; "can\'t tell" is an answer, and counts against the repair.'
        )
    return (
        f"only {len(given)} of the {len(drawn)} samples drawn at random have labels (the last ones of the "
        "grid). They judge the repair first: with few, a good one waits for more, or is rejected."
    )


def _help(state: State, view: View) -> list[str]:  # noqa: ARG001
    lines = ["", _MARGIN + view.pen("Keys", "bold"), ""]
    for key, meaning in _HELP:
        first, *rest = fold(meaning, view.columns - 20)
        lines += [_MARGIN + view.pen(f"{key:<16}", "bold") + first, *[" " * 18 + part for part in rest]]
    return lines


def _paragraphs(sentences: list[tuple[str, str]], view: View) -> list[str]:
    lines = []
    for text, style in sentences:
        parts = fold(text, min(view.columns - 4, 100)) or [""]
        lines += [_MARGIN + view.pen(part, style) for part in parts]
    return lines


_BODIES: dict[Stage, Callable[[State, View], list[str]]] = {
    Stage.STORY: _story,
    Stage.LABEL: _label,
    Stage.DIAGNOSE: _diagnose,
    Stage.DECIDE: _decide,
    Stage.REASON: _reason,
    Stage.SIGN: _sign,
}
_TITLES = {
    Stage.STORY: "what happened",
    Stage.LABEL: "what do they show?",
    Stage.DIAGNOSE: "diagnosis",
    Stage.DECIDE: "decision",
    Stage.REASON: "reason",
    Stage.SIGN: "sign",
}
_KEYS = {
    Stage.STORY: "Enter go on   ? keys   Ctrl-C leave",
    Stage.LABEL: "Enter agree  0-9 a-z class  = agree with page  - none  / can't tell  ? help",
    Stage.DIAGNOSE: "↑ ↓ or first letter: choose   Enter: take it   Shift-Tab: back",
    Stage.DECIDE: "↑ ↓ or first letter: choose   Enter: take it   Shift-Tab: back",
    Stage.REASON: "Enter: go on   Ctrl-U: clear   Shift-Tab: back",
    Stage.SIGN: "Enter: sign   Ctrl-U: another name   Shift-Tab: back   Ctrl-C: leave undecided",
}
