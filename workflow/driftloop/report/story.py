"""What happened, in sentences: one for each window, and one for them all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from driftloop.findings.row import Row

FIRM = "\u00a0"
"""A space at which no line breaks."""
_HYPHEN = "\u2011"
_WON = {
    "filter": "the filter",
    "retrain": "the retrained model",
    "retrain_filtered": "the model retrained behind the filter",
}
"""Repair → what was promoted."""


def headline(rows: Sequence[Row]) -> str:
    """Return what happened in all windows together, from the rows of `summary.json`.

    >>> headline([Row("w01", drifted=True, decision="filter", promoted="filter"), Row("w02", drifted=False)])
    'Two windows, one drifted, one repair promoted'
    """
    drifted = sum(bool(row.drifted) for row in rows)
    promoted = sum(row.promoted is not None for row in rows)
    text = f"{_count(len(rows), 'window')}, {_number(drifted)} drifted"
    if drifted:
        text += f", {_count(promoted, 'repair')} promoted"
        open_ = sum(bool(row.unsettled) for row in rows)
        text += f", {_number(open_)} not settled yet" if open_ else ""
    if waiting := sum(map(waits, rows)):
        text += f", {_number(waiting)} {'waits' if waiting == 1 else 'wait'} for review"
    return text[0].upper() + text[1:]


def waits(row: Row) -> bool:
    """Tell whether a window has drifted and waits for its review."""
    return bool(row.drifted) and row.decision is None


def sentence(row: Row, diagnosis: str | None, *, simulated: bool = False) -> str:
    """Return what happened in one window.

    Args:
        row: of `summary.json`.
        diagnosis: the corruption that the reviewer saw.
        simulated: whether the reviewer was no person.
    """
    if row.drifted is None:
        return "Not checked yet."
    if not row.drifted:
        return _calm(row)
    if waits(row):
        return f"{_found(row)} and waits for its review: driftloop review {row.window}"
    who = "The simulated reviewer" if simulated else person(row.reviewer or "")
    saw = f" saw {spoken(diagnosis)} and" if diagnosis else ""
    found = _found(row)
    if row.decision == "keep":
        return f"{found}; {who[0].lower() + who[1:] if simulated else who}{saw} kept the model as it is."
    asked = {"both": "retraining, a filter and the two together", "filter": "a filter"}.get(
        row.decision or "", "retraining"
    )
    text = f"{found}. {who}{saw} asked for {asked}"
    if row.unsettled is None:
        return f"{text}; that is under way."
    if open_ := row.unsettled:
        labels = "one more label" if open_ == 1 else f"{open_} more labels"
        return f"{text}; whether that helps is open until {labels} tell (driftloop settle {row.window})."
    if not row.promoted:
        return f"{text}; nothing that was tried passed the gate, so the model stays."
    won = _WON[row.promoted]
    before, after = row.incumbent_accuracy, row.candidate_accuracy
    if before is None:  # no label told of both what they make of ordinary samples
        return f"{text}; {won} passed the gate and was promoted."
    return f"{text}; {won} lifted accuracy from {percent(before)} to {percent(after)} and was promoted."


def _found(row: Row) -> str:
    chance, together = f"(p = {row.p_value:.2g})", row.windows_together
    if together:
        return f"By itself this window looks usual; the latest {together} windows together drifted {chance}"
    return f"This window drifted {chance}"


def _calm(row: Row) -> str:
    if row.known_as:
        estimate = row.estimated_accuracy
        about = "" if estimate is None else f" (accuracy about {percent(estimate)})"
        return (
            f"The drift of {row.known_as} again, which the model in production now handles{about}: "
            "nobody had to be asked."
        )
    shift = row.label_shift
    but = (
        f", but {shift.grown} makes up {percent(shift.share)} of it, not {percent(shift.usual)}"
        if shift
        else ""
    )
    chance = f"(p = {row.p_value:.2g})"
    return f"Like the data that the model knows {chance}{but}: nothing to ask, nothing to change."


def person(reviewer: str) -> str:
    """Return a reviewer's name without the address behind it.

    >>> person("Ada Lovelace <ada@example.org>")
    'Ada Lovelace'
    """
    return reviewer.partition(" <")[0]


def spoken(name: str) -> str:
    """Return the name of a corruption as one says it.

    >>> spoken("impulse_noise"), spoken("rotate")
    ('impulse noise', 'rotation')
    """
    nouns = {"rotate": "rotation", "translate": "translation", "scale": "scaling"}
    return nouns.get(name, name.replace("_", " "))


def listed(names: Sequence[str]) -> str:
    """Join names as one says them.

    >>> listed(["fog", "rotation", "shear"])
    'fog, rotation and shear'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def times(number: int) -> str:
    """Say how often.

    >>> times(1), times(3)
    ('once', '3 times')
    """
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def career(before: float, after: float, repairs: Sequence[str | None], models: int = 1) -> str:
    """Return how the model has fared on clean data, in a sentence or two.

    Args:
        before: accuracy of the reference model.
        after: of the model in production.
        repairs: the diagnosis of each promoted repair.
        models: how many models the stream left in production. With several, each has its own story.

    >>> career(0.9946, 0.9944, ["rotate"]).replace(FIRM, " ")
    'The model came into service right on 99.5 % of clean images. One repair later it is right on 99.4 % \
of them, and handles rotation, too.'
    """
    start = f"The model came into service right on {percent(before, 1)} of clean images."
    if models > 1:
        return f"{start} Its windows did not all follow one another: they left {_count(models, 'model')}."
    if not repairs:
        return f"{start} It is still in production."
    later = _count(len(repairs), "repair")
    now = f"{start} {later[0].upper()}{later[1:]} later it is right on {percent(after, 1)} of them"
    known = list(dict.fromkeys(spoken(name) for name in repairs if name))
    return f"{now}, and handles {listed(known)}, too." if known else f"{now}."


def percent(fraction: float | None, digits: int = 0) -> str:
    """Return a share in percent, never rounded up to all or down to nothing. Nothing for None.

    The space before the sign does not break.

    >>> [percent(each).replace(FIRM, "_") for each in (0.9946, 0.9996, 1.0, None)]
    ['99_%', '>_99_%', '100_%', '']
    """
    return "" if fraction is None else f"{figure(fraction, digits)}{FIRM}%"


def figure(fraction: float | None, digits: int = 1) -> str:
    """Return the number alone that stands before the percent sign.

    >>> figure(0.99996).replace(FIRM, "_"), figure(0.5)
    ('>_99.9', '50.0')
    """
    if fraction is None:
        return ""
    text = f"{100 * fraction:.{digits}f}"
    if fraction < 1 and float(text) == 100:
        return f">{FIRM}{100 - 10**-digits:.{digits}f}"
    if fraction > 0 and float(text) == 0:
        return f"<{FIRM}{10**-digits:.{digits}f}"
    return text


def unbroken(text: str) -> str:
    """Keep a line from breaking within a number, or before its percent sign.

    >>> unbroken("96.0 % (p = 3.8e-06)").replace(FIRM, "_").replace(_HYPHEN, "~")
    '96.0_% (p_=_3.8e~06)'
    """
    text = text.replace(" %", f"{FIRM}%").replace("p = ", f"p{FIRM}={FIRM}")
    return re.sub(r"(?<=\de)-(?=\d)", _HYPHEN, text)


def _count(number: int, thing: str) -> str:
    return f"{_number(number) if number else 'no'} {thing}{'' if number == 1 else 's'}"


def _number(number: int) -> str:
    words = (
        "none",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    )
    return words[number] if number < len(words) else f"{number:,}"
