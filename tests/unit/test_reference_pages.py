"""The pages of commands and parameters are those of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from driftloop.cli import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"


def made_anew(name: str) -> str:
    """Make a page in a process of its own: Click remembers how a command was first asked for its help."""
    page = f"runpy.run_path({str(DOCS / 'make_reference.py')!r})['PAGES'][{name!r}]()"
    code = f"import runpy; print({page}, end='')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ["commands.md", "parameters.md"])
def test_a_generated_page_is_not_stale(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == made_anew(name), f"docs/{name} is stale. Run: make reference"


def test_every_command_named_in_the_docs_exists() -> None:
    known = {name for section in COMMANDS.values() for name in section}
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"^ {4}driftloop ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in known, f"{page.name} names driftloop {name}"
