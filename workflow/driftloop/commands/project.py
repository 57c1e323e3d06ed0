"""Commands that a person uses beside the workflow: configure, status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftloop import layout
from driftloop.commands.console import say, tell, tell_json
from driftloop.errors import DriftloopError, ParameterError
from driftloop.params.load import PARAMS_FILE, load_params
from driftloop.params.merge import Params

if TYPE_CHECKING:
    from driftloop.report.status import WindowState


@click.command()
@click.argument("choices", nargs=-1, metavar="[GROUP=PRESET | KEY=VALUE]...")
@click.option("--force", is_flag=True, help="Replace a params.yaml that is there already.")
@click.option("--show", is_flag=True, help="Print the parameters instead of writing them.")
def configure(choices: tuple[str, ...], force: bool, show: bool) -> None:
    """Compose params.yaml from presets, such as dataset=cifar10 stream=sweep.

    Groups: dataset (mnist, fashion_mnist, cifar10, digits) and stream (demo, sweep). Single values follow
    in the same way: review.samples=48.
    """
    from driftloop.files import write_text
    from driftloop.params.compose import compose, render

    text = render(compose(choices), choices)
    if show:
        tell(text.removesuffix("\n"))
        return
    if PARAMS_FILE.exists() and not force and PARAMS_FILE.read_text(encoding="utf-8") != text:
        raise ParameterError(
            f"{PARAMS_FILE} is there already, with other values. To replace it: "
            f"driftloop configure --force {' '.join(choices)}".rstrip()
        )
    write_text(PARAMS_FILE, text)
    here = Path("Snakefile").exists()
    step = "snakemake --cores all" if here else "driftloop init, for a project on your own images"
    say(f"Wrote {PARAMS_FILE}. {'' if here else 'There is no workflow here. '}Next: {step}")


@click.command()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print what a program needs.")
@click.option(
    "--report",
    is_flag=True,
    help="Also write summary and report as it stands: a run that a review stops does.",
)
def status(overrides: tuple[str, ...], as_json: bool, report: bool) -> None:
    """Show where the stream stands: each window, what is pending, and the next command."""
    from driftloop.commands.report import write_as_it_stands
    from driftloop.report.status import describe, next_step, table, windows

    params = load_params(overrides)
    states = [_as_it_is_now(state, params) for state in windows(params)]
    if report:
        try:
            write_as_it_stands(params, states)
        except DriftloopError as error:
            say((f"The report stays as it was: {error}", "yellow"))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            damaged = f"a file has not what it should ({error!r}). The next run makes it anew."
            say((f"The report stays as it was: {damaged}", "yellow"))
    if as_json:
        tell_json([describe(state) for state in states])
        return
    from driftloop.commands.arrive import changed_windows
    from driftloop.commands.plain_console import PlainConsole
    from driftloop.commands.trust import unseen

    console = PlainConsole()
    console.print(table(states))
    for state in states:
        if state.problem:
            console.print(f"{state.window}: {state.problem}", style="red")
    for line in changed_windows(params).values():
        console.print(f"inbox: {line}", style="yellow")
    if (code := unseen()) is not None:
        console.print(code, style="yellow", soft_wrap=True)
    if layout.REPORT.exists():
        console.print(f"Report: {layout.REPORT}")
    console.print(f"Next:   {next_step(states)}")


def _as_it_is_now(state: WindowState, params: Params) -> WindowState:
    """Return a state; of a window that waits for a person it says whether the next run checks it anew."""
    from dataclasses import replace

    from driftloop.commands.track import outdated

    if state.state != "pending" or not (reasons := outdated(state.window, params)):
        return state
    said = f"it was checked under other circumstances: {'; '.join(reasons)}. The next run checks it anew."
    return replace(state, problem=said)
