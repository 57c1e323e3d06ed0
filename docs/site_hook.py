"""The hook of `mkdocs.yml`: pages that lie outside docs/, the API, and lists as GitHub reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
"""Pages of the repository's root that the site shows beside those of docs/."""
PUBLIC = (
    "driftloop.checker.check",
    "driftloop.checker.detector",
    "driftloop.checker.window_test",
    "driftloop.contracts",
    "driftloop.data.contract",
    "driftloop.improver.filters",
    "driftloop.improver.gate",
    "driftloop.models.networks",
)
"""Modules whose docstrings make the page of the API."""


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from outside docs/ and the page of the API."""
    pages = {name: (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](") for name in OUTSIDE}
    pages["reference.md"] = "# Python API\n\n" + "\n".join(f"::: {name}" for name in PUBLIC) + "\n"
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Mend links that leave docs/, and indent lists by four, as Python's Markdown wants it."""
    for name in OUTSIDE:
        markdown = markdown.replace(f"](../{name})", f"]({name})")
    markdown = re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", r"\1 (`\2`)", markdown)
    return _indented(markdown)


def _indented(markdown: str) -> str:
    """Indent what goes on in a list item by four spaces instead of two or three."""
    lines, width = [], 0
    for line in markdown.splitlines():
        if item := re.match(r"(?:[-*]|\d+\.) +", line):
            width = len(item[0])
        elif line and not line.startswith(" "):
            width = 0
        elif width and line.startswith(" " * width):
            line = "    " + line[width:]
        lines.append(line)
    return "\n".join(lines) + "\n"
