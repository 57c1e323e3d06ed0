"""The review as a pure state machine: a state and a key give the next state.

Nothing here knows of terminals, files or colours. `press` is total: a key that means nothing leaves the
state as it was, perhaps with a message. Every letter and digit belongs to class names, so commands are
keys that no class name starts with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from string import digits
from typing import Any

from driftloop.review.decision import DECISIONS, NONE, UNSURE
from driftloop.review.state import Grid, Questions, Stage, State, start

LEAVING = ("ctrl-c", "ctrl-d", "eof")
PASTED = "pasted "
"""A key that begins so is a text from the clipboard: it answers nothing, wherever its lines end."""


def press(state: State, key: str, questions: Questions, grid: Grid) -> State:
    """Return the state after one key.

    Args:
        state: the state before it.
        key: a printable character, a name such as `"enter"`, `"left"`, `"ctrl-c"`, `"eof"`, or `PASTED` and
            a text.
        questions: what is asked.
        grid: how the samples are laid out at present.
    """
    if state.stage in (Stage.SIGNED, Stage.LEFT):
        return state
    if key in LEAVING:
        return replace(state, stage=Stage.LEFT)
    if state.help:
        return replace(state, help=False)
    state = replace(state, message="")
    if key.startswith(PASTED):
        return _paste(state, key.removeprefix(PASTED))
    if key == "?" and state.stage not in (Stage.REASON, Stage.SIGN):
        return replace(state, help=True)
    if key in ("tab", "shift-tab"):
        return _turn(_settle_typed(state, questions), 1 if key == "tab" else -1, questions)
    if state.stage is Stage.LABEL:
        return _label(state, key, questions, grid)
    return _HANDLERS[state.stage](state, key, questions)


def matching_classes(typed: str, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes whose names start with what was typed, an exact name first.

    Case matters only between names that differ in nothing else.

    >>> matching_classes("a", ("airplane", "automobile", "bird"))
    ('airplane', 'automobile')
    >>> matching_classes("A", ("a", "A"))
    ('A', 'a')
    """
    fitting = [name for name in classes if name.casefold().startswith(typed.casefold())]
    return tuple(sorted(fitting, key=lambda name: (name.casefold() != typed.casefold(), name != typed)))


def resume(saved: Mapping[str, Any], questions: Questions) -> State:
    """Return the state that a snapshot was taken of. Labels stay with their samples if others are asked now.

    Raises:
        ValueError, KeyError, TypeError: it was taken of another review.
    """
    stage, cursor = Stage(saved["stage"]), int(saved["cursor"])
    # A review's samples follow from its report. Those that the gate asks for do not.
    samples = saved["samples"] if questions.unsettled else saved.get("samples", questions.indices)
    labels = saved["labels"]
    if stage not in questions.screens:
        raise ValueError("the snapshot is of other questions")
    if len(labels) != len(samples) or not 0 <= cursor < max(1, len(labels)):
        raise ValueError("the snapshot is of other samples")
    given = dict(zip(samples, labels, strict=True))
    state = replace(
        start(questions, str(saved["reviewer"])),
        labels=tuple(given.get(index) for index in questions.indices),
        stage=stage,
        cursor=min(cursor, max(0, len(questions.indices) - 1)),
    )
    if questions.unsettled is None:  # else the answer that stands is signed again, not what stood once
        state = replace(
            state,
            diagnosed=bool(saved.get("diagnosed")),
            diagnosis=saved["diagnosis"],
            decision=saved["decision"],
            reason=str(saved["reason"]),
        )
    return _highlight(state, questions)


# --- moving between screens -------------------------------------------------------------------------


def _turn(state: State, step: int, questions: Questions) -> State:
    """Go to the next or previous screen. Menus open on what was chosen before."""
    screens = questions.screens
    place = min(max(screens.index(state.stage) + step, 0), len(screens) - 1)
    moved = replace(state, stage=screens[place], typed="", jumping=False, closeup=0)
    return _highlight(moved, questions)


def _highlight(state: State, questions: Questions) -> State:
    if state.stage is Stage.DIAGNOSE:
        choices = questions.diagnosis_choices
        named = state.diagnosis in questions.diagnoses
        row = choices.index(state.diagnosis) if named else len(choices) - 1 if state.diagnosed else 0
        return replace(state, highlighted=row)
    if state.stage is Stage.DECIDE:
        return replace(state, highlighted=DECISIONS.index(state.decision) if state.decision else 0)
    return state


def _story(state: State, key: str, questions: Questions) -> State:
    if key in ("o", "O") and questions.earlier:
        places = {place: questions.earlier.get(index) for place, index in enumerate(questions.indices)}
        return _set_labels(state, {place: label for place, label in places.items() if label})
    return _turn(state, 1, questions) if key in ("enter", " ", "right", "pagedown") else state


# --- labelling --------------------------------------------------------------------------------------


def _label(state: State, key: str, questions: Questions, grid: Grid) -> State:
    if state.jumping:
        return _jump(state, key)
    if _is_spelt(state, key, questions):
        return replace(state, rest=state.rest[1:], spelling=bool(state.rest))
    state = replace(state, rest="", spelling=False)
    target = _target(key, state.cursor, len(state.labels), grid)
    if state.typed and (target is None or matching_classes(state.typed + key, questions.classes)):
        return _complete(state, key, questions)
    if target is not None:
        return _move(_settle_typed(state, questions), target)
    match key:
        case "enter":
            return _agree(state, questions)
        case "=" if state.closeup:
            return replace(state, message="Most of the page is out of sight. Escape goes back to it.")
        case "=":
            return _agree_with_page(state, questions, grid)
        case "-":
            return _set_labels(state, {state.cursor: NONE})
        case "/":
            return _set_labels(state, {state.cursor: UNSURE})
        case "backspace":
            return _undo(state)
        case "#":
            return replace(state, jumping=True)
        case "+":
            return replace(state, closeup=(state.closeup + 1) % (questions.closeups + 1))
        case "escape":
            return replace(state, closeup=0)
    return _complete(state, key, questions)


def _is_spelt(state: State, key: str, questions: Questions) -> bool:
    """Whether a key belongs to the last label, whose name is typed to its end, and not to the next sample.

    That shows by a letter that no class begins with.
    """
    if not state.rest:
        return state.spelling and key == "enter"
    follows = state.rest[0].casefold() == key.casefold()
    return follows and (state.spelling or (key.isalpha() and not matching_classes(key, questions.classes)))


def _page_start(cursor: int, grid: Grid) -> int:
    return cursor - cursor % grid.per_page


def _target(key: str, cursor: int, count: int, grid: Grid) -> int | None:
    """Return where a key moves the cursor, or None when it is no such key."""
    page = _page_start(cursor, grid)
    match key:
        case " " | "right":
            return cursor + 1
        case "left":
            return cursor - 1
        case "down":
            return cursor + grid.across
        case "up":
            return cursor - grid.across
        case "pagedown" | ">":
            return page + grid.per_page
        case "pageup" | "<":
            return page - grid.per_page
        case "home":
            return 0
        case "end":
            return count - 1
    return None


def _move(state: State, target: int) -> State:
    return replace(state, cursor=min(max(target, 0), max(len(state.labels) - 1, 0)))


def _set_labels(state: State, given: Mapping[int, str]) -> State:
    """Label samples, remember how it was, and move on to the next sample without a label."""
    if not state.labels:
        return state
    labels = tuple(given.get(place, label) for place, label in enumerate(state.labels))
    waiting = [place for place, label in enumerate(labels) if label is None]
    following = [place for place in waiting if place > state.cursor] or waiting
    return replace(
        state,
        labels=labels,
        cursor=following[0] if following else state.cursor,
        typed="",
        undo=(*state.undo, (state.labels, state.cursor)),
        message="" if following else "Every sample has its label. Enter goes on.",
    )


def _agree(state: State, questions: Questions) -> State:
    """Take the model's answer; on a sample that has a label, go on instead of overwriting it."""
    if None not in state.labels:
        return _turn(state, 1, questions)
    if state.labels[state.cursor] is not None:
        return _move(state, state.cursor + 1)
    return _set_labels(state, {state.cursor: questions.predicted[state.cursor]})


def _agree_with_page(state: State, questions: Questions, grid: Grid) -> State:
    first = _page_start(state.cursor, grid)
    page = range(first, min(first + grid.per_page, len(state.labels)))
    waiting = {place: questions.predicted[place] for place in page if state.labels[place] is None}
    if not waiting:
        return replace(state, message="Every sample of this page has its label already.")
    return _set_labels(state, waiting)


def _undo(state: State) -> State:
    if not state.undo:
        return replace(state, message="Nothing to undo.")
    labels, cursor = state.undo[-1]
    return replace(state, labels=labels, cursor=cursor, undo=state.undo[:-1], message="Undone.")


def _jump(state: State, key: str) -> State:
    if key.isdecimal() and key.isascii():
        return replace(state, typed=(state.typed + key)[:6])
    if key == "backspace" and state.typed:
        return replace(state, typed=state.typed[:-1])
    done = replace(state, typed="", jumping=False)
    if key != "enter" or not state.typed:
        return done
    place = int(state.typed) - 1
    if not 0 <= place < len(state.labels):
        return replace(
            done, message=f"There is no sample {state.typed}; they go from 1 to {len(state.labels)}."
        )
    return _move(done, place)


def _settle_typed(state: State, questions: Questions) -> State:
    """End what is typed at a sample that is left: a whole name labels it, a part of one means nothing.

    So no key that is typed at the next sample completes a name that was begun at this one.
    """
    if state.stage is not Stage.LABEL or state.jumping or not state.typed:
        return state
    fitting = matching_classes(state.typed, questions.classes)
    if fitting and fitting[0].casefold() == state.typed.casefold():
        return _set_labels(state, {state.cursor: fitting[0]})
    return replace(state, typed="", message=f"{state.typed!r} is no whole name of a class: nothing labelled.")


def _complete(state: State, key: str, questions: Questions) -> State:
    """Take one more letter of a class name. The first letters that fit one class only are enough.

    A letter that fits no class stays until it is taken back: typed on, it must not make another name.
    """
    if key == "escape":
        return replace(state, typed="")
    if key == "backspace":
        return replace(state, typed=state.typed[:-1])
    if key == "enter":
        fitting = matching_classes(state.typed, questions.classes)
        return _set_labels(state, {state.cursor: fitting[0]}) if fitting else _misfit(state)
    if len(key) != 1 or not key.isprintable():
        return state
    typed = state.typed + key
    fitting = matching_classes(typed, questions.classes)
    if len(fitting) == 1:
        return replace(_set_labels(state, {state.cursor: fitting[0]}), rest=fitting[0][len(typed) :])
    if fitting:
        return replace(state, typed=typed)
    if questions.numbered and not state.typed and key in digits and int(key) < len(questions.classes):
        return _set_labels(state, {state.cursor: questions.classes[int(key)]})
    if state.typed:
        return _misfit(replace(state, typed=typed))
    return replace(state, message=f"No class starts with {typed!r}. ? shows the keys.")


def _misfit(state: State) -> State:
    return replace(
        state, message=f"No class starts with {state.typed!r}. Backspace takes a letter back, Escape all."
    )


# --- diagnosis, decision, reason, signature ---------------------------------------------------------


def _diagnose(state: State, key: str, questions: Questions) -> State:
    choices = questions.diagnosis_choices
    if key == "enter":
        chosen = replace(state, diagnosed=True, diagnosis=choices[state.highlighted])
        return _turn(chosen, 1, questions)
    return _choose(state, key, [name or "unknown" for name in choices])


def _decide(state: State, key: str, questions: Questions) -> State:
    if key == "enter":
        return _turn(replace(state, decision=DECISIONS[state.highlighted]), 1, questions)
    return _choose(state, key, list(DECISIONS))


def _choose(state: State, key: str, names: list[str]) -> State:
    """Move the highlighted row by arrow, by number, or to the next name with this first letter."""
    row, count = state.highlighted, len(names)
    if key in ("up", "down"):
        return replace(state, highlighted=(row + (1 if key == "down" else -1)) % count)
    if key in ("home", "end"):
        return replace(state, highlighted=0 if key == "home" else count - 1)
    if len(key) == 1 and key.isascii() and key.isdecimal():
        return replace(state, highlighted=int(key) - 1) if 1 <= int(key) <= count else state
    if len(key) == 1 and key.isalpha():
        rows = [(row + step) % count for step in range(1, count + 1)]
        found = [place for place in rows if names[place].casefold().startswith(key.casefold())]
        return replace(state, highlighted=found[0]) if found else state
    return state


def _give_reason(state: State, key: str, questions: Questions) -> State:
    return _turn(state, 1, questions) if key == "enter" else replace(state, reason=_edit(state.reason, key))


def _sign(state: State, key: str, questions: Questions) -> State:  # noqa: ARG001
    if key != "enter":
        return replace(state, reviewer=_edit(state.reviewer, key))
    if not state.decision:
        return replace(state, message="There is no decision yet. Shift-Tab goes back to it.")
    if not state.reviewer.strip():
        return replace(state, message="Type your name; it stands under the decision in the ledger.")
    return replace(state, stage=Stage.SIGNED)


def _paste(state: State, text: str) -> State:
    """Put a text where one is asked for, on one line. Elsewhere its letters would be answers."""
    line = " ".join(text.split())
    if state.stage is Stage.REASON:
        return replace(state, reason=state.reason + line)
    if state.stage is Stage.SIGN:
        return replace(state, reviewer=state.reviewer + line)
    return replace(state, message="What is pasted answers nothing here.")


def _edit(text: str, key: str) -> str:
    if key == "backspace":
        return text[:-1]
    if key == "ctrl-u":
        return ""
    return text + key if len(key) == 1 and key.isprintable() else text


_HANDLERS: dict[Stage, Callable[[State, str, Questions], State]] = {
    Stage.STORY: _story,
    Stage.DIAGNOSE: _diagnose,
    Stage.DECIDE: _decide,
    Stage.REASON: _give_reason,
    Stage.SIGN: _sign,
}
