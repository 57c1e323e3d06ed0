"""The commands that README, CONTRIBUTING and the pages of docs/ tell a reader to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
OURS = ("driftloop", "snakemake", "make", "dvc", "python")
"""What is held against the program's own parser, the Makefile, or the files of the repository."""
OTHERS = ("apptainer", "cat", "cd", "docker", "git", "mkdir", "npm", "pip", "source", "ssh", "tar", "unzip")
_ENDS = ("&&", "||", ";", "|")


@dataclass(frozen=True)
class Command:
    """One line that a reader types.

    Attributes:
        page: its name, such as `docs/review.md`.
        line: number of the line, from 1.
        text: as it stands there, without the prompt.
        whole: False for a command that is only mentioned, in the middle of a sentence.
    """

    page: str
    line: int
    text: str
    whole: bool = True

    @property
    def parts(self) -> list[list[str]]:
        """The words of each program that the line starts, without comments and redirections."""
        lexer = shlex.shlex(self.text, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        parts: list[list[str]] = [[]]
        words = iter(lexer)
        for word in words:
            if word in _ENDS:
                parts.append([])
            elif set(word) <= set("<>&"):
                next(words)
            elif word not in ("…", "..."):
                parts[-1].append(word)
        return [part for part in parts if part]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def commands(page: Path) -> Iterator[Command]:
    """Yield what a page shows: after `$` in console blocks, in indented blocks, and between backticks."""
    name, fence, rest = page.relative_to(ROOT).as_posix(), None, ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if mark := re.match(r" *```(\w*)", line):
            fence = mark[1] if fence is None else None
        elif rest or (fence == "console" and line.startswith("$ ")):
            text = f"{rest}{line.strip().removeprefix('$ ')}"
            rest = text[:-1] if text.endswith("\\") else ""
            if not rest:
                yield Command(name, number, text)
        elif fence is None and line.startswith("    ") and line.split()[:1] and line.split()[0] in OURS + OTHERS:
            yield Command(name, number, line.strip())
        elif fence is None:
            for text in re.findall(r"`((?:driftloop|snakemake|make) [^`]+)`", line):
                yield Command(name, number, text, whole=False)
        elif fence != "console" and line.removeprefix("$ ").split(" ")[0] in OURS:
            raise AssertionError(f"{name}:{number}: a command outside a console block: {line}")
