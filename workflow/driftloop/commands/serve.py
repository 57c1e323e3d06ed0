"""`driftloop serve` and `driftloop metrics`: the model in production over HTTP, and figures to watch it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftloop import layout
from driftloop.commands.console import say, tell
from driftloop.errors import ParameterError
from driftloop.params.load import PARAMS_FILE, load_params

if TYPE_CHECKING:
    from driftloop.report.status import WindowState
    from driftloop.serve.capture import Capture
    from driftloop.serve.engine import Served
    from driftloop.serve.metrics import StreamFacts

_TOKEN = "DRIFTLOOP_TOKEN"  # noqa: S105 (the variable's name)
_LOCAL = ("127.0.0.1", "::1", "localhost")
_FACTS_SECONDS = 15.0
"""The stream's files are read no more often: of a thousand windows that takes seconds."""
_GRACE_SECONDS = 30
_MISSING = "needs packages that are not installed here. Install them: pip install 'driftloop[serve]'"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help=f"Any other needs {_TOKEN}.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes any.")
@click.option("--capture", is_flag=True, help="Make windows of the images, in the inbox.")
@click.option("--window", default=500, show_default=True, metavar="N", help="Images of a window.")
@click.option("--every", type=float, metavar="MINUTES", help="Close a window after so long, with a sample.")
@click.option("--share", default=1.0, show_default=True, help="Share of the images that is captured.")
def serve(host: str, port: int, capture: bool, window: int, every: float | None, share: float) -> None:
    """Answer over HTTP with the model in production, by the Open Inference Protocol (KServe v2).

    A promotion or a rollback is followed within a second, between requests. With --capture, the images become
    windows: each of N images, or each of the last MINUTES with a random sample of at most N. Then `driftloop
    watch` takes them in. Nothing is kept without --capture. SIGTERM answers what has come, and ends.

    The environment variable DRIFTLOOP_TOKEN holds the bearer token that requests need. Without one, only this
    machine is served.
    """
    try:
        import uvicorn

        from driftloop.serve.app import MODEL, Service
        from driftloop.serve.metrics import Metrics
    except ModuleNotFoundError as error:
        raise click.ClickException(f"driftloop serve {_MISSING}") from error
    from driftloop.serve.engine import Engine

    token = os.environ.get(_TOKEN)
    if host not in _LOCAL and not token:
        raise click.UsageError(
            f"--host {host} lets other machines in, so requests need a token. "
            f"Set {_TOKEN} to a long random text."
        )
    if token and not (token.isascii() and token.isprintable()):
        raise click.UsageError(f"{_TOKEN} has to be of printable ASCII, so that every client can send it.")
    capturing = _capture(window, every, share) if capture else None
    engine = Engine(_loader())
    service = Service(engine, capturing, Metrics(_remembered(stream_facts)), say, token=token)
    config = uvicorn.Config(
        service.app(), host, port, log_level="warning", timeout_graceful_shutdown=_GRACE_SECONDS
    )
    server = uvicorn.Server(config)
    place = f"[{host}]" if ":" in host else host
    with config.bind_socket() as listening:
        # asyncio leaves this out for a socket of no named protocol: an answer's body then waits 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.listen()  # from now on nobody is refused, though the first have to wait
        port = listening.getsockname()[1]
        say(f"In production: {engine.served.owner}. Serving it at http://{place}:{port}/v2/models/{MODEL}")
        if capturing:
            say(f"Images become windows in {capturing.plan.folder}/. To take them in: driftloop watch")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn raises it once more when all is answered
        server.run(sockets=[listening])
    if capturing:
        say(f"{capturing.windows} windows written; {capturing.dropped:,} images were dropped.")


def _capture(window: int, every: float | None, share: float) -> Capture:
    from driftloop.serve.capture import Capture, Plan

    params = load_params()
    if params["inbox"] is None:
        raise ParameterError(
            f"{PARAMS_FILE}: inbox is null, so there is no place for windows. Write inbox: "
            "{folder: inbox, settle: 10, cut: null}"
        )
    folder = Path(params["inbox"]["folder"])
    return Capture(Plan(folder, window, None if every is None else every * 60, share, params["seed"]))


def _loader() -> Callable[[Served | None], Served]:
    """Return what loads the model in production, where the pointer has moved since it was asked before."""
    from driftloop.commands.classify import open_model, own_form
    from driftloop.models.store import model_digest
    from driftloop.serve.engine import Served
    from driftloop.tracker.production import production_folder
    from driftloop.tracker.provenance import vouched

    seen: list[tuple[int, int]] = []

    def load(before: Served | None) -> Served:
        moved = _mark(layout.PRODUCTION)
        if before and [moved] == seen:
            return before
        with vouched():
            folder = production_folder()
            digest = model_digest(folder)
            same = before is not None and (before.owner, before.digest) == (folder.name, digest)
            classifier = before.classifier if before and same else open_model(folder).eval()
        seen[:] = [moved]
        if before and same:
            return before
        return Served(folder.name, digest, classifier, own_form(classifier.input_shape))

    return load


def _mark(path: Path) -> tuple[int, int]:
    found = path.stat() if path.exists() else None
    return (found.st_mtime_ns, found.st_ino) if found else (0, 0)


def _remembered(ask: Callable[[], StreamFacts]) -> Callable[[], StreamFacts]:
    """Return a function that asks no more often than every so many seconds."""
    kept: list[tuple[float, StreamFacts]] = []

    def remembered() -> StreamFacts:
        now = time.monotonic()
        if not kept or now - kept[0][0] > _FACTS_SECONDS:
            kept[:] = [(now, ask())]
        return kept[0][1]

    return remembered


@click.command()
@click.option("--textfile", type=click.Path(path_type=Path), metavar="FILE", help="Write FILE instead.")
def metrics(textfile: Path | None) -> None:
    """Print where the stream stands as metrics, in Prometheus' text format.

    With --textfile, for the textfile collector of a machine that nobody can reach. `driftloop serve` has the
    same at /metrics, and the traffic's.
    """
    from driftloop.files import write_text

    try:
        from driftloop.serve.metrics import stream_text
    except ModuleNotFoundError as error:
        raise click.ClickException(f"driftloop metrics {_MISSING}") from error
    text = stream_text(stream_facts()).decode()
    if textfile:
        write_text(textfile, text)
    else:
        tell(text.removesuffix("\n"))


def stream_facts() -> StreamFacts:
    """Return where the stream stands, for metrics."""
    from driftloop.report.status import windows
    from driftloop.serve.metrics import StreamFacts
    from driftloop.tracker.production import read_moves

    states = windows(load_params())
    asked = [state for state in states if state.state in ("pending", "unsettled")]
    checked = [since for state in asked if (since := _checked(state)) is not None]
    moves = read_moves()
    return StreamFacts(
        Counter(state.state for state in states),
        max(0.0, time.time() - min(checked)) if checked else None,
        moves[-1].owner if moves else None,
        _seconds(moves[-1].time) if moves else None,
        _last(states),
    )


def _checked(state: WindowState) -> float | None:
    """When a window was checked, in seconds since 1970."""
    from driftloop.tracker.provenance import read_made, record

    made = read_made(record(layout.results(state.window), "check-window"))
    return _seconds(made.began) + made.seconds if made else None


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _last(states: list[WindowState]) -> dict[str, float]:
    """Figures of the last window that was checked."""
    seen = [state for state in states if state.drifted is not None]
    names = ("drifted", "p_value", "novel_share", "estimated_accuracy")
    told = {name: getattr(seen[-1], name) for name in names} if seen else {}
    return {name: float(value) for name, value in told.items() if value is not None}
