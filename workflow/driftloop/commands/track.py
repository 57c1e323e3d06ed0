"""The tracker's edge: every step of the present stream, what its record says, and `driftloop why`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands import review
from driftloop.commands.console import tell
from driftloop.errors import DataError
from driftloop.params.load import PARAMS_FILE, load_params
from driftloop.params.merge import only
from driftloop.tracker.judge import Digests, Judgement, Place, judge, settle, unvouched
from driftloop.tracker.provenance import SUFFIX, Made, changes, read_made, record

if TYPE_CHECKING:
    from rich.text import Text

    from driftloop.tracker.history import Origin


_REFERENCE = ("fetch-dataset", "split-dataset", "train-model", "fit-detector")
"""The steps of which every window hangs."""


def places(params: Mapping[str, Any]) -> Iterator[Place]:
    """Yield every step that the stream may have and leaves a record, with the parameters it would see now."""
    from driftloop.commands.table import steps

    for step in (each for each in steps() if not each.temporary):
        for window in params["stream"] if step.windowed else (None,):
            with suppress(KeyError):  # not a step of these parameters: nothing is taken in without an inbox
                yield Place(step.record(window), step.leaves(params, window))
    for window in params["stream"]:
        yield Place(record(layout.results(window), review.STEP), only(params, review.READS))


def outdated(window: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Say why the report of a window is not that of the present parameters and files, in words.

    Asks the records of its check and of all that this was made from, until one no longer holds. Where its
    check has left none, nothing is known. A review before it is not asked. With another reviewer its verdict
    is read off the ledger again. It comes out the same unless somebody answers anew.
    """
    present, digest = {place.record: place.params for place in places(params)}, Digests(read=0)
    first = record(layout.results(window), "check-window")
    asked, waiting = {first}, [first]
    while waiting:
        path = waiting.pop()
        made = read_made(path)
        if made is None or path not in present:
            continue
        reasons = () if path.name == f"{review.STEP}{SUFFIX}" else tuple(changes(made, present[path], digest))
        if reasons:
            return tuple(f"{made.name}: {reason}" for reason in reasons)
        behind = {each for read in made.inputs for each in _makers(read)} - asked
        asked |= behind
        waiting += behind
    return ()


def _makers(path: str) -> Iterator[Path]:
    """Yield where the record lies of the step that made a file."""
    for home in layout.homes(Path(path)):
        for each in home.glob(f"*{SUFFIX}"):
            if (made := read_made(each)) and path in made.outputs:
                yield each


def settle_times(params: Mapping[str, Any], *, keep: bool) -> frozenset[str]:
    """Let the files' times say which products hold, before Snakemake plans by them.

    Args:
        params: of the present stream.
        keep: False for a plan, which makes and removes no file.

    Returns:
        The windows that are finished: a plan need not name their jobs.

    Raises:
        ModelError: what is in production cannot be told.
    """
    from driftloop.commands.table import steps
    from driftloop.tracker.finished import finished
    from driftloop.tracker.production import anchor

    if keep:
        anchor()
    spent = [step.record(name).parent for step in steps() if step.temporary for name in params["stream"]]
    judgements = settle(list(places(params)), PARAMS_FILE, layout.DECISIONS, spent, keep=keep)
    return finished(judgements, params["stream"], _REFERENCE, partial(_steps_of, params=params))


def _steps_of(window: str, params: Mapping[str, Any]) -> set[str]:
    """Return the steps that a window needs by what was decided about it."""
    from driftloop.review.decision import STEPS

    simulated = params["stream"][window]["simulated"]
    drawn = ("make-window", "score-window") if simulated else ("take-window",)
    repairs = _repairs(window, params["filter"]["_target_"])
    judged = ("evaluate-candidates", *map(STEPS.__getitem__, repairs)) if repairs else ()
    return {*drawn, "predict-window", "check-window", review.STEP, *judged, "promote-model"}


@click.command()
@click.argument("path", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--stale", is_flag=True, help="List what no longer holds instead, and the reasons.")
def why(path: str | None, overrides: tuple[str, ...], stale: bool) -> None:
    """Say what made the product at PATH, back to the raw data and to people's decisions.

    With --stale: which steps' products no longer belong to the present parameters, data and decisions, and
    so would be made again.
    """
    if stale:
        given = (path, *overrides) if path else overrides
        params = load_params(given)
        _print_stale(judge(places(params), Digests()), params["filter"]["_target_"])
    elif path:
        _print_origins(path, judge(places(load_params(overrides)), Digests()))
    else:
        raise click.UsageError("Name the PATH of a product, or give --stale.")


def _print_stale(judgements: list[Judgement], filter_target: str) -> None:
    from driftloop.tracker.history import followers

    lost = unvouched(judgements)
    asked = (each for each in judgements if _asked_for(each.made, filter_target))
    judgements = sorted(asked, key=lambda each: each.made.began)  # in the order of the work
    stale = [each for each in judgements if each.reasons]
    for path in lost:
        tell(f"{path}: the record of what made it is gone, so it is made again")
    if not stale and not lost:
        tell("Everything that was made still holds.")
        return
    for each in stale:
        tell(f"{each.made.name}: {'; '.join(each.reasons)}")
    after = followers([each.made for each in stale], [each.made for each in judgements])
    if names := [made.name for made in sorted(after, key=lambda made: made.began)]:
        tell(f"Then, as far as what they read comes out otherwise: {', '.join(names)}")


def _asked_for(made: Made, filter_target: str) -> bool:
    """Whether the stream has this step as it was decided. A repair may be left from an earlier decision."""
    from driftloop.review.decision import STEPS

    if made.window is None or made.step not in {*STEPS.values(), "evaluate-candidates"}:
        return True
    repairs = _repairs(made.window, filter_target)
    return bool(repairs) and made.step in {*map(STEPS.get, repairs), "evaluate-candidates"}


def _repairs(window: str, filter_target: str) -> Sequence[str]:
    """Return the repairs that a window's verdict asks for. None where it is gone or damaged."""
    from driftloop.findings.verdict import Verdict
    from driftloop.review.decision import repairs_of

    try:
        return repairs_of(Verdict.of(window).decision, filter_target)
    except (DataError, KeyError):  # the verdict names no known decision
        return ()


def _print_origins(path: str, judgements: list[Judgement]) -> None:
    from driftloop.tracker.history import find, trace_back

    told, records = Path(path).as_posix(), [each.made for each in judgements]
    if Path(told).parent == layout.DECISIONS:
        _print_decisions([told])
        return
    found = find(told, records)
    if not found:
        raise DataError(
            f"Nothing says what made {told}: no step of the present stream left it. "
            "To see where the stream stands: driftloop status"
        )
    origins = trace_back(found, records)
    reasons = {each.made.name: each.reasons for each in judgements}
    for origin in origins:
        _print_origin(origin, reasons[origin.made.name], asked=origin.made in found)
    _print_decisions(sorted({path for each in origins for path in each.before.get(None, ())}))


def _print_origin(origin: Origin, reasons: tuple[str, ...], *, asked: bool) -> None:
    """Tell of a step; of one whose products were asked about also what it read and left, with digests."""
    from rich.text import Text

    from driftloop.report.story import listed
    from driftloop.tracker.history import circumstances, settings

    made = origin.made
    lines = [Text(circumstances(made))]
    if made.params:
        lines.append(Text(settings(made)))
    lines += [Text(f"no longer holds: {reason}", style="red") for reason in reasons]
    if asked:
        makers = {path: name or "no step" for name, paths in origin.before.items() for path in paths}
        read = [f"read {path}, {str(made.inputs[path])[:12]}, by {makers[path]}" for path in made.inputs]
        left = [f"left {path}, {digest[:12]}" for path, digest in made.outputs.items()]
        lines += map(Text, (*read, *left))
    else:
        steps = [name for name in origin.before if name]
        lines.append(Text(f"from {listed(steps)}" if steps else "from outside the project"))
    _print_block(Text(made.name, style="bold"), lines)


def _print_decisions(paths: Sequence[str]) -> None:
    """Tell what people said, ledger by ledger."""
    from rich.text import Text

    from driftloop.review.ledger import read_ledger

    for path in paths:
        entries = read_ledger(Path(path)) if path.endswith(".jsonl") else ()
        lines = []
        for entry in entries:
            answer = entry.answer
            about = f" ({answer.diagnosis})" if answer.diagnosis else ""
            reason = f": {entry.why}" if entry.why else ""
            when = entry.time.replace("T", " ").replace("Z", " UTC")
            lines.append(
                Text(
                    f"{when}, {entry.reviewer}: {answer.decision}{about}, {len(answer.labels)} labels{reason}"
                )
            )
        if lines:
            _print_block(Text(path, style="bold cyan"), lines)


def _print_block(title: Text, lines: Sequence[Text]) -> None:
    """Print lines below a title, indented; in a terminal as wide as that is, elsewhere unbroken."""
    from rich.padding import Padding

    from driftloop.commands.plain_console import PlainConsole

    console = PlainConsole()
    console.print(title)
    for line in lines:
        if console.is_terminal:
            console.print(Padding(line, (0, 0, 0, 4)))
        else:
            tell(f"    {line.plain}")
