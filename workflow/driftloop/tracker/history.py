"""The records of a project as a graph: which step made which file, and what stands behind a product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from driftloop.tracker.provenance import Made


@dataclass(frozen=True)
class Origin:
    """A step that stands behind a product.

    Attributes:
        made: its record.
        sources: what no step made: the ledgers and other files that it read.
        before: the steps whose products it read, in the order of its inputs.
        repeated: whether it was named before, so that nothing is told of it again.
    """

    made: Made
    sources: tuple[str, ...]
    before: tuple[Origin, ...]
    repeated: bool


def find(path: str, records: Iterable[Made]) -> list[Made]:
    """Return the records of what lies at a path: a product, or a folder of them."""
    wanted = PurePath(path)
    return [
        made
        for made in records
        if any(PurePath(each) == wanted or wanted in PurePath(each).parents for each in made.outputs)
    ]


def trace_back(made: Made, records: Iterable[Made]) -> Origin:
    """Return a step with everything that stands behind it, back to what no step made."""
    makers = {path: each for each in records for path in each.outputs}
    return _origin(made, makers, set())


def _origin(made: Made, makers: Mapping[str, Made], named: set[str]) -> Origin:
    if made.name in named:
        return Origin(made, (), (), repeated=True)
    named.add(made.name)
    sources = tuple(path for path in made.inputs if path not in makers)
    before = {makers[path].name: makers[path] for path in made.inputs if path in makers}
    return Origin(
        made, sources, tuple(_origin(each, makers, named) for each in before.values()), repeated=False
    )


def followers(made: Iterable[Made], records: Iterable[Made]) -> Iterator[Made]:
    """Yield the steps that read products of these steps, directly or not, and are none of them."""
    first = list(made)
    changed, rest = {path for each in first for path in each.outputs}, [r for r in records if r not in first]
    while following := [each for each in rest if changed & each.inputs.keys()]:
        yield from following
        rest = [each for each in rest if each not in following]
        changed = {path for each in following for path in each.outputs}
