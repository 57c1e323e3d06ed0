"""`driftloop images`: build the container images that the rules run in, and see what there is."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftloop.commands.console import say, terminal

if TYPE_CHECKING:
    from driftloop.containers.build import Engine
    from driftloop.containers.watch import Watch

_ROOT = Path()


@click.group()
def images() -> None:
    """Build and list the container images that the rules run in."""


@images.command()
@click.argument("roles", nargs=-1, metavar="[ROLE]...")
@click.option(
    "--engine",
    type=click.Choice(["docker", "apptainer"]),
    envvar="DRIFTLOOP_ENGINE",
    help="Build with this; without it, Docker where there is one, else Apptainer.",
)
@click.option(
    "--base-image",
    envvar="DRIFTLOOP_BASE_IMAGE",
    help="An image with Python, pip and venv to build on; without it, Docker Hub's python, slim.",
)
@click.option(
    "--torch",
    default="default",
    envvar="DRIFTLOOP_TORCH",
    show_default=True,
    help="Torch: what pip installs here (default), a build of PyTorch's (cpu, cu130), an index, a folder.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False),
    help="The model folder for the image `predict`; without it, the model in production.",
)
@click.option("--force", is_flag=True, help="Build also what is up to date.")
def build(
    roles: tuple[str, ...],
    engine: Engine | None,
    base_image: str | None,
    torch: str,
    model: Path | None,
    force: bool,
) -> None:
    """Build the images of the ROLEs, or all: a SIF file each in images/, skipping what is up to date.

    One more, predict, is built when it is named: it holds a model, and classifies what it is given.
    """
    from driftloop.containers import image
    from driftloop.containers.build import build_image, choose_engine, find_current
    from driftloop.tracker.production import production_folder

    for role in roles:
        image.check_role(_ROOT, role)
    if image.PREDICT in roles and model is None:
        model = production_folder()
    arguments = image.Arguments(base_image or image.DEFAULT_BASE, torch, model)
    if image.PREDICT in roles:
        image.build_arguments(_ROOT, image.PREDICT, arguments)  # without a model no engine is needed
    work = _ROOT / "build"
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work.absolute(), prefix="images-") as folder:
        for role in roles or image.roles(_ROOT):
            found = None if force else find_current(_ROOT, role, arguments)
            state = "is up to date"
            if found is None:
                engine = engine or choose_engine()
                with _watching(role) as watch:
                    found = build_image(_ROOT, role, arguments, engine, Path(folder), watch)
                state = f"built with {engine}"
            say((role, "bold"), f" {state}: {image.sif(_ROOT, role)}, {_megabytes(found.size)}")


@images.command(name="list")
def list_images() -> None:
    """List each image: the rules that run in it, whether it is built and up to date, its size and digest."""
    from rich.table import Table
    from rich.text import Text

    from driftloop.commands.plain_console import PlainConsole
    from driftloop.containers import image
    from driftloop.params.load import load_params

    table = Table("image", "state", "size", "sha256", "rules", box=None, pad_edge=False, header_style="bold")
    users = image.rules(_ROOT)
    for role in [*image.roles(_ROOT), image.PREDICT]:
        found = image.find_image(_ROOT, role)
        using = ", ".join(rule for rule, its_role in users.items() if its_role == role)
        if found is None:
            table.add_row(role, Text("not built", style="red"), "", "", using)
        else:
            state = (
                Text("up to date") if image.is_current(_ROOT, found) else Text("out of date", style="yellow")
            )
            table.add_row(role, state, _megabytes(found.size), found.sha256[:12], using)
    PlainConsole().print(table)
    if registry := load_params()["containers"]["registry"]:
        say(f"The rules use {registry}/ROLE instead of these files (params.yaml: containers.registry).")


@contextmanager
def _watching(role: str) -> Iterator[Watch]:
    """Yield what shows how far a build is: a bar on a terminal, else a line for each step."""
    if not sys.stderr.isatty():
        yield lambda what, _done, _total: say((role, "bold"), f" {what}")
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.fields[role]}"), BarColumn(20), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=terminal(), transient=True) as bar:
        task = bar.add_task("", role=role, total=None)
        yield lambda what, done, total: bar.update(
            task, description=what[:70], completed=done, total=total or None
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
