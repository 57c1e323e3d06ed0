"""Samples beside what they compare with: like ones of the reference, themselves through a filter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from driftloop.review.grid import describe_label
from driftloop.review.material import Pick
from driftloop.review.pen import clip, fold
from driftloop.review.pictures import fit
from driftloop.review.state import State
from driftloop.review.view import View

_NARROWEST = 14
_BESIDE = 46
"""Columns in which three of the smallest pictures stand side by side."""


def draw_closeup(state: State, view: View) -> list[str]:
    """One sample, large. Beside it the reference samples most like it, or itself through filters."""
    material, pen = view.material, view.pen
    pick = material.picks[state.cursor]
    rows = view.body_rows - 3
    wide = min(2 * rows, view.columns // 2, max(_NARROWEST, view.columns - _BESIDE))
    picture = pen.draw(material.images[pick.index], rows, wide)
    room = view.columns - wide - 2
    beside = _references(pick, view, rows, room) if state.closeup == 1 else _filters(state, view, rows, room)
    lines = [left + "  " + right for left, right in zip(picture, beside, strict=True)]
    why = "drawn at random" if pick.random else "picked as strange"
    head = f" #{state.cursor + 1}: the model says {pick.predicted}, {pick.confidence:.0%} sure"
    score = f"drift score {pick.drift_score:.3g} (p = {pick.p_value:.2g})"
    facts = f" {score}; {why}; number {pick.index} of the window"
    text, style = describe_label(state.labels[state.cursor], pick)
    return [
        *lines,
        pen(clip(head, view.columns), "bold"),
        clip(facts, view.columns),
        pen(clip(f" your label: {text}", view.columns), style),
    ]


def _references(pick: Pick, view: View, rows: int, columns: int) -> list[str]:
    """The reference samples most like it, with their true classes, and some of the class it was given."""
    reference, half = view.material.reference, rows // 2
    if reference is None:
        return [""] * rows
    labels = reference.labels
    names = [] if labels is None else [reference.classes[labels[place]] for place in pick.nearest]
    lines = strip(view, "most like it in the reference", reference.images, pick.nearest, half, columns, names)
    if labels is None:
        return lines + [""] * (rows - half)
    same = np.flatnonzero(labels[:5000] == view.material.classes.index(pick.predicted))[:12].tolist()
    title = f"what {pick.predicted} looks like there"
    return lines + strip(view, title, reference.images, same, rows - half, columns)


def _filters(state: State, view: View, rows: int, columns: int) -> list[str]:
    """The sample through a filter against each of the likeliest corruptions."""
    tried = view.material.filtered
    through = np.stack([item.filtered[state.cursor] for item in tried if item.filtered is not None])
    names = ["trained" if item.removed is None else item.name for item in tried]
    tallest = max(9, min(rows - 8, 2 + columns // 6))
    lines = strip(view, "through a filter against", through, range(len(tried)), tallest, columns, names)
    notes = ["How much they take out:"]
    notes += [f"  {max(item.removed, 0):.0%} of {item.name}" for item in tried if item.removed is not None]
    for item in view.material.trained:
        notes += ["", *fold(f"The first was trained for {item.name}, after an earlier answer.", columns)]
    notes += ["", *fold(_SKETCHED, columns)]
    lines += ["", *[view.pen(clip(note, columns), "dim") for note in notes]][: rows - len(lines)]
    return lines + [""] * (rows - len(lines))


_SKETCHED = "They are sketches, learnt in a second. The real filter is trained once you have decided."


def draw_comparison(diagnosis: str | None, state: State, view: View, rows: int, columns: int) -> list[str]:
    """Four corners: these images and usual ones with the corruption. These filtered, and the usual ones.

    If the diagnosis is right, those side by side look alike, above and below.
    """
    material = view.material
    upper, wide = rows - rows // 2, columns // 2 - 1
    preview = material.preview(diagnosis)
    strange = [place for place, pick in enumerate(material.picks) if not pick.random]
    indices = [material.picks[place].index for place in strange]
    corners = [strip(view, "these images", material.images, indices, upper, wide), [""] * upper]
    corners += [[" " * wide] * (rows - upper), [""] * (rows - upper)]
    if preview is not None:
        shown = _like_labels([state.labels[place] for place in strange], view, len(preview.examples))
        title = f"usual ones, {diagnosis}"
        corners[1] = strip(view, title, preview.examples, shown, upper, wide)
        if material.reference is not None:
            usual = material.reference.images
            corners[3] = strip(view, "usual ones", usual, shown, rows - upper, wide)
        if preview.filtered is not None:
            title = "these, through a filter"
            corners[2] = strip(view, title, preview.filtered, strange, rows - upper, wide)
    above = [f"{one}  {two}" for one, two in zip(corners[0], corners[1], strict=True)]
    return above + [f"{one}  {two}" for one, two in zip(corners[2], corners[3], strict=True)]


def _like_labels(labels: Sequence[str | None], view: View, count: int) -> list[int]:
    """Order the first reference samples so that those of the labels' classes stand where the labels do."""
    reference = view.material.reference
    if reference is None or reference.labels is None:
        return list(range(count))
    return side_by_side(labels, [reference.classes[label] for label in reference.labels[:count]])


def side_by_side(wanted: Sequence[str | None], there: Sequence[str]) -> list[int]:
    """Return the places of what is there, each where its own name is wanted as far as that can be.

    >>> side_by_side(["b", None, "a"], ["a", "b", "c", "b"])
    [1, 2, 0, 3]
    """
    left, found = list(range(len(there))), dict[int, int]()
    for place, name in enumerate(wanted[: len(there)]):
        if alike := [each for each in left if there[each] == name]:
            found[place] = alike[0]
            left.remove(alike[0])
    rest = iter(left)
    return [found[place] if place in found else next(rest) for place in range(len(there))]


def strip(
    view: View,
    title: str,
    images: npt.NDArray[np.uint8],
    places: Sequence[int],
    rows: int,
    columns: int,
    names: Sequence[str] = (),
) -> list[str]:
    """A title, as many images side by side as fit, and their names under them, in exactly this space."""
    blank = " " * max(columns, 0)
    height = rows - 1 - bool(names)
    if not len(places) or height < 4:
        return [blank] * rows
    # Rather several side by side than few large ones: no larger than their pixels, and three if readable.
    height = min(height, max(7, -(-images.shape[1] // 2)), max(7, (columns // 3 - 1) // 2))
    wide = min(fit(images.shape[1], images.shape[2], height, columns)[1], columns)
    chosen = list(places)[: max(1, (columns + 1) // (wide + 1))]
    lines = [view.pen(clip(title, columns), "dim")]
    drawn = [view.pen.draw(images[place], height, wide) for place in chosen]
    lines += [
        " ".join(parts) + " " * (columns - len(chosen) * (wide + 1) + 1) for parts in zip(*drawn, strict=True)
    ]
    if names:
        lines.append(clip(" ".join(clip(name, wide) for name in names[: len(chosen)]), columns))
    return lines + [blank] * (rows - len(lines))
