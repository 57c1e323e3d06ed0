"""The pages of commands and parameters are those of the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from driftloop.cli import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"


def pages():
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAGES


@pytest.mark.parametrize("name", ["commands.md", "parameters.md"])
def test_a_generated_page_is_not_stale(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == pages()[name](), f"docs/{name} is stale. Run: make reference"


def test_every_command_named_in_the_docs_exists() -> None:
    known = {name for section in COMMANDS.values() for name in section}
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"^ {4}driftloop ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in known, f"{page.name} names driftloop {name}"
