"""The records of a project as a graph: which step made which file, and what stands behind a product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from driftloop.params.merge import flatten
from driftloop.tracker.provenance import Made


@dataclass(frozen=True)
class Origin:
    """A step that stands behind a product.

    Attributes:
        made: its record.
        before: the files that it read, by the step that made them; of `None` what no step made:
            ledgers and other files of people.
    """

    made: Made
    before: Mapping[str | None, tuple[str, ...]]


def find(path: str, records: Iterable[Made]) -> list[Made]:
    """Return the records of what lies at a path: a product, or a folder of them."""
    wanted = PurePath(path)
    return [
        made
        for made in records
        if any(PurePath(each) == wanted or wanted in PurePath(each).parents for each in made.outputs)
    ]


def trace_back(made: Iterable[Made], records: Iterable[Made]) -> list[Origin]:
    """Return steps and everything that stands behind them, each once, before all that it was made from."""
    makers = {path: each for each in records for path in each.outputs}
    found: dict[str, Origin] = {}
    entered: set[str] = set()  # whatever its record says, no step comes before itself
    waiting = list(made)[::-1]
    while waiting:  # a stack of its own: streams are longer than Python's
        step = waiting[-1]
        if step.name not in entered:
            entered.add(step.name)
            behind = [makers[path] for path in step.inputs if path in makers]
            waiting += [each for each in reversed(behind) if each.name not in entered]
            continue
        waiting.pop()
        if step.name not in found:
            found[step.name] = Origin(step, _sorted_by_maker(step, makers))
    return list(reversed(found.values()))


def _sorted_by_maker(step: Made, makers: Mapping[str, Made]) -> dict[str | None, tuple[str, ...]]:
    """Return what a step read, by the name of the step that made it. None for what none made."""
    found: dict[str | None, tuple[str, ...]] = {}
    for path in step.inputs:
        name = makers[path].name if path in makers else None
        found[name] = (*found.get(name, ()), path)
    return found


def circumstances(made: Made) -> str:
    """Say when, for how long, by what and on what a step worked."""
    began = made.began.replace("T", " ").replace("Z", " UTC")
    image = f"image {made.image[:12]}" if made.image else "no container image"
    gpu = f", {made.hardware['gpu']}" if made.hardware["gpu"] else ""
    code = f"driftloop {made.code['version']} ({made.code['revision'][:12]})"
    machine = f"{made.hardware['machine']}, {made.hardware['cpus']} cores{gpu}"
    return f"{began}, {made.seconds:.1f} s; {code}, {image}; {machine}"


def settings(made: Made) -> str:
    """Name the parameters that a step could see, its seed among them."""
    return " ".join(f"{path.removesuffix('._target_')}={value}" for path, value in flatten(made.params))


def followers(made: Iterable[Made], records: Iterable[Made]) -> Iterator[Made]:
    """Yield the steps that read products of these steps, directly or not, and are none of them."""
    first = list(made)
    changed, rest = {path for each in first for path in each.outputs}, [r for r in records if r not in first]
    while following := [each for each in rest if changed & each.inputs.keys()]:
        yield from following
        rest = [each for each in rest if each not in following]
        changed = {path for each in following for path in each.outputs}
