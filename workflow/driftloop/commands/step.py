"""What all steps of the pipeline share: the parameters they may see, their window, their log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from driftloop.errors import ParameterError
from driftloop.params.load import load_params
from driftloop.params.merge import Params, only
from driftloop.params.validate import did_you_mean


class Step(click.Command):
    """A command that is one rule of the workflow.

    It is given the parameters that it declares in `reads` and no others. The rule's `params:` is the same
    declaration, so a changed parameter reruns exactly the steps that could have read it.
    """

    reads: tuple[str, ...]
    work: Callable[..., None]

    def leaves(self, params: Mapping[str, Any], window: str | None = None) -> Params:
        """Return the parameters that this step may see; `{window}` in a path is the window's name."""
        return only(params, [path.format(window=window) for path in self.reads])


def step(
    name: str,
    *,
    reads: tuple[str, ...] = (),
    windowed: bool = False,
    options: Sequence[click.Parameter] = (),
) -> Callable[..., Step]:
    """Make a function of `(params)`, or `(params, window)`, a step.

    Args:
        name: of the command; the rule's name with dashes.
        reads: dotted paths of the parameters that it may see.
        windowed: whether it works on one window of the stream, named by its first argument.
        options: further arguments and options, which the function takes by keyword: how to work, not on what.
    """

    def decorate(work: Callable[..., None]) -> Step:
        def run(
            overrides: tuple[str, ...], log: Path | None, window: str | None = None, **chosen: Any
        ) -> None:
            from driftloop.commands.console import logging_to

            params = load_params(overrides)
            arguments = [] if window is None else [known_window(params, window)]
            with logging_to(log):
                work(command.leaves(params, window), *arguments, **chosen)

        parameters: list[click.Parameter] = [
            *options,
            click.Argument(["overrides"], nargs=-1, metavar="[KEY=VALUE]..."),
            click.Option(
                ["--log"],
                type=click.Path(path_type=Path, dir_okay=False),
                help="Also write what is said here.",
            ),
        ]
        if windowed:
            parameters.insert(0, click.Argument(["window"]))
        read = ", ".join(path.format(window="WINDOW") for path in reads)
        epilog = f"Reads from params.yaml: {read}. KEY=VALUE overrides one for this run." if reads else None
        command = Step(name, callback=run, params=parameters, help=work.__doc__, epilog=epilog)
        command.reads, command.work = reads, work
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
