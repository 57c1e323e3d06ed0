"""Which windows are finished: nothing of them would be made again, so a plan need not name their jobs.

A plan that names every job of every window grows with the stream's whole past, and so do its seconds and its
memory. The records tell as much as Snakemake could: they judge by content (`driftloop.tracker.judge`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from driftloop import layout
from driftloop.tracker.judge import Judgement


def finished(
    judgements: Iterable[Judgement],
    stream: Mapping[str, Mapping[str, Any]],
    reference: Collection[str],
    steps: Callable[[str], Collection[str]],
) -> frozenset[str]:
    """Return the windows whose products all hold, and those of every window before them too.

    Args:
        judgements: of all records of the present stream.
        stream: each window's facts, `parent` among them, a parent before its children.
        reference: the steps that the reference needs. One without a record, as after an interruption, is to
            be done again, and every window with it.
        steps: gives the steps that a window has come to need, its last one among them.

    Returns:
        Their names. The summary need not have heard of them: without a record that holds, it is made anew.
    """
    holding: dict[str | None, set[str]] = defaultdict(set)
    for each in judgements:
        if not each.reasons:
            holding[each.made.window].add(each.made.step)
    done = {layout.REFERENCE} if holding[None].issuperset(reference) else set()
    for window, facts in stream.items():
        if facts["parent"] in done and holding[window].issuperset(steps(window)):
            done.add(window)
    return frozenset(done - {layout.REFERENCE})
