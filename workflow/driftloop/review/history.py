"""The ledger as a history that reads well."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from driftloop.review.decision import Agreement, agreement
from driftloop.review.ledger import Entry, reviews
from driftloop.review.pen import clip


def history(entries: Sequence[Entry]) -> RenderableType:
    """Return the entries, two lines each, and under them how far reviewers of the same images agree."""
    if not entries:
        return Text("The ledger is empty: nothing was decided yet.")
    facts = [_facts(entry) for entry in entries]
    widths = [max(map(cell_len, column)) for column in zip(*facts, strict=True)]
    lines: list[RenderableType] = []
    for entry, cells in zip(entries, facts, strict=True):
        padded = map(clip, cells, widths)
        lines.append(Text("  ".join(padded), style="bold"))
        who = Text(entry.reviewer, style="yellow" if entry.simulated else "")
        reason = f": {entry.why}" if entry.why else ""
        lines.append(Padding(who + Text(reason), (0, 0, 1, 4)))
    return Group(*lines, *[Text(line) for line in _agreements(entries)])


def _facts(entry: Entry) -> tuple[str, ...]:
    answer = entry.answer
    labels = f"{len(answer.labels)} label{'' if len(answer.labels) == 1 else 's'}"
    return entry.time, entry.window, answer.decision, answer.diagnosis or "", labels


def _agreements(entries: Sequence[Entry]) -> list[str]:
    """Compare the newest answers of each two people to the same images."""
    newest = {(entry.window, entry.images, entry.reviewer): entry for entry in reviews(entries)}
    answers = list(newest.values())
    lines = []
    for place, first in enumerate(answers):
        for second in answers[place + 1 :]:
            if (first.window, first.images) == (second.window, second.images):
                compared = agreement(first.answer.labels, second.answer.labels)
                lines.append(f"{first.window}: {first.reviewer} and {second.reviewer} {_in_words(compared)}")
    return lines


def _in_words(compared: Agreement) -> str:
    third = ", ".join(f"{index} ({one} / {two})" for index, one, two in compared.disagreements)
    return f"{compared} For a third look: {third}." if third else str(compared)
