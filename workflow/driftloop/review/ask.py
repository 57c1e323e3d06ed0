"""Ask a person at the terminal: from the draft and the first screen to what they signed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from driftloop.errors import ReviewPendingError
from driftloop.review.answers import find_problem
from driftloop.review.decision import Answer
from driftloop.review.draft import Draft, open_draft
from driftloop.review.keys import REDRAW
from driftloop.review.ledger import Entry
from driftloop.review.material import Material
from driftloop.review.screens import SMALLEST, render
from driftloop.review.session import LEAVING, press, resume
from driftloop.review.state import Questions, Stage, State, Unsettled, answer_of, snapshot, start
from driftloop.review.story import earlier_labels
from driftloop.review.terminal import Terminal
from driftloop.review.view import View

_LATE_WORDS = 0.7


def ask(
    material: Material,
    entries: Sequence[Entry],
    drafts: Path,
    record: Callable[[Answer, str], Entry],
    *,
    reviewer: str | None = None,
    pictures: str = "auto",
    unsettled: Unsettled | None = None,
    in_a_run: bool = False,
) -> Entry:
    """Take a person through the review at the terminal, and hand what they signed to `record`.

    With `unsettled` they are asked for labels alone. What a run still has to say when it opens the review
    (`in_a_run`) may fall on the first screen. So that screen is drawn anew after a moment. Every answer is in
    the draft under `drafts` before the next screen shows. The draft goes when `record` has returned.

    Raises:
        ReviewPendingError: they left. Nothing is decided, and the draft is kept.
    """
    name = reviewer or git_name()
    questions = replace(questions_of(material, entries, name), unsettled=unsettled)
    images = unsettled.images if unsettled else material.images_digest
    with open_draft(drafts, material.window, report=material.reported, images=images) as draft:
        with Terminal(pictures, redraw_after=_LATE_WORDS if in_a_run else 0) as terminal:
            state = _begin(draft, questions, name, asked_by_name=reviewer is not None)
            while state.stage not in (Stage.SIGNED, Stage.LEFT):
                view = View(material, entries, questions, terminal.pen, *terminal.size())
                state = _turn(state, terminal, draft, view)
        if state.stage is Stage.LEFT:
            command = "settle" if unsettled else "review"
            raise ReviewPendingError(
                f"Nothing is decided for {material.window}; {state.labelled} labelled so far, and kept. "
                f"Go on with: driftloop {command} {material.window}"
            )
        signed = record(answer_of(state, questions), state.reviewer.strip())
        draft.discard()
    return signed


def _begin(draft: Draft, questions: Questions, reviewer: str, *, asked_by_name: bool) -> State:
    """Return the state that the draft kept, or the first one.

    Either begins on the first screen, where the key that somebody presses to go on labels nothing. A reviewer
    who was asked by name signs with it. The draft may be somebody else's of the same account.
    """
    with suppress(ValueError, KeyError, TypeError):
        if draft.saved:
            kept = resume(draft.saved, questions)
            who = "you were"
            if asked_by_name and kept.reviewer != reviewer:
                who, kept = f"{kept.reviewer or 'somebody'} was", replace(kept, reviewer=reviewer)
            message = f"Going on where {who}: {kept.labelled} of {len(kept.labels)} have labels."
            return replace(kept, stage=questions.screens[0], message=message)
    return start(questions, reviewer)


def _turn(state: State, terminal: Terminal, draft: Draft, view: View) -> State:
    """Show the state, take one key, and keep what it changed before anything else is shown."""
    terminal.show(render(state, view))
    key = terminal.read_key()
    unseen = view.columns < SMALLEST[0] or view.rows < SMALLEST[1]
    if key == REDRAW or (unseen and key not in LEAVING):
        return state
    following = press(state, key, view.questions, view.layout.grid)
    if following.stage is Stage.SIGNED and find_problem(answer_of(following, view.questions), view.material):
        return state  # the screen says what is missing
    if following.stage not in (Stage.SIGNED, Stage.LEFT):
        draft.save(snapshot(following, view.questions))
    return following


def questions_of(material: Material, entries: Sequence[Entry] = (), reviewer: str = "") -> Questions:
    """Return what the material asks of a reviewer, with the labels that they can start from."""
    earlier = earlier_labels(material, entries, reviewer)
    return Questions(
        indices=tuple(pick.index for pick in material.picks),
        predicted=tuple(pick.predicted for pick in material.picks),
        classes=material.classes,
        diagnoses=material.diagnoses,
        earlier=earlier[1] if earlier else {},
        closeups=2 if material.filtered else 1,
    )


def git_name() -> str:
    """Return `user.name` from Git's configuration, or nothing."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "config", "user.name"]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=2, check=False
        )
        return done.stdout.strip()
    return ""
