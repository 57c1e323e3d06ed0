"""`driftloop trust`: what a project runs that is not driftloop's, shown before its first run."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

import click

from driftloop.commands.console import say, tell
from driftloop.errors import DriftloopError
from driftloop.params.load import PARAMS_FILE, read_params


@click.command()
@click.option("--yes", is_flag=True, help="Remember without asking.")
def trust(yes: bool) -> None:
    """Show which classes and files of its own this project runs, and remember that you have looked.

    Later changes are shown as such, here and by `driftloop status`. It is remembered by digest, in your own
    state folder and not in the project. Nothing is run to show it.
    """
    from driftloop.tracker.own_code import CLASS, own_code, remember, seen

    root = Path.cwd()
    code, before = own_code(root, read_params(PARAMS_FILE), _is_ours), seen(root)
    if not code:
        tell("This project runs driftloop's own classes and workflow, and nothing else.")
        return
    for name, digest in code.items():
        word = "new" if name not in before else "same" if before[name] == digest else "changed"
        tell(f"{word:<8} {CLASS if digest == CLASS else digest[:12]:<13} {name}")
    for name in sorted(before.keys() - code.keys()):
        tell(f"{'gone':<22} {name}")
    if code == before:
        say("You have looked at all of these.")
        return
    if not yes and not sys.stdin.isatty():
        raise DriftloopError("Nobody is here to ask. If you have looked at these: driftloop trust --yes")
    if not yes and not click.confirm("A run executes these. Have you looked at them?", err=True):
        raise DriftloopError("Nothing was remembered. Do not run what you have not looked at.")
    say(f"Remembered in {remember(root, code)}.")


def unseen() -> str | None:
    """Return a line about code of this project's own that this user has not looked at. None without any."""
    from driftloop.tracker.own_code import own_code, seen

    root = Path.cwd()
    try:
        before = seen(root)
        code = own_code(root, read_params(PARAMS_FILE), _is_ours)
    except (DriftloopError, OSError):
        return None
    other = [name for name, digest in code.items() if before.get(name) != digest]
    if not other:
        return None
    listed = ", ".join(other[:3]) + (f" and {len(other) - 3} more" if len(other) > 3 else "")
    return f"This project runs code of its own that you have not looked at: {listed}. See: driftloop trust"


def remember_made(folder: Path) -> None:
    """Remember the files of a project that this user has just made. Without a place for it, do nothing."""
    from driftloop.tracker.own_code import own_code, remember

    with suppress(DriftloopError):
        if code := own_code(folder, read_params(folder / PARAMS_FILE), _is_ours):
            remember(folder, code)


def _is_ours(name: str, path: Path) -> bool:
    """Whether a workflow file is as driftloop brings it, or as `driftloop init` writes it."""
    from driftloop.commands.start import SNAKEFILE_TEXT
    from driftloop.pipeline import ROOT

    content = path.read_bytes()
    original = ROOT / name
    beside = name.endswith(".py") and "/" not in name  # where a user's own classes lie, in a checkout too
    if not beside and original.is_file() and path.samefile(original):
        return True
    if name == "Snakefile" and content == SNAKEFILE_TEXT.encode():
        return True
    if name.startswith(".dvc/"):
        return content.split() in ([], [b"[core]", b"analytics", b"=", b"false"])
    if beside or not original.is_file():
        return False
    if name == "dvc.yaml":  # `init` writes it without the rules, and with its own last window
        return _stages(content) == _stages(original.read_bytes())
    return content == original.read_bytes()


def _stages(content: bytes) -> bytes:
    return re.sub(rb"path: models/[\w.-]+", b"path: models/", content.replace(b"      - rules\n", b""))
