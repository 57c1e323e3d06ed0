"""What all steps of the pipeline share: the parameters they may see, their window, record and log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from driftloop.errors import ParameterError
from driftloop.params.load import load_params
from driftloop.params.merge import Params, only
from driftloop.params.validate import did_you_mean
from driftloop.tracker.provenance import make, record


class Step(click.Command):
    """A command that is one rule of the workflow.

    It is given the parameters that it declares in `reads` and no others, so a changed parameter reruns
    exactly the steps that could have read it. In `home`, the folder of its products, it leaves the record of
    what made them.
    """

    reads: tuple[str, ...]
    home: str
    temporary: bool
    work: Callable[..., None]

    @property
    def windowed(self) -> bool:
        """Whether it works on one window of the stream."""
        return "{window}" in self.home

    def leaves(self, params: Mapping[str, Any], window: str | None = None) -> Params:
        """Return the parameters that this step may see. `{window}` in a path is the window's name."""
        return only(params, [path.format(window=window) for path in self.reads])

    def record(self, window: str | None = None) -> Path:
        """Return where the record of its products lies."""
        return record(Path(self.home.format(window=window)), str(self.name))

    def perform(
        self, params: Mapping[str, Any], window: str | None = None, *, anew: bool = False, **chosen: Any
    ) -> None:
        """Do its work, unless its products hold already, and record what made them."""
        from driftloop.commands.console import say

        try:
            seen = self.leaves(params, window)
        except KeyError as error:
            raise ParameterError(f"{self.name} needs {error.args[0]}, which is not set here.") from error
        work = partial(self.work, seen, *([] if window is None else [window]), **chosen)
        if self.temporary:
            work()
        elif not make(self.record(window), str(self.name), window, seen, work, anew=anew):
            say(f"{window or self.name}: nothing that this step reads has changed; what it made stays.")


def step(
    name: str,
    *,
    reads: tuple[str, ...],
    home: str,
    temporary: bool = False,
    options: Sequence[click.Parameter] = (),
) -> Callable[..., Step]:
    """Make a function of `(params)`, or `(params, window)`, a step.

    Args:
        name: of the command. The rule's name with dashes.
        reads: dotted paths of the parameters that it may see.
        home: the folder of its products. A step with `{window}` in it works on one window of the stream,
            named by its first argument.
        temporary: its products are gone after the run, so that nothing records what made them.
        options: further arguments and options, which the function takes by keyword: how to work, not on what.
    """

    def decorate(work: Callable[..., None]) -> Step:
        def run(
            overrides: tuple[str, ...], log: Path | None, anew: bool, window: str | None = None, **chosen: Any
        ) -> None:
            from driftloop.commands.console import logging_to

            params = load_params(overrides)
            if window is not None:
                known_window(params, window)
            with logging_to(log):
                command.perform(params, window, anew=anew, **chosen)

        parameters: list[click.Parameter] = [
            *options,
            click.Argument(["overrides"], nargs=-1, metavar="[KEY=VALUE]..."),
            click.Option(
                ["--log"],
                type=click.Path(path_type=Path, dir_okay=False),
                help="Also write what is said here.",
            ),
            click.Option(["--anew"], is_flag=True, help="Do it also where what it made still holds."),
        ]
        if "{window}" in home:
            parameters.insert(0, click.Argument(["window"]))
        read = ", ".join(path.format(window="WINDOW") for path in reads)
        epilog = f"Reads from params.yaml: {read}. KEY=VALUE overrides one for this run." if reads else None
        command = Step(name, callback=run, params=parameters, help=work.__doc__, epilog=epilog)
        command.reads, command.home, command.temporary, command.work = reads, home, temporary, work
        return command

    return decorate


def known_window(params: Mapping[str, Any], window: str) -> str:
    """Return the name of a window of the stream.

    Raises:
        ParameterError: there is no such window.
    """
    if window not in params["stream"]:
        raise ParameterError(
            f"There is no window {window!r} in the stream.{did_you_mean(window, params['stream'])}"
        )
    return window
