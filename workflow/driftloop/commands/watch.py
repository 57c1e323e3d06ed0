"""`driftloop watch`: wait for windows from production, and run the pipeline for each as it is whole."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.arrive import changed_windows, cut_windows, look_for_windows, untaken
from driftloop.commands.console import say, tell, terminal
from driftloop.errors import DriftloopError, ParameterError
from driftloop.params.arrivals import locked
from driftloop.params.load import PARAMS_FILE, load_params
from driftloop.tracker.run_lock import elsewhere, under_way

if TYPE_CHECKING:
    from rich.console import RenderableType

    from driftloop.data.inbox import Waiting
    from driftloop.report.status import WindowState

_LOG = Path("logs/watch.log")
_SNAKEMAKE = (sys.executable, "-P", "-m", "snakemake")
"""Without -P, a file of the working directory would take the place of an installed module."""
_POLL_SECONDS = 1.0
_PENDING = 75
_LOOK_AGAIN_SECONDS = 10.0
"""Whether a window comes again under its name is asked of all its files, which takes a while."""
_SHOWN = 20
_HARDER = ((signal.SIGINT, 10.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 1.0))
"""How a run is asked to end, and for how many seconds it may do so."""
_AUDIBLE = ("--quiet", "progress", "host", "reason")
"""Snakemake says which rule failed, which the profile keeps from people."""
_FAILED = re.compile(r"^(?:Error|\w+Exception) in rule (\w+)", re.MULTILINE)
"""Names the rule, in Snakemake's log."""
_PLACE = re.compile(r'\s+File ".*", line \d+, in ')
"""Where a refusal came up in the rules, which Snakemake's log says after the refusal itself."""
_ASKS = {
    "pending": ("waits for its review", "review"),
    "unsettled": ("its repair waits for labels", "settle"),
}
"""What a person is waited for in some states, and the command."""


@click.command()
@click.option("--once", is_flag=True, help="Take in what lies there, run, and stop: for cron.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- SNAKEMAKE OPTION...]")
def watch(once: bool, options: tuple[str, ...]) -> None:
    """Wait for windows in the inbox, and run the pipeline for each as soon as it is whole.

    Shows the stream as it stands. Drifted windows wait for their review (driftloop review WINDOW, in another
    terminal) while everything that does not depend on them goes on. Once one is answered, its repair is made.
    Options after -- go to Snakemake (--cores all by default). Ctrl-C ends it.
    """
    if load_params()["inbox"] is None:
        raise ParameterError(
            f"{PARAMS_FILE}: inbox is null, so there is nothing to watch. Write inbox: "
            "{folder: inbox, settle: 10, cut: null}"
        )
    command = [*_SNAKEMAKE, *(options or ("--cores", "all")), *_AUDIBLE]
    with _all_that_ends():
        if not once:
            _watch(command)
            return
        _wait_for_growing()
        say(f"Running the pipeline; what it says goes into {_LOG}.")
        before = {state.window: state.state for state in _states()}
        status, complaint = _run_to_end(command)
        asked = _tell(before)
        raise SystemExit(1 if complaint else _PENDING if asked else status)


@contextmanager
def _all_that_ends() -> Iterator[None]:
    """Within the block, a request to end and a closed terminal do as Ctrl-C: they end the run, too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(before: Mapping[str, str]) -> bool:
    """Say what a run has come to since windows had these states. Return whether a person is waited for."""
    waiting, changed = _waiting(), changed_windows(load_params())
    asked = bool(changed)  # what comes again under a window's name, only a person can judge
    for window in waiting.growing:
        say(("inbox:", "yellow"), f" {window} still changes, and is left for the next time.")
    for line in (*waiting.refused, *changed.values()):
        say(("inbox:", "yellow"), f" {line}")
    if waiting.loose:
        say(f"inbox: loose pictures that are not cut into a window yet: {waiting.loose:,}.")
    for state in _states():
        if command := _ASKS.get(state.state):
            asked = True
            say(f"{state.window} has drifted and {command[0]}: driftloop {command[1]} {state.window}")
        elif before.get(state.window) != state.state:
            say(f"{state.window}: {state.state}.")
    return asked


@dataclass
class _Run:
    """A run of Snakemake, or the memory of the last one."""

    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    seen: tuple[Any, ...] | None = None
    complaint: str = ""
    changed: tuple[str, ...] = ()
    looked: float = -math.inf


def _watch(command: Sequence[str]) -> None:
    """Look, run, show, until Ctrl-C."""
    run = _Run()
    with _live() as show:
        try:
            while True:
                show(_look(run, command))
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            pass
        finally:
            _stop(run)
    say("Stopped. Nothing is lost; to go on: driftloop watch")


def _look(run: _Run, command: Sequence[str]) -> RenderableType:
    """Go on, and return what there is to see: what cannot be read now may be mended meanwhile."""
    from rich.text import Text

    try:
        _step(run, command)
        return _view(_states(), _waiting(), run)
    except DriftloopError as error:
        return Text(str(error), style="red")


def _step(run: _Run, command: Sequence[str]) -> None:
    """Note the end of a run. Begin one where something has changed since the last began."""
    if run.process is not None:
        status = run.process.poll()
        if status is None:
            return
        run.process = None
        run.complaint = "" if status == 0 else _complaint()
    if time.monotonic() > run.looked + _LOOK_AGAIN_SECONDS:
        run.changed = tuple(changed_windows(load_params()).values())
        run.looked = time.monotonic()
    seen = (*_situation(), run.changed)
    if seen != run.seen and not under_way():
        run.seen, run.began, run.process = seen, time.time(), _begin(command)


def _situation() -> tuple[Any, ...]:
    """Return what a run depends on: windows, answers, parameters, the workflow, production."""
    files = (PARAMS_FILE, Path("Snakefile"), layout.PRODUCTION)
    times = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files)
    ledgers = tuple((path.name, path.stat().st_size) for path in sorted(layout.DECISIONS.glob("*.jsonl")))
    mended = untaken(load_params())
    return times, tuple(each for each in ledgers if each[1]), _waiting().whole, mended


def _waiting() -> Waiting:
    params = load_params()
    if params["inbox"] is None:
        raise ParameterError(f"{PARAMS_FILE}: inbox is null by now, so there is nothing to watch.")
    with locked(layout.ARRIVALS):
        cut_windows(params)
    return look_for_windows(params)


def _wait_for_growing() -> None:
    """Give what was just put into the inbox the time that shows it whole, but not more than a minute."""
    patience = time.monotonic() + min(load_params()["inbox"]["settle"] + 1, 60)
    if growing := _waiting().growing:
        say(f"inbox: {', '.join(growing)} changed just now; waiting until nothing does.")
    while _waiting().growing and time.monotonic() < patience:
        time.sleep(_POLL_SECONDS)


def _states() -> list[WindowState]:
    from driftloop.report.status import windows

    return windows(load_params())


def _begin(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start Snakemake without a terminal, so that no review asks here. What it says goes into the log."""
    _LOG.parent.mkdir(exist_ok=True)
    with _LOG.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 (Snakemake, with the options that the person gave)
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _run_to_end(command: Sequence[str]) -> tuple[int, str]:
    """Run, and return the exit status and why it failed, if that was not a review that is pending."""
    process = _begin(command)
    try:
        status = process.wait()
    finally:
        _stop(_Run(process))
    complaint = _complaint() if status else ""
    if complaint:
        say(complaint)
    return status, complaint


def _stop(run: _Run) -> None:
    """End a run with all its steps, as Ctrl-C would in its own terminal. Harder what does not listen.

    A step that is interrupted puts nothing half-made into place. The next run removes the rest of one that
    was killed. Another Ctrl-C loses patience.
    """
    if run.process is None or not _lives(run.process):
        return
    with suppress(OSError):  # the terminal may be gone
        say("Ending the run that is under way.")
    for number, patience in _HARDER:
        with suppress(ProcessLookupError, KeyboardInterrupt):
            os.killpg(run.process.pid, number)
            ends = time.monotonic() + patience
            while _lives(run.process) and time.monotonic() < ends:
                time.sleep(0.05)


def _lives(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether anything is left of a run: Snakemake, or a step that it has begun."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _complaint() -> str:
    """Return why the last run failed, but for reviews that are pending: those stand in the table."""
    text = _LOG.read_text(encoding="utf-8", errors="replace")
    if "LockException" in text:
        return elsewhere() or (
            "Another run holds the lock of this folder. If none is under way: snakemake --unlock"
        )
    if set(_FAILED.findall(text)) == {"review_window"}:
        return ""
    said = [line.strip() for line in text.splitlines() if line.strip() and not _PLACE.match(line)]
    failures = [place for place, line in enumerate(said) if line == "RuleException:" and place]
    others = [place for place in failures if "driftloop review " not in " ".join(said[place : place + 3])]
    reason = said[others[0] - 1] if others else said[-1] if said else ""
    return f"The run failed. {reason} See {_LOG}."


@contextmanager
def _live() -> Iterator[Any]:
    """Yield a function that shows a view: redrawn in place on a terminal, else a line for what is new."""
    if not terminal().is_terminal:
        said: set[str] = set()

        def show(view: RenderableType) -> None:
            from driftloop.commands.plain_console import PlainConsole

            console = PlainConsole(width=100, color_system=None)
            with console.capture() as capture:
                console.print(view)
            new = [line for line in capture.get().splitlines() if line.strip() and line not in said]
            said.update(new)
            for line in new:
                tell(line.rstrip())

        yield show
        return
    from rich.live import Live

    with Live(console=terminal(), auto_refresh=False, screen=False) as live:
        yield lambda view: live.update(view, refresh=True)


def _view(states: Sequence[WindowState], waiting: Waiting, run: _Run) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from driftloop.report.status import table

    asks = [(_ASKS[state.state][1], state.window) for state in states if state.state in _ASKS]
    lines: list[RenderableType] = [table(states[-_SHOWN:])]
    if len(states) > _SHOWN:
        lines.append(Text(f"and {len(states) - _SHOWN} earlier windows: driftloop status", style="dim"))
    lines += [
        Text(f"Waits for you, in another terminal: driftloop {command} {window}", style="bold yellow")
        for command, window in asks[:3]
    ]
    if len(asks) > 3:
        lines.append(Text(f"and {len(asks) - 3} more", style="yellow"))
    lines += [Text(line, style="yellow") for line in (*waiting.refused, *run.changed)[:4]]
    if complaint := run.complaint or (run.process is None and elsewhere()):
        lines.append(Text(complaint, style="red"))
    inbox = f"{len(waiting.whole)} whole, {len(waiting.growing)} still growing"
    if waiting.loose and terminal().is_terminal:  # in a log each picture would be a line
        inbox += f", loose pictures {waiting.loose:,}"
    lines.append(Text(f"inbox: {inbox}; {_doing(run)}. Ctrl-C ends.", style="dim"))
    return Group(*lines)


def _doing(run: _Run) -> str:
    """Say what is going on: on a terminal, the step whose log was written last."""
    if run.process is None:
        return "waiting for windows"
    if terminal().is_terminal:
        with suppress(FileNotFoundError):  # a step that begins anew puts its log away first
            written = {path: path.stat().st_mtime for path in _LOG.parent.rglob("*.log") if path != _LOG}
            newest = max(written, key=written.__getitem__, default=None)
            if newest and written[newest] >= run.began:
                return " ".join(["running", newest.stem, *newest.relative_to(_LOG.parent).parts[:-1]])
    return "running the pipeline"
