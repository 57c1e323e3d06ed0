"""The tracker's edge: every step of the present stream, what its record says, and `driftloop why`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands import review
from driftloop.errors import DataError
from driftloop.params.load import PARAMS_FILE, load_params
from driftloop.params.merge import flatten, only
from driftloop.tracker.judge import Digests, Judgement, Place, judge, settle
from driftloop.tracker.provenance import record

if TYPE_CHECKING:
    from rich.tree import Tree

    from driftloop.tracker.history import Origin
    from driftloop.tracker.provenance import Made


def places(params: Mapping[str, Any]) -> Iterator[Place]:
    """Yield every step that the stream may have, with the parameters that it would see now."""
    from driftloop.cli import steps

    for step in steps():
        for window in params["stream"] if step.windowed else (None,):
            with suppress(KeyError):  # not a step of these parameters: nothing is taken in without an inbox
                yield Place(step.record(window), step.leaves(params, window))
    for window in params["stream"]:
        yield Place(record(layout.results(window), review.STEP), only(params, review.READS))


def settle_times(params: Mapping[str, Any]) -> None:
    """Let the files' times say which products hold, before Snakemake plans by them."""
    settle(list(places(params)), PARAMS_FILE, layout.DECISIONS)


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
        _print_stale(judge(places(load_params(given)), Digests()))
    elif path:
        _print_origins(path, judge(places(load_params(overrides)), Digests()))
    else:
        raise click.UsageError("Name the PATH of a product, or give --stale.")


def _print_stale(judgements: list[Judgement]) -> None:
    from driftloop.tracker.history import followers

    stale = [each for each in judgements if each.reasons]
    if not stale:
        click.echo("Everything that was made still holds.")
        return
    for each in stale:
        click.echo(f"{each.made.name}: {'; '.join(each.reasons)}")
    after = followers([each.made for each in stale], [each.made for each in judgements])
    if names := [made.name for made in after]:
        click.echo(f"Then, as far as what they read comes out otherwise: {', '.join(names)}")


def _print_origins(path: str, judgements: list[Judgement]) -> None:
    from rich.console import Console
    from rich.tree import Tree

    from driftloop.tracker.history import find, trace_back

    records = [each.made for each in judgements]
    told = Path(path).as_posix()
    tree = Tree(told)
    if Path(told).parent == layout.DECISIONS:
        _add_source(tree, told)
    elif found := find(told, records):
        reasons = {each.made.name: each.reasons for each in judgements}
        for made in found:
            _add_origin(tree, trace_back(made, records), reasons)
    else:
        raise DataError(
            f"Nothing says what made {told}: no step of the present stream left it. "
            "To see where the stream stands: driftloop status"
        )
    Console(highlight=False, soft_wrap=True).print(tree)


def _add_origin(tree: Tree, origin: Origin, reasons: Mapping[str, tuple[str, ...]]) -> None:
    from rich.text import Text

    made = origin.made
    if origin.repeated:
        tree.add(Text(f"{made.name}, as above", style="dim"))
        return
    branch = tree.add(Text.assemble((made.name, "bold"), f" · {_circumstances(made)}"))
    for reason in reasons[made.name]:
        branch.add(Text(f"no longer holds: {reason}", style="red"))
    for source in origin.sources:
        _add_source(branch, source)
    for before in origin.before:
        _add_origin(branch, before, reasons)


def _circumstances(made: Made) -> str:
    """Say when, by what, on what, and with which parameters something was made."""
    where = f"image {made.image[:12]}" if made.image else "no image"
    machine = f"{made.hardware['machine']}, {made.hardware['cpus']} cores"
    gpu = f", {made.hardware['gpu']}" if made.hardware["gpu"] else ""
    code = f"driftloop {made.code['version']} ({made.code['revision'][:12]})"
    told = f"{made.began}, {made.seconds:.1f} s · {code} · {where} · {machine}{gpu}"
    params = " ".join(f"{path}={value}" for path, value in flatten(made.params))
    return f"{told} · {params}" if params else told


def _add_source(tree: Tree, path: str) -> None:
    """Add what no step made; of a ledger, what people said."""
    from rich.text import Text

    from driftloop.review.ledger import read_ledger

    branch = tree.add(Text(path, style="cyan"))
    if path.endswith(".jsonl"):
        for entry in read_ledger(Path(path)):
            answer = entry.answer
            about = f" ({answer.diagnosis})" if answer.diagnosis else ""
            reason = f": {answer.reason}" if answer.reason else ""
            labels = f"{len(answer.labels)} labels"
            branch.add(Text(f"{entry.time} {entry.reviewer}: {answer.decision}{about}, {labels}{reason}"))
