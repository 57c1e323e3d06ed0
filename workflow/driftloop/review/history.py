"""The ledger as a history that reads well."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from driftloop.review.decision import Agreement, agreement
from driftloop.review.ledger import Entry


def history(entries: Sequence[Entry]) -> RenderableType:
    """Return a table of the entries, and under it how far reviewers of the same images agree."""
    if not entries:
        return Text("The ledger is empty: nothing was decided yet.")
    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for heading in ("time", "window", "reviewer", "decision", "diagnosis", "labels", "reason"):
        whole = heading in ("time", "window")  # what is copied from here is of use in one piece alone
        justify: JustifyMethod = "right" if heading == "labels" else "left"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=whole)
    for entry in entries:
        who = Text(entry.reviewer, style="yellow" if entry.simulated else "")
        answer = entry.answer
        cells = (answer.decision, answer.diagnosis or "", str(len(answer.labels)))
        table.add_row(entry.time, entry.window, who, *(Text(cell) for cell in cells), Text(answer.reason))
    return Group(table, *[Text(line) for line in _agreements(entries)])


def _agreements(entries: Sequence[Entry]) -> list[str]:
    """Compare the newest answers of each two people to the same images."""
    newest = {(entry.window, entry.images, entry.reviewer): entry for entry in entries if not entry.simulated}
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
