"""The page's charts, as inline SVG: across in percent of the width, down in pixels, coloured by page.css.

So every chart fits a phone and a desk alike, its lettering keeps its size, and it follows the page from
light to dark. Each has a text that says what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from driftloop.report.story import percent, times

Interval = tuple[float, float, float]
"""An estimate with its lower and upper limit."""


@dataclass(frozen=True)
class Moment:
    """One window in the charts over the stream. Shares and accuracies in [0, 1], None where unknown.

    Attributes:
        window: its name.
        drifted: whether it drifted.
        novel: the share of samples unlike everything known.
        estimated: the incumbent's accuracy, without labels.
        incumbent: its true accuracy.
        candidate: the true accuracy of the model that took its place.
    """

    window: str
    drifted: bool
    novel: Interval | None
    estimated: Interval | None
    incumbent: float | None
    candidate: float | None


_TOP, _BOTTOM, _HEIGHT = 18, 150, 176
_LEFT, _WIDTH = 13.0, 86.0
_LETTERS = 44
"""So many letters of window names fit side by side under a chart on a phone."""
_SMALLEST = 0.8
"""A side of a confusion matrix's cells in a picture of 262, however many there are: it can still be seen."""
_NAMED = 20
"""Up to so many classes have their names beside a confusion matrix, so many windows large dots."""


def novelty_chart(moments: Sequence[Moment]) -> Markup:
    """Draw the share of novel samples in each window."""
    y = _scale(0.0)
    marks = []
    seen = [
        (x, each, each.novel) for x, each in zip(_places(len(moments)), moments, strict=True) if each.novel
    ]
    for x, moment, (share, low, high) in seen:
        kind = "drift" if moment.drifted else "calm"
        marks += [
            _line(x, y(0.0), y(share), f"stem {kind}"),
            _line(x, y(low), y(high), "whisker"),
            _dot(x, y(share), kind, f"{moment.window}: {percent(share)} novel"),
        ]
    label = "Share of samples unlike everything known, over the stream."
    if seen:
        _, most, (share, *_) = max(seen, key=lambda each: each[2])
        label += f" It is largest in {most.window}, with {percent(share)}."
    return _frame(label, moments, y, (0.0, 0.5, 1.0), marks)


def accuracy_chart(moments: Sequence[Moment]) -> Markup:
    """Draw estimated and true accuracy of each window, before and after its repair."""
    known = [value for each in moments for value in (each.incumbent, each.candidate) if value is not None]
    known += [each.estimated[1] for each in moments if each.estimated]
    floor = min(int(min(known, default=0.0) * 10) / 10, 0.9)
    y, n = _scale(floor), len(moments)
    aside = min(1.8, 12 / max(1, n))  # so that estimate and truth do not hide one another
    marks = []
    for left, x, moment in zip(_places(n, -aside), _places(n, aside), moments, strict=True):
        window, before, after = moment.window, moment.incumbent, moment.candidate
        if moment.estimated:
            estimate, low, high = moment.estimated
            marks.append(_line(left, y(low), y(high), "whisker"))
            marks.append(_dot(left, y(estimate), "guess", f"{window}: {percent(estimate)} estimated"))
        if before is not None and after is not None:
            marks.append(_line(x, y(before), y(after), "lift"))
        if before is not None:
            marks.append(_dot(x, y(before), "before", f"{window}: {percent(before)}"))
        if after is not None:
            marks.append(_dot(x, y(after), "after", f"{window}: {percent(after)} after the repair"))
    label = "Accuracy over the stream; the table of all figures has its numbers."
    return _frame(label, moments, y, (1.0, (1.0 + floor) / 2, floor), marks)


def confusion_chart(counts: Sequence[Sequence[int]], classes: Sequence[str], what: str) -> Markup:
    """Draw a confusion matrix: rows are the true classes, columns what they are taken for.

    Args:
        counts: (K, K), as `driftloop.report.score.confusion` gives them.
        classes: the K names.
        what: whose matrix it is, for the text that stands for it.
    """
    side, margin = 240 / len(classes), 22
    parts = []
    for row, across in enumerate(counts):
        for column, count in enumerate(across):
            if count:
                parts.append(
                    _draw(
                        "rect",
                        "hit" if row == column else "miss",
                        f"{classes[row]} taken for {classes[column]}: {count}",
                        x=round(margin + column * side, 2),
                        y=round(margin + row * side, 2),
                        width=round(max(side - 1, _SMALLEST), 2),
                        height=round(max(side - 1, _SMALLEST), 2),
                        fill_opacity=round(0.06 + 0.94 * count / sum(across), 2),
                    )
                )
    for place, name in enumerate(classes if len(classes) <= _NAMED else ()):
        middle = round(margin + (place + 0.5) * side, 1)
        parts += [_text(name[:2], middle, 14, "middle"), _text(name[:2], 14, middle + 4, "end")]
    head = Markup('<svg class="confusion" viewBox="0 0 262 262" role="img" aria-label="{}: {}">')
    return head.format(what, _confusions(counts, classes)) + Markup("").join(parts) + Markup("</svg>")


def dumbbell(before: float, after: float) -> Markup:
    """Draw how far one accuracy in [0, 1] moved."""
    left, right = (f"{2 + 96 * value:.1f}%" for value in (before, after))
    moved = "lift" if after >= before else "loss"
    parts = [
        _draw("line", "track", x1="2%", x2="98%", y1=7, y2=7),
        _draw("line", moved, x1=left, x2=right, y1=7, y2=7),
        _draw("circle", "before", cx=left, cy=7, r=4),
        _draw("circle", "after", cx=right, cy=7, r=4),
    ]
    head = Markup('<svg class="dumbbell" height="14" width="100%" aria-hidden="true">')
    return head + Markup("").join(parts) + Markup("</svg>")


def most_confused(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> tuple[str, str, int] | None:
    """Return the most frequent mistake, as true class, what it is taken for, how often. None without one.

    >>> most_confused([[5, 2], [0, 7]], ["cat", "dog"])
    ('cat', 'dog', 2)
    """
    places = [(row, column) for row in range(len(classes)) for column in range(len(classes)) if row != column]
    row, column = max(places, key=lambda place: counts[place[0]][place[1]], default=(0, 0))
    if row == column or not counts[row][column]:
        return None
    return classes[row], classes[column], counts[row][column]


def _confusions(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    right = sum(row[place] for place, row in enumerate(counts))
    text = f"{percent(right / max(1, sum(map(sum, counts))))} right"
    worst = most_confused(counts, classes)
    return text if worst is None else f"{text}; {worst[0]} is taken for {worst[1]} {times(worst[2])}"


def _places(n: int, aside: float = 0.0) -> list[str]:
    return [f"{_LEFT + _WIDTH * (place + 0.5) / n + aside:.2f}%" for place in range(n)]


def _scale(floor: float) -> Callable[[float], float]:
    def y(value: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * (max(value, floor) - floor) / (1 - floor), 1)

    return y


def _draw(tag: str, kind: str, said: str = "", **where: str | float) -> Markup:
    """Return one element, its class, its text or the title that shows when one points at it."""
    attributes = [Markup('{}="{}"').format(name.replace("_", "-"), value) for name, value in where.items()]
    title = Markup("<title>{}</title>").format(said) if said else ""
    return Markup('<{} class="{}" {}>{}</{}>').format(tag, kind, Markup(" ").join(attributes), title, tag)


def _dot(x: str, y: float, kind: str, said: str) -> Markup:
    return _draw("circle", kind, said, cx=x, cy=y, r=5)


def _line(x: str, y1: float, y2: float, kind: str) -> Markup:
    return _draw("line", kind, x1=x, x2=x, y1=y1, y2=y2)


def _text(text: str, x: str | float, y: float, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _frame(
    label: str,
    moments: Sequence[Moment],
    y: Callable[[float], float],
    ticks: Sequence[float],
    marks: Sequence[Markup],
) -> Markup:
    """Put marks on a grid, with as many names of windows under them as fit."""
    grid = []
    for tick in ticks:
        grid.append(_draw("line", "grid", x1=0, x2="100%", y1=y(tick), y2=y(tick)))
        grid.append(_text(percent(tick), 0, y(tick) - 4, "start"))
    longest = max((len(moment.window) for moment in moments), default=1)
    every = max(1, -(-len(moments) * (longest + 1) // _LETTERS))
    names = [
        _text(moment.window, x, _HEIGHT - 6, "middle")
        for x, moment in list(zip(_places(len(moments)), moments, strict=True))[::every]
    ]
    dense = " dense" if len(moments) > _NAMED else ""
    head = Markup('<svg class="chart{}" height="{}" width="100%" role="img" aria-label="{}">')
    return head.format(dense, _HEIGHT, label) + Markup("").join([*grid, *marks, *names]) + Markup("</svg>")
