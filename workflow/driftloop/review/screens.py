"""The screens of the review: a state becomes lines of text, at most as many and as wide as the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from rich.cells import cell_len

from driftloop.review.answers import find_problem
from driftloop.review.grid import Layout, describe_label, draw_bar, draw_page, lay_out
from driftloop.review.ledger import DECISIONS, NONE, UNSURE, Entry
from driftloop.review.material import Material
from driftloop.review.pen import Pen, clip
from driftloop.review.pictures import draw, fit
from driftloop.review.session import Questions, Stage, State, answer_of, matching_classes
from driftloop.review.story import tell

SMALLEST = (60, 16)
"""Columns and rows that the screens need."""

_MARGIN = "  "
_MEANINGS = {
    "keep": "Leave the model as it is: the drift is harmless, or a false alarm.",
    "retrain": "Train on these labels beside the old data, so that the model learns the new look.",
    "filter": "Put a filter before the model that takes the corruption out; its weights stay.",
    "both": "Put the filter in and retrain behind it.",
}
_HELP = (
    ("Enter", "the model is right about this sample; then the next one"),
    ("0-9, letters", "its class: the digit before it, or the first letters of its name"),
    ("=", "the model is right about all the rest of this page"),
    ("-", "it shows none of the classes"),
    ("/", "I can't tell"),
    ("Space", "skip it"),
    ("Backspace", "undo the last answer"),
    ("arrows, < >", "move; a page back or on"),
    ("#", "jump to a sample by its number"),
    ("+", "look closely: large, beside the most similar reference samples"),
    ("Tab, Shift-Tab", "the next screen, the one before"),
    ("Ctrl-C", "leave; every answer is kept and the review goes on there next time"),
)


@dataclass(frozen=True)
class View:
    """What does not change from key to key: the material, the questions, the terminal."""

    material: Material
    entries: Sequence[Entry]
    questions: Questions
    pen: Pen
    columns: int
    rows: int

    @property
    def body_rows(self) -> int:
        """Rows between the header and the two lines at the foot."""
        return self.rows - 3 - bool(self.legend)

    @property
    def legend(self) -> str:
        """Digits and classes, where a class is not its own digit."""
        classes = self.questions.classes
        if len(classes) > 10 or all(name == str(digit) for digit, name in enumerate(classes)):
            return ""
        return " ".join(f"{digit} {name} " for digit, name in enumerate(classes))

    @property
    def layout(self) -> Layout:
        """The grid of samples on this screen."""
        shape = self.material.images.shape[1:]
        return lay_out(len(self.material.picks), shape, self.body_rows, self.columns)


def render(state: State, view: View) -> list[str]:
    """Draw a state: header, body, and the message and the keys at the foot."""
    if view.columns < SMALLEST[0] or view.rows < SMALLEST[1]:
        needed, there = f"{SMALLEST[0]} x {SMALLEST[1]}", f"{view.columns} x {view.rows}"
        wish = f"The review needs a terminal of {needed} characters; this one has {there}."
        return [clip(line, view.columns) for line in wrap(wish, view.columns)][: view.rows]
    body = _help(state, view) if state.help else _BODIES[state.stage](state, view)
    body = body[: view.rows - 3]
    padding = [""] * (view.rows - 3 - len(body))
    return [_header(state, view), *body, *padding, *_foot(state, view)]


def _header(state: State, view: View) -> str:
    left = f" driftloop review · {view.material.window} · {_TITLES[state.stage]}"
    total = len(state.labels)
    right = f"{draw_bar(state.labelled, total, 10)} {state.labelled}/{total} labelled "
    return view.pen(clip(left, view.columns - cell_len(right)) + right, "reverse")


def _foot(state: State, view: View) -> list[str]:
    pen = view.pen
    message, style = state.message, "yellow"
    if state.jumping:
        message, style = f"Jump to sample: {state.typed}▏", "bold"
    elif state.typed:
        fitting = ", ".join(matching_classes(state.typed, view.questions.classes))
        message, style = f"Class: {state.typed}▏  {fitting}   (Enter takes the first)", "bold"
    keys = "any key: back" if state.help else _KEYS[state.stage]
    return [pen(clip(" " + message, view.columns), style), pen(clip(" " + keys, view.columns), "dim")]


def _story(state: State, view: View) -> list[str]:  # noqa: ARG001
    lines = ["", *_paragraphs(tell(view.material, view.entries), view)]
    return [*lines, "", _MARGIN + view.pen(f"Enter: look at the {len(view.material.picks)} samples", "bold")]


def _label(state: State, view: View) -> list[str]:
    if not view.material.picks:
        return ["", _MARGIN + "The check picked no samples. Tab goes on."]
    if state.closeup:
        body = _closeup(state, view)
    else:
        body = draw_page(view.material, state.labels, state.cursor, view.layout, view.pen)
    if not view.legend:
        return body
    room = view.rows - 4
    return [*body[:room], *[""] * (room - len(body)), view.pen(clip(" " + view.legend, view.columns), "cyan")]


def _closeup(state: State, view: View) -> list[str]:
    """One sample, large; beside it what is most like it in the reference, and what its class looks like."""
    material, pen = view.material, view.pen
    pick = material.picks[state.cursor]
    rows = view.body_rows - 3
    wide = min(2 * rows, view.columns // 2)
    picture = draw(material.images[pick.index], rows, wide, pen.depth)
    half = rows // 2
    beside = _strip(view, "most like it in the reference:", pick.nearest, half, view.columns - wide - 2)
    known = f"what {pick.predicted} looks like there:"
    beside += _strip(view, known, _typical(view, pick.predicted), rows - half, view.columns - wide - 2)
    lines = [left + "  " + right for left, right in zip(picture, beside, strict=True)]
    why = "drawn at random" if pick.random else "picked as strange"
    head = f" {state.cursor + 1}  the model says {pick.predicted}, {pick.confidence:.0%} sure"
    score = f"drift score {pick.drift_score:.3g} (p = {pick.p_value:.2g})"
    facts = f" {score}; {why}; number {pick.index} of the window"
    text, style = describe_label(state.labels[state.cursor], pick)
    return [
        *lines,
        pen(clip(head, view.columns), "bold"),
        clip(facts, view.columns),
        pen(clip(f" your label: {text}", view.columns), style),
    ]


def _typical(view: View, name: str) -> tuple[int, ...]:
    """Return places in the reference of samples that really are of a class."""
    reference = view.material.reference
    if reference is None or reference.labels is None:
        return ()
    found = np.flatnonzero(reference.labels[:5000] == view.material.classes.index(name))
    return tuple(found[:12].tolist())


def _strip(view: View, title: str, places: Sequence[int], rows: int, columns: int) -> list[str]:
    """A title and as many reference samples side by side as fit, with their true classes under them."""
    reference, blank = view.material.reference, " " * max(columns, 0)
    if reference is None or not places or rows < 4:
        return [blank] * rows
    high = min(rows - 2, max(4, -(-reference.images.shape[1] // 2)))
    wide = min(fit(reference.images.shape[1], reference.images.shape[2], high, columns)[1], columns)
    chosen = list(places)[: max(1, (columns + 1) // (wide + 1))]
    pictures = [draw(reference.images[place], high, wide, view.pen.depth) for place in chosen]
    names = [
        "" if reference.labels is None else reference.classes[reference.labels[place]] for place in chosen
    ]
    lines = [view.pen(clip(title, columns), "dim")]
    lines += [" ".join(parts) for parts in zip(*pictures, strict=True)]
    lines.append(" ".join(clip(name, wide) for name in names))
    return lines + [blank] * (rows - len(lines))


def _diagnose(state: State, view: View) -> list[str]:
    names = [name or "I do not know" for name in view.questions.diagnosis_choices]
    head = ["", _MARGIN + view.pen("What happened to these images?", "bold"), ""]
    return head + _menu(names, state.highlighted, view, view.rows - 3 - len(head))


def _decide(state: State, view: View) -> list[str]:
    names = [f"{name:<9}{_MEANINGS[name]}" for name in DECISIONS]
    head = ["", _MARGIN + view.pen("What should happen now?", "bold"), ""]
    return head + _menu(names, state.highlighted, view, view.rows - 3 - len(head))


def _menu(names: list[str], highlighted: int, view: View, rows: int) -> list[str]:
    """A list with one row highlighted, scrolled so that it shows."""
    first = max(0, min(highlighted - rows // 2, len(names) - rows))
    lines = []
    for row, name in list(enumerate(names))[first : first + rows]:
        text = clip(f"{_MARGIN}{'→' if row == highlighted else ' '} {row + 1:>2}  {name}", view.columns - 2)
        lines.append(view.pen(text, "bold reverse" if row == highlighted else ""))
    return lines


def _reason(state: State, view: View) -> list[str]:
    head = _MARGIN + view.pen(
        "Why? In your own words, for whoever reads the ledger later. (It may stay empty.)", "bold"
    )
    typed = wrap(state.reason + "▏", view.columns - 6, drop_whitespace=False) or ["▏"]
    return ["", head, "", *[_MARGIN * 2 + line for line in typed]]


def _sign(state: State, view: View) -> list[str]:
    """Everything that goes into the ledger, before it does."""
    pen, material = view.pen, view.material
    answer = answer_of(state, view.questions)
    pairs = zip(state.labels, material.picks, strict=True)
    agreeing = sum(label == pick.predicted for label, pick in pairs)
    counts = Counter(answer.labels.values())
    other = state.labelled - agreeing - counts[NONE] - counts[UNSURE]
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
        (
            "by class",
            ", ".join(f"{name} {counts[name]}" for name in material.classes if counts[name]) or "none",
        ),
    ]
    lines = ["", _MARGIN + pen("This goes into the ledger:", "bold"), ""]
    for name, value in rows:
        parts = wrap(value, view.columns - 18) or [""]
        lines += [f"{_MARGIN}{name if not line else '':<12}{part}" for line, part in enumerate(parts)]
    lines += ["", f"{_MARGIN}{pen('signed', 'bold')}      {state.reviewer}▏"]
    return lines + (["", _MARGIN + pen(clip(problem, view.columns - 4), "yellow")] if problem else [])


def _help(state: State, view: View) -> list[str]:  # noqa: ARG001
    lines = ["", _MARGIN + view.pen("Keys", "bold"), ""]
    return lines + [f"{_MARGIN}{view.pen(f'{key:<16}', 'bold')}{meaning}" for key, meaning in _HELP]


def _paragraphs(sentences: list[tuple[str, str]], view: View) -> list[str]:
    lines = []
    for text, style in sentences:
        parts = wrap(text, min(view.columns - 4, 100)) or [""]
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
