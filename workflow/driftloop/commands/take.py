"""Windows from production are taken in, once. What comes under the same name later, when a person says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop import layout
from driftloop.commands.console import say
from driftloop.commands.step import known_window, step

if TYPE_CHECKING:
    from driftloop.data.dataset import Dataset
    from driftloop.data.pictures import Form
    from driftloop.data.read_window import Arrived


@step(
    "take-window",
    reads=("dataset", "inbox.folder"),
    home="data/windows/{window}",
    options=[
        click.Option(
            ["--again"],
            is_flag=True,
            help="Take in what lies in the inbox now, in place of what was taken in.",
        )
    ],
)
def take_window(params: dict[str, Any], window: str, again: bool = False) -> None:
    """Take in a window that arrived from production: its images in the form that the model takes.

    What was taken in before serves again where the inbox holds it no more, or something else under its name.
    """
    from driftloop.data.contract import form_of
    from driftloop.data.dataset import load_dataset

    known = load_dataset(layout.split("train"))
    height, width, channels = known.images.shape[1:]
    form = form_of(params["dataset"], (height, width, channels))
    inbox = Path(params["inbox"]["folder"]).expanduser()
    kept = None if again else _kept(window, inbox, form)
    if kept is not None:
        _keep(window, kept, form, known)
        return
    _take(window, inbox, form, known)


@click.command()
@click.argument("window")
@click.option(
    "--as-new",
    is_flag=True,
    help="Leave WINDOW as it is, and rename what lies there WINDOW-YYYY-MM-DD, by the day (UTC) of its last "
    "change: it joins the stream as a window of its own.",
)
@click.option("--force", is_flag=True, help="Do it also where somebody has answered WINDOW's review.")
def retake(window: str, as_new: bool, force: bool) -> None:
    """Take in what lies in the inbox under the name of a WINDOW that was taken in before.

    An answer to the review of what was taken in stays in the ledger, but holds for those images alone.
    """
    from driftloop.data.inbox import find_entry
    from driftloop.data.taken import name_by_day
    from driftloop.errors import DataError, ParameterError
    from driftloop.params.load import load_params
    from driftloop.tracker.run_lock import under_way

    params = load_params()
    if known_window(params, window) and params["stream"][window]["simulated"]:
        raise ParameterError(f"{window} is simulated: it never lay in an inbox.")
    entry = find_entry(Path(params["inbox"]["folder"]).expanduser(), window)
    if as_new:
        new = name_by_day(entry, set(params["stream"]))
        entry.rename(new)
        say(f"{entry} is {new} now, and {window} stays as it was taken in. Next: snakemake --cores all")
        return
    if under_way():
        raise DataError(f"A run is under way, which may be reading {window}. Wait for its end.")
    if _is_answered(window) and not force:
        raise DataError(
            f"Somebody has answered the review of {window}: that holds for the images that were taken in. "
            f"For a window of its own: driftloop retake {window} --as-new. To put what lies in {entry} in "
            f"their place all the same: driftloop retake {window} --force"
        )
    take_window.perform(params, window, anew=True, again=True)
    say(f"{window} is what lies in {entry} now. Next: snakemake --cores all")


def _is_answered(window: str) -> bool:
    ledger = layout.ledger(window)
    return ledger.exists() and ledger.stat().st_size > 0


def _kept(window: str, inbox: Path, form: Form) -> Dataset | None:
    """Return the images of a window that was taken in where the inbox cannot give them again."""
    from driftloop.data.dataset import content_digest, load_dataset
    from driftloop.data.inbox import entries, window_name
    from driftloop.errors import DataError
    from driftloop.files import digest_array

    home = layout.window(window)
    there = [path for path in entries(inbox) if window_name(path) == window] if inbox.is_dir() else []
    try:
        kept = load_dataset(home)
        if digest_array(kept.images) != content_digest(home) or not (home / "origins.csv").is_file():
            return None
        if len(there) == 1 and _is_source(there[0], window, kept, form):
            return None
    except (DataError, KeyError, TypeError):
        return None
    one = f"{there[0]} is not what was taken in" if there else f"{inbox} no longer holds it"
    instead = f"{inbox} holds {len(there)} of that name" if len(there) > 1 else one
    change = f" To take in what lies there: driftloop retake {window}" if there else ""
    say(f"{window}: {instead}; the images that were taken in serve again.{change}")
    return kept


def _is_source(entry: Path, window: str, kept: Dataset, form: Form) -> bool:
    """Tell whether what lies in the inbox is what a window was taken in from.

    An earlier version did not note that. A window that a person has answered stays then, unless the same lies
    there.
    """
    import numpy as np

    from driftloop.data.read_window import read_window
    from driftloop.data.taken import difference
    from driftloop.errors import DataError

    if taken := read_source(window):
        return difference(entry, taken) is None
    if not _is_answered(window):
        return True
    try:
        return np.array_equal(read_window(entry, form).images, kept.images)
    except DataError:
        return False


def read_source(window: str) -> Any:
    """Return what lay in the inbox when a window was taken in. None where that is not known."""
    from driftloop.data.taken import Source
    from driftloop.errors import DataError
    from driftloop.files import read_json

    path = layout.source(window)
    try:
        return Source(**read_json(path)) if path.exists() else None
    except (DataError, TypeError):
        return None


def _keep(window: str, kept: Dataset, form: Form, known: Dataset) -> None:
    """Leave the images that were taken in, in the form that is asked for now, beside the present classes."""
    from collections import Counter
    from io import BytesIO

    import numpy as np
    from PIL import Image

    from driftloop.data.dataset import Dataset, save_dataset
    from driftloop.data.pictures import notes, read_picture
    from driftloop.files import read_json, write_json
    from driftloop.trace import note_write

    home, name = layout.window(window), f"{known.name}-{window}"
    if kept.images.shape[1:] == form.shape:  # then the file stays untouched: it may be all that is left
        facts = read_json(home / "meta.json")
        write_json(home / "meta.json", {**facts, "name": name, "classes": list(known.classes)})
        note_write(home / "images.npy")
    else:
        changes: Counter[str] = Counter()
        made = np.empty((len(kept), *form.shape), dtype=np.uint8)
        for place, image in enumerate(kept.images):
            stream = BytesIO()
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(stream, "PNG")
            made[place] = read_picture(stream, f"{window}[{place}]", form, changes)
        for note in notes(changes):
            say(f"{window}: {note}.")
        save_dataset(home, Dataset(made, None, name, known.classes))
    _save_nothing(window, name, known.classes, form)
    for path in (home / "origins.csv", layout.source(window)):
        if path.exists():
            note_write(path)


def _take(window: str, inbox: Path, form: Form, known: Dataset) -> None:
    from dataclasses import asdict

    from driftloop.data.dataset import Dataset, save_dataset
    from driftloop.data.inbox import find_entry, look_at_entry
    from driftloop.data.read_window import read_window
    from driftloop.data.taken import source_of
    from driftloop.errors import DataError
    from driftloop.files import write_json

    entry = find_entry(inbox, window)
    before = look_at_entry(entry)
    arrived = read_window(entry, form)
    source = source_of(entry)
    if before.latest is None or look_at_entry(entry) != before:
        raise DataError(f"{entry} changed while it was read; nothing was taken in. Run it again.")
    layout.source(window).unlink(missing_ok=True)  # what it says holds for the images that it lies beside
    _save_origins(window, arrived)
    name = f"{known.name}-{window}"
    save_dataset(layout.window(window), Dataset(arrived.images, None, name, known.classes))
    _save_nothing(window, name, known.classes, form)
    write_json(layout.source(window), asdict(source))
    _tell(window, arrived)


def _save_origins(window: str, arrived: Arrived) -> None:
    import csv

    from driftloop.files import atomic
    from driftloop.printable import cell

    with (
        atomic(layout.window(window) / "origins.csv") as path,
        path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(["index", "name", "left out because"])
        writer.writerows([index, cell(name), ""] for index, name in enumerate(arrived.names))
        writer.writerows(["", cell(name), cell(reason)] for name, reason in arrived.passed.entries)


def _save_nothing(window: str, name: str, classes: tuple[str, ...], form: Form) -> None:
    """Leave an empty population: nobody knows what a window from production was drawn from."""
    import numpy as np

    from driftloop.data.dataset import Dataset, save_dataset

    nothing = np.empty((0, *form.shape), dtype=np.uint8)
    save_dataset(layout.population(window), Dataset(nothing, None, name, classes))


def _tell(window: str, arrived: Arrived) -> None:
    for note in arrived.notes:
        say(f"{window}: {note}.")
    if left_out := len(arrived.passed.entries):
        share = f"{left_out:,} of {left_out + len(arrived.names):,} left out"
        say(f"{window}: ", (share, "bold yellow"), f", see {layout.window(window) / 'origins.csv'}.")
        for line in arrived.passed.lines():
            say(f"{window}: {line}")
