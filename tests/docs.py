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
OTHERS = (
    "apptainer",
    "awk",
    "cat",
    "cd",
    "cp",
    "docker",
    "git",
    "head",
    "mkdir",
    "npm",
    "pip",
    "sed",
    "sleep",
    "source",
    "ssh",
    "tar",
    "unzip",
)
TYPED = ("improve", "own-data", "review", "tracking", "tutorial", "your-own-parts")
"""Pages whose commands tests/e2e/test_docs_run.py types, in order, but for `ELSEWHERE`."""
ELSEWHERE = {
    "source .venv": "tests/conftest.py",  # the environment that all tests run in
    "make": ".ci/run",
    "make demo": "tests/e2e/test_demo.py",
    "dvc": "tests/e2e/test_dvc.py",
    "git": "tests/e2e/test_dvc.py",
    "cp -r ../monday inbox/": "tests/abuse/test_inbox.py",
    "driftloop review w0": "tests/e2e/test_terminal.py",  # at a terminal; with options it is typed
    "driftloop settle": "tests/unit/test_settle.py",
    "driftloop ledger merge": "tests/e2e/test_review_program.py",
    "driftloop retake": "tests/abuse/test_again.py",
    "driftloop rollback": "tests/unit/test_production.py",  # where they are typed, nothing may be promoted
    "driftloop promote": "tests/unit/test_production.py",
    "driftloop watch": "tests/e2e/test_own_images.py",  # it ends with Ctrl-C; with --once it is typed
    "driftloop init my-project --images photos/ --model": "tests/unit/test_models_outside.py",
}
"""Beginnings of commands, and the test that runs what they run."""
PAGES_ELSEWHERE = {
    "docs/cluster.md": "tests/containers/test_pipeline.py",
    "docs/serve.md": "tests/e2e/test_serve.py",
    "docs/second-domain.md": "tests/unit/test_examples.py",  # whole, it takes 140 MB of drawings and minutes
}
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

    @property
    def shapes(self) -> set[tuple[str, ...]]:
        """Each program with its subcommand and the names of its options: what is told to do what."""
        return {
            (*part[: 2 if part[0] in OURS else 1], *sorted(word for word in part if word.startswith("--")))
            for part in self.parts
        }

    @property
    def elsewhere(self) -> bool:
        """Whether another test runs it."""
        plain = re.sub(r" +#.*", "", self.text)
        asked = [each for each in ELSEWHERE if plain.startswith(each)]
        typed = re.search("--(once|json|decision|export)", plain) and "settle" not in plain
        return bool(asked) and not typed

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def commands(page: Path) -> Iterator[Command]:
    """Yield what a page shows: after `$` in console blocks, in indented blocks, and between backticks."""
    name, fence, rest = page.relative_to(ROOT).as_posix(), None, ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if mark := re.match(r" *```(\w*)", line):
            fence = mark[1] if fence is None else None
        elif rest or (fence == "console" and line.lstrip().startswith("$ ")):
            text = f"{rest}{line.strip().removeprefix('$ ')}"
            rest = text[:-1] if text.endswith("\\") else ""
            if not rest:
                yield Command(name, number, text)
        elif (
            fence is None
            and line.startswith("    ")
            and line.split()[:1]
            and line.split()[0] in OURS + OTHERS
        ):
            yield Command(name, number, line.strip())
        elif fence is None:
            for text in re.findall(r"`((?:driftloop|snakemake|make) [^`]+)`", line):
                yield Command(name, number, text, whole=False)
        elif fence != "console" and line.removeprefix("$ ").split(" ")[0] in OURS:
            raise AssertionError(f"{name}:{number}: a command outside a console block: {line}")
