"""The `driftloop` command: finds the subcommand, and alone turns an error into an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from driftloop import __version__
from driftloop.commands.table import COMMANDS, find_command
from driftloop.errors import DriftloopError, lacking
from driftloop.printable import printable


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used: torch is not loaded to print a help text."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, D102
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002, D102
        return find_command(cmd_name)

    def resolve_command(  # noqa: D102
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and find_command(args[0]) is None and not args[0].startswith("-"):
            from driftloop.params.validate import did_you_mean

            ctx.fail(f"There is no command {args[0]!r}.{did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: D102
        width = max(map(len, self.list_commands(ctx)))
        for section, names in COMMANDS.items():
            with formatter.section(section):
                commands = ((name, find_command(name)) for name in names)
                formatter.write_dl(
                    [
                        (name.ljust(width), command.get_short_help_str(90))
                        for name, command in commands
                        if command
                    ]
                )


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="driftloop")
def driftloop() -> None:
    """Notice drift in a deployed image classifier, ask a person, repair the model, prove it, promote it.

    Run the whole pipeline with `snakemake --cores all`, see where it stands with `driftloop status`.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line. Exit 0 when done, else with the error's own status after saying why."""
    try:
        status = driftloop.main(args=arguments, standalone_mode=False) or 0
    except DriftloopError as error:
        _complain(str(error))
        status = error.exit_status
    except click.ClickException as error:
        error.message = printable(error.message, lines=True)  # type: ignore[misc]
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _complain("Interrupted: nothing more was written.")
        status = 130
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":
            raise
        _complain(f"{error.object!r} holds bytes that are no UTF-8 text; nothing was written.")
        status = 2
    except BrokenPipeError:
        sys.stderr.close()
        status = 0
    except Exception as error:
        if (said := lacking(error)) is None:
            raise
        sys.stderr.write(f"{printable(said)}\n")  # there may be no memory left for more
        status = 1
    sys.exit(status)


def _complain(text: str) -> None:
    from driftloop.commands.plain_console import PlainConsole

    PlainConsole(stderr=True, soft_wrap=True).print(printable(text, lines=True), style="red")
