"""The checks that every answer passes, and the way to give one without a terminal."""

from __future__ import annotations

import csv
import io
from difflib import get_close_matches
from pathlib import Path

from driftloop.errors import LedgerError
from driftloop.review.decision import DECISIONS, NONE, UNSURE, Answer
from driftloop.review.material import Material

_HEADER = ["index", "label"]


def find_problem(answer: Answer, material: Material) -> str | None:
    """Return what keeps this answer from being signed, in words for the reviewer, or None.

    Retraining needs at least one label to learn from. A filter needs none, and no diagnosis either: without
    one it learns from every corruption of the suite, those most that look like the window.
    """
    if answer.decision not in DECISIONS:
        return f"decision is {answer.decision!r}; it is one of {', '.join(DECISIONS)}."
    allowed = {*material.classes, NONE, UNSURE}
    for index, label in answer.labels.items():
        if index not in material.shown:
            return f"sample {index} was not shown. {_shown_hint(material)}"
        if label not in allowed:
            return f"sample {index}: {label!r} is no class. {_class_hint(material)}"
    if answer.diagnosis is not None and material.diagnoses and answer.diagnosis not in material.diagnoses:
        close = get_close_matches(answer.diagnosis, material.diagnoses, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"diagnosis is {answer.diagnosis!r}.{hint} It is one of {', '.join(material.diagnoses)}."
    if material.settling and not answer.labels:
        return "no sample has an answer."
    teaches = answer.decision in ("retrain", "both") and not material.settling
    if teaches and not set(answer.labels.values()) - {NONE, UNSURE}:
        return f"{answer.decision} needs at least one sample with a class as its label."
    return None


def check_answer(answer: Answer, material: Material) -> Answer:
    """Return `answer` as it came.

    Raises:
        LedgerError: it cannot be signed. The message says why and what is allowed.
    """
    problem = find_problem(answer, material)
    if problem:
        raise LedgerError(f"{material.window}: {problem} Nothing was written.")
    return answer


def read_labels(path: Path, material: Material) -> dict[int, str]:
    """Read labels from a CSV file with the columns `index` and `label`, one row a sample.

    A sample that is left out is skipped. A byte order mark, blank lines and spaces around a value
    do no harm.

    Raises:
        LedgerError: the file cannot be read, or names the first row that is refused.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} cannot be read as UTF-8 text ({error}). Nothing was written.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    labels: dict[int, str] = {}
    lines: dict[int, int] = {}
    header = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if header is None:
                header = cells
                problem = (
                    None if header == _HEADER else f"the header is {','.join(cells)}; it must be index,label."
                )
            else:
                problem = _take_row(cells, reader.line_num, labels, lines, material)
            if problem:
                raise LedgerError(f"{path}, row {reader.line_num}: {problem} Nothing was written.")
    except csv.Error as error:
        raise LedgerError(f"{path}, row {reader.line_num}: {error}. Nothing was written.") from error
    if header is None:
        raise LedgerError(f"{path} is empty; it must start with the row index,label. Nothing was written.")
    return labels


def _take_row(
    cells: list[str], line: int, labels: dict[int, str], lines: dict[int, int], material: Material
) -> str | None:
    """Add one row to `labels`, or say why it is refused."""
    if len(cells) != len(_HEADER):
        return f"it must have two values, index and label, but has {len(cells)}."
    number, label = cells
    if not (number.isascii() and number.isdecimal() and len(number) < 20):
        return f"index is {number[:20]!r}; it must be a whole number."
    index = int(number)
    if index not in material.shown:
        return f"sample {index} was not shown. {_shown_hint(material)}"
    if index in labels:
        return f"sample {index} was already labelled in row {lines[index]}."
    if label not in (*material.classes, NONE, UNSURE):
        return f"{label!r} is no class. {_class_hint(material)}"
    labels[index], lines[index] = label, line
    return None


def _class_hint(material: Material) -> str:
    return f"Allowed: {', '.join((*material.classes, NONE, UNSURE))}."


def _shown_hint(material: Material) -> str:
    shown = ", ".join(str(index) for index in sorted(material.shown)[:8])
    rest = ", …" if len(material.shown) > 8 else ""
    command = "settle" if material.settling else "review"
    return f"Shown are {shown}{rest} (all of them: driftloop {command} {material.window} --json)."
