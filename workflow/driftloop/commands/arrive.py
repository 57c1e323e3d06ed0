"""How windows from production join the stream: what every run, `watch` and `arrivals` ask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from driftloop import layout
from driftloop.commands.console import say
from driftloop.data.inbox import (
    Waiting,
    look_at_entry,
    look_into,
    present,
    settled_entries,
    window_name,
)
from driftloop.errors import DataError, LedgerError, ModelError
from driftloop.params.arrivals import add_arrivals, locked, read_arrivals, write_arrivals
from driftloop.params.load import load_params


def arrivals_now(overrides: Iterable[str] = (), *, keep: bool) -> dict[str, str]:
    """Return the windows that have arrived, those too that are whole and join the stream now.

    Args:
        overrides: of parameters.
        keep: write them into arrivals.txt, which makes them part of the stream for good.
    """
    params = load_params(overrides)
    if params["inbox"] is None:
        return {}
    with locked(layout.ARRIVALS):
        arrivals = read_arrivals(layout.ARRIVALS)
        if params["inbox"]["through"] is not None:
            return arrivals
        if not (there := _folder(params)).exists():
            # Not so in `watch`, which expects windows: a copy of the project, as of `dvc exp run --temp`, has
            # no inbox, and what was taken in is in data/windows.
            say((f"inbox: {there} does not exist, so nothing new is taken in.", "yellow"))
            return arrivals
        if keep:
            _name_again(params)
            cut_windows(params)
        waiting = look_for_windows(params)
        arrivals = add_arrivals(arrivals, waiting.whole, _models(arrivals), _production())
        if keep:
            write_arrivals(layout.ARRIVALS, arrivals)
    for line in (*waiting.refused, *changed_windows(params).values()):
        say(("inbox:", "yellow"), f" {line}")
    return arrivals


def _models(arrivals: Iterable[str]) -> dict[str, str | None]:
    """Return the digest of the model behind the reference and each window that is decided.

    A window is decided if it has a model of its own, or if a person has answered, even before a run has made
    anything of that. The answer holds for what the person saw, and the incumbent stays what it was. An answer
    to another report than the present one decides nothing. No digest has a model that is not there, is
    damaged, or may become another once it is settled.
    """
    models: dict[str, str | None] = {}
    for name in (layout.REFERENCE, *arrivals):
        made = (layout.model(name) / "model.json").exists()
        answered = _answered(name)
        if made and answered is not False:
            models[name] = _digest(name)
        elif answered:
            models[name] = None
    return models


def _answered(window: str) -> bool | None:
    """Tell whether an answer stands on the present report of a window. None where it asks for none.

    A window stays as it is if its report is missing or its ledger is damaged.
    """
    from driftloop.findings.drift import Drift
    from driftloop.review.ledger import read_ledger, reported

    ledger = layout.ledger(window)
    try:
        report = Drift.of(window)
        if not report.drifted:
            return None
        seen = reported(report)
        return any(entry.answers(seen) for entry in read_ledger(ledger))
    except LedgerError:
        return True
    except DataError:
        return True if ledger.exists() and ledger.stat().st_size else None


def _digest(owner: str) -> str | None:
    from driftloop.findings.evaluation import Evaluations
    from driftloop.findings.verdict import Verdict
    from driftloop.models.store import model_digest

    # A run makes anew what is damaged.
    with suppress(DataError, ModelError, KeyError, TypeError, AttributeError):
        verdict = Verdict.find(layout.verdict(owner))
        found = Evaluations.on(verdict) if verdict else None
        return None if found and found.ask else model_digest(layout.model(owner))
    return None


def _production() -> tuple[str, str]:
    """Return whose model is in production, and its digest. Before the first one, the reference's."""
    from driftloop.tracker.production import read_moves

    moves = read_moves()
    return (moves[-1].owner, moves[-1].model) if moves else (layout.REFERENCE, "")


def look_for_windows(params: Mapping[str, Any]) -> Waiting:
    """Say what waits in the inbox."""
    inbox = params["inbox"]
    return look_into(_folder(params), params["stream"], inbox["settle"], cut=inbox["cut"] is not None)


def changed_windows(params: Mapping[str, Any]) -> dict[str, str]:
    """Say of each window under whose name the inbox holds something else than was taken in how that differs.

    Files that still change are not judged yet, and missing ones are no change.
    """
    return {
        window: (
            f"{entry} has changed since window {window} was taken in: {said}. To check it instead: "
            f"driftloop retake {window}; as a window of its own: driftloop retake {window} --as-new"
        )
        for entry, window, said in _changed(params)
    }


def _changed(params: Mapping[str, Any]) -> list[tuple[Path, str, str]]:
    """Return what of the inbox has changed, under which window's name it lies, and how it differs."""
    from driftloop.commands.take import read_source
    from driftloop.data.taken import difference

    found: list[tuple[Path, str, str]] = []
    if params["inbox"] is None or not (folder := _folder(params)).is_dir():
        return found
    for entry in settled_entries(folder, params["inbox"]["settle"]):
        window = window_name(entry)
        if window not in params["stream"] or (taken := read_source(window)) is None:
            continue
        with suppress(DataError):  # what has just gone, or cannot be read, is no other window
            if said := difference(entry, taken):
                found.append((entry, window, said))
    return found


def untaken(params: Mapping[str, Any]) -> tuple[tuple[str, float | None], ...]:
    """Return the windows that have arrived but could not be taken in, and when they changed last."""
    if params["inbox"] is None:
        return ()
    folder = _folder(params)
    lacking = {
        window
        for window, facts in params["stream"].items()
        if not facts["simulated"] and not (layout.window(window) / "meta.json").exists()
    }
    settled = settled_entries(folder, params["inbox"]["settle"]) if lacking and folder.is_dir() else ()
    return tuple(
        (window_name(entry), look_at_entry(entry).latest)
        for entry in settled
        if window_name(entry) in lacking
    )


def _name_again(params: Mapping[str, Any]) -> None:
    """Give windows that come again under their names others, where that is asked for; under `locked`."""
    from driftloop.data.taken import name_by_day

    if params["inbox"]["again"] != "date":
        return
    for entry, window, _ in _changed(params):
        try:
            new = entry.rename(name_by_day(entry, set(params["stream"])))
        except OSError as error:
            raise DataError(f"{entry} came again, and cannot be renamed ({error.strerror}).") from error
        say(f"inbox: {window} came again, and is {new.name} now.")


def cut_windows(params: Mapping[str, Any]) -> None:
    """Cut the loose pictures of the inbox into windows, where that is asked for; under `locked`."""
    inbox = params["inbox"]
    if inbox["cut"] is None:
        return
    from driftloop.data.cut import cut_loose

    folder, taken = _folder(params), set(params["stream"])
    for name in cut_loose(folder, inbox["cut"], inbox["settle"], present(folder), taken):
        say(f"inbox: cut window {name}.")


def _folder(params: Mapping[str, Any]) -> Path:
    return Path(params["inbox"]["folder"]).expanduser()


def through(params: Mapping[str, Any]) -> list[str]:
    """Return the override with which a run's steps see the stream as it was when the run began."""
    arrived = [window for window, facts in params["stream"].items() if not facts["simulated"]]
    return [f"inbox.through={json.dumps(arrived[-1])}"] if arrived else []
