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
    """One window in the charts over the stream; shares and accuracies in [0, 1], None where unknown.

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


def novelty_chart(moments: Sequence[Moment]) -> Markup:
    """Draw the share of novel samples in each window."""
    y = _scale(0.0)
    marks = []
    for x, moment in zip(_places(len(moments)), moments, strict=True):
        if moment.novel is None:
            continue
        estimate, low, high = moment.novel
        kind = "drift" if moment.drifted else "calm"
        marks += [
            Markup('<line class="stem {}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                kind, x, x, y(0.0), y(estimate)
            ),
            _whisker(x, y(low), y(high)),
            _dot(x, y(estimate), kind, f"{moment.window}: {percent(estimate)} novel"),
        ]
    most = max((moment for moment in moments if moment.novel), key=lambda each: each.novel, default=None)  # type: ignore[arg-type, return-value]
    label = "Share of samples unlike everything known, over the stream."
    if most and most.novel:
        label += f" It is largest in {most.window}, with {percent(most.novel[0])}."
    return _frame(label, moments, y, (0.0, 0.5, 1.0), marks)


def accuracy_chart(moments: Sequence[Moment]) -> Markup:
    """Draw estimated and true accuracy of each window, before and after its repair."""
    known = [value for each in moments for value in (each.incumbent, each.candidate) if value is not None]
    known += [each.estimated[1] for each in moments if each.estimated]
    floor = int(min(known, default=0.0) * 10) / 10
    y = _scale(min(floor, 0.9))
    marks = []
    beside = min(1.8, 12 / max(1, len(moments)))  # so that estimate and truth do not hide one another
    places = zip(_places(len(moments), -beside), _places(len(moments), beside), moments, strict=True)
    for left, x, moment in places:
        if moment.estimated:
            estimate, low, high = moment.estimated
            marks += [
                _whisker(left, y(low), y(high)),
                _dot(left, y(estimate), "guess", f"{moment.window}: estimated {percent(estimate)}"),
            ]
        if moment.incumbent is not None and moment.candidate is not None:
            marks.append(
                Markup('<line class="lift" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                    x, x, y(moment.incumbent), y(moment.candidate)
                )
            )
        for value, kind, said in (
            (moment.incumbent, "before", "before"),
            (moment.candidate, "after", "after"),
        ):
            if value is not None:
                marks.append(_dot(x, y(value), kind, f"{moment.window}: {percent(value)} {said} the repair"))
    ticks = (1.0, (1.0 + min(floor, 0.9)) / 2, min(floor, 0.9))
    return _frame(
        "Accuracy over the stream; the table of all figures has its numbers.", moments, y, ticks, marks
    )


def confusion_chart(counts: Sequence[Sequence[int]], classes: Sequence[str], what: str) -> Markup:
    """Draw a confusion matrix: rows are the true classes, columns what they are taken for.

    Args:
        counts: (K, K), as `driftloop.report.score.confusion` gives them.
        classes: the K names.
        what: whose matrix it is, for the text that stands for it.
    """
    size = len(classes)
    margin, side = (22, 240 / size) if size <= 20 else (4, 240 / size)
    cells = []
    for row, across in enumerate(counts):
        for column, count in enumerate(across):
            if count:
                share = count / sum(across)
                cells.append(
                    Markup(
                        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" '
                        'fill-opacity="{:.2f}"><title>{} taken for {}: {}</title></rect>'
                    ).format(
                        "hit" if row == column else "miss",
                        margin + column * side,
                        margin + row * side,
                        side - 1,
                        side - 1,
                        0.06 + 0.94 * share,
                        classes[row],
                        classes[column],
                        count,
                    )
                )
    names = []
    for place, name in enumerate(classes if size <= 20 else ()):
        middle, short = margin + (place + 0.5) * side, name[:2]
        names.append(Markup('<text x="{:.1f}" y="14" text-anchor="middle">{}</text>').format(middle, short))
        names.append(Markup('<text x="14" y="{:.1f}" text-anchor="end">{}</text>').format(middle + 4, short))
    edge = margin + 240
    head = Markup('<svg class="confusion" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        edge, edge, f"{what}: {_confusions(counts, classes)}"
    )
    return head + Markup("").join([*cells, *names]) + Markup("</svg>")


def dumbbell(before: float | None, after: float | None) -> Markup:
    """Draw how far one accuracy in [0, 1] moved."""
    if before is None or after is None:
        return Markup("")
    left, right = f"{2 + 96 * before:.1f}%", f"{2 + 96 * after:.1f}%"
    return Markup(
        '<svg class="dumbbell" height="14" width="100%" aria-hidden="true">'
        '<line class="track" x1="2%" x2="98%" y1="7" y2="7"/>'
        '<line class="{}" x1="{}" x2="{}" y1="7" y2="7"/>'
        '<circle class="before" cx="{}" cy="7" r="4"/><circle class="after" cx="{}" cy="7" r="4"/></svg>'
    ).format("lift" if after >= before else "loss", left, right, left, right)


def most_confused(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> tuple[str, str, int] | None:
    """Return the most frequent mistake, as true class, what it is taken for, how often; None without one.

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


def _dot(x: str, y: float, kind: str, title: str) -> Markup:
    return Markup('<circle class="{}" cx="{}" cy="{}" r="5"><title>{}</title></circle>').format(
        kind, x, y, title
    )


def _whisker(x: str, low: float, high: float) -> Markup:
    return Markup('<line class="whisker" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(x, x, low, high)


def _frame(
    label: str,
    moments: Sequence[Moment],
    y: Callable[[float], float],
    ticks: Sequence[float],
    marks: Sequence[Markup],
) -> Markup:
    grid = [
        Markup(
            '<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/><text x="0" y="{1}">{2}</text>'
        ).format(y(tick), y(tick) - 4, percent(tick))
        for tick in ticks
    ]
    longest = max((len(moment.window) for moment in moments), default=1)
    every = -(-len(moments) * (longest + 1) // _LETTERS) or 1
    names = [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x, _HEIGHT - 6, moment.window)
        for place, (x, moment) in enumerate(zip(_places(len(moments)), moments, strict=True))
        if place % every == 0
    ]
    head = Markup('<svg class="chart" height="{}" width="100%" role="img" aria-label="{}">').format(
        _HEIGHT, label
    )
    return head + Markup("").join([*grid, *marks, *names]) + Markup("</svg>")
