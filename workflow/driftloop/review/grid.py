"""The grid: picked samples as tiles, a page at a time, as large as the screen allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from driftloop.printable import printable
from driftloop.review.decision import NONE, UNSURE
from driftloop.review.material import Material, Pick
from driftloop.review.pen import Pen, clip
from driftloop.review.pictures import fit
from driftloop.review.state import Grid

_CAPTION_ROWS = 2
_SMALLEST = 7
_GAP = 1
_NARROWEST = 14
_SHORTEST_BAR = 3


@dataclass(frozen=True)
class Layout:
    """The grid on one screen: its tiles, and the cells of the picture in each."""

    grid: Grid
    picture_rows: int
    picture_columns: int


def lay_out(count: int, image_shape: Sequence[int], rows: int, columns: int) -> Layout:
    """Return the layout with the fewest pages that leaves pictures readable, and then the largest pictures.

    Args:
        count: how many samples there are.
        image_shape: (H, W, C) of one image.
        rows: height of the space in cells.
        columns: its width.
    """
    height, width = image_shape[:2]
    largest = max(_SMALLEST, min(rows - _CAPTION_ROWS, max(_SMALLEST, -(-height // 2))))
    layouts = [_with_rows(size, height, width, rows, columns) for size in range(_SMALLEST, largest + 1)]

    def pages(layout: Layout) -> int:
        return -(-count // layout.grid.per_page)

    fewest = min(pages(layout) for layout in layouts)
    return max(
        (layout for layout in layouts if pages(layout) == fewest), key=lambda layout: layout.picture_rows
    )


def _with_rows(picture_rows: int, height: int, width: int, rows: int, columns: int) -> Layout:
    # A panorama must not push the tiles beside it off the screen: three times as wide as high is enough.
    wide = fit(height, width, picture_rows, 6 * picture_rows)[1]
    wide = min(max(wide, _NARROWEST), columns)
    across = max(1, (columns + _GAP) // (wide + _GAP))
    down = max(1, rows // (picture_rows + _CAPTION_ROWS))
    return Layout(Grid(across, down), min(picture_rows, max(1, rows - _CAPTION_ROWS)), wide)


def draw_page(
    material: Material, labels: Sequence[str | None], cursor: int, layout: Layout, pen: Pen
) -> list[str]:
    """Draw the page that the cursor is on, as lines of `across` tiles."""
    grid = layout.grid
    first = cursor - cursor % grid.per_page
    places = range(first, min(first + grid.per_page, len(material.picks)))
    strangest = max((pick.drift_score for pick in material.picks), default=0.0)
    lines: list[str] = []
    for start in range(first, places.stop, grid.across):
        row = [place for place in places if start <= place < start + grid.across]
        tiles = [
            _tile(material, place, labels[place], place == cursor, strangest, layout, pen) for place in row
        ]
        lines += [(" " * _GAP).join(parts) for parts in zip(*tiles, strict=True)]
    return lines


def _tile(
    material: Material,
    place: int,
    label: str | None,
    current: bool,
    strangest: float,
    layout: Layout,
    pen: Pen,
) -> list[str]:
    pick, width = material.picks[place], layout.picture_columns
    picture = pen.draw(material.images[pick.index], layout.picture_rows, width)
    number = f" #{place + 1}"
    name = clip(pick.predicted, width - len(number))
    head = pen(name + number, "bold reverse") if current else pen(name, "bold") + pen(number, "dim")
    text, style = describe_label(label, pick)
    # The bar gets the space that the label leaves over, up to a third of the tile. Too little is no bar at
    # all.
    sure, bar = f"{pick.confidence:<4.0%} ", ""
    bar_width = min(width // 3, width - len(sure) - 1 - cell_len(text))
    if bar_width >= _SHORTEST_BAR:
        bar = draw_bar(pick.drift_score, strangest, bar_width) + " "
    else:
        sure = f"{pick.confidence:.0%} "
    room = width - len(sure) - cell_len(bar)
    return [*picture, head, sure + pen(bar, "magenta") + pen(clip(text, room), style)]


def draw_bar(value: float, largest: float, width: int) -> str:
    """Draw a value as a bar in halves of a cell.

    >>> draw_bar(5, 8, 4)
    '━━╸ '
    """
    halves = round(2 * width * min(max(value / largest, 0), 1)) if largest > 0 else 0
    return clip("━" * (halves // 2) + "╸" * (halves % 2), width)


def describe_label(label: str | None, pick: Pick) -> tuple[str, str]:
    """Return what a label reads like beside the model's answer, and its style."""
    if label is None:
        return "·", "dim"
    if label == NONE:
        return "none", "cyan"
    if label == UNSURE:
        return "can't tell", "cyan"
    return ("✓", "green") if label == pick.predicted else (f"✗ {printable(label)}", "yellow")
