"""Every command that the docs name is one that its program understands, down to options and parameters."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import click
import pytest
from dvc.cli import DvcParserError
from tests.docs import ELSEWHERE, OTHERS, PAGES, PAGES_ELSEWHERE, TYPED, Command, commands
from tests.support import ROOT

from driftloop.commands.table import find_command
from driftloop.errors import DriftloopError
from driftloop.params.compose import compose
from driftloop.params.load import read_params
from driftloop.params.merge import flatten, override
from driftloop.params.validate import validate

REFUSALS = (AssertionError, SystemExit, click.ClickException, DriftloopError, DvcParserError)
PLACEHOLDERS = ("driftloop STEP",)
"""What stands for a command in a sentence, and is none."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_understood(page: Path) -> None:
    for command in commands(page):
        if command.text in PLACEHOLDERS:
            continue
        for words in command.parts:
            try:
                understand(words)
            except click.MissingParameter:
                assert not command.whole, command  # in a sentence a name is enough
            except REFUSALS as error:
                pytest.fail(f"{command}\n{error!r}")


@pytest.mark.parametrize(
    "wrong",
    [
        "driftloop revue w02",
        "driftloop review w02 --decide keep",
        "driftloop ledger chek",
        "driftloop check-window w02 detector.alfa=0.05",
        "driftloop configure dataset=mnits",
        "snakemake --coers all",
        "snakemake --cores all results/w02/drifts.json",
        "make tset",
        "dvc exp runn",
        "python benchmarks/nothing.py",
        "frobnicate --all",
    ],
)
def test_what_is_wrong_is_found(wrong: str) -> None:
    (words,) = Command("page", 1, wrong).parts
    with pytest.raises(REFUSALS):
        understand(words)


def test_what_stands_on_a_page_is_read() -> None:
    """Comments, redirections, chains and quotes; in a sentence, a block, after a prompt."""
    line = Command("page", 1, "cat one.png | driftloop predict --jsonl > out && dvc push   # there")
    assert line.parts == [["cat", "one.png"], ["driftloop", "predict", "--jsonl"], ["dvc", "push"]]
    found = {command.text for page in PAGES for command in commands(page)}
    assert {"driftloop review w02", "snakemake --cores all", "driftloop images build"} <= {
        re.sub(r" +#.*", "", text) for text in found
    }


def test_every_command_is_run_by_a_test() -> None:
    """On one of the pages that are typed, or by a test that is named."""
    shown = [command for page in PAGES for command in commands(page) if command.whole]
    typed = {
        shape
        for command in shown
        if command.page in {f"docs/{page}.md" for page in TYPED} and not command.elsewhere
        for shape in command.shapes
    }
    for command in shown:
        known = command.elsewhere or command.page in PAGES_ELSEWHERE or command.shapes <= typed
        assert known, f"{command}\nNo test runs it: see TYPED and ELSEWHERE in tests/docs.py"
    for test in (*ELSEWHERE.values(), *PAGES_ELSEWHERE.values()):
        assert (ROOT / test).exists(), test


def understand(words: list[str]) -> None:
    """Raise where a program would refuse these words."""
    program, *arguments = words
    if program == "driftloop":
        _driftloop(arguments)
    elif program == "snakemake":
        _snakemake(arguments)
    elif program == "dvc":
        _dvc_parser().parse_args(arguments)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        assert set(arguments) - {each for each in arguments if "=" in each} <= set(targets), targets
    elif program == "python":
        _python(arguments)
    else:
        assert program in OTHERS, f"{program} is not known to tests/docs.py"


def _driftloop(arguments: list[str]) -> None:
    name, *rest = arguments
    command = find_command(name)
    assert command is not None, f"there is no driftloop {name}"
    while isinstance(command, click.Group):
        below = command.commands.get(rest.pop(0) if rest else "")
        assert below is not None, f"driftloop {name} has {', '.join(command.commands)}"
        command = below
    try:
        context = command.make_context(name, rest)
    except click.exceptions.Exit:  # it was asked for its help
        return
    overrides = [each for each in context.params.get("overrides") or () if each != "KEY=VALUE"]
    if name == "configure":
        compose(context.params["choices"])
    elif name == "init":
        known = {path for path, _ in flatten(read_params(ROOT / "params.yaml"))}
        for each in overrides:
            assert each.startswith(("dataset.", "model.", "network.")) or each.split("=")[0] in known, (
                f"{each}: no such parameter"
            )
    else:
        validate(override(read_params(ROOT / "params.yaml"), overrides))


def _snakemake(arguments: list[str]) -> None:
    given = _snakemake_parser().parse_args(arguments)
    for profile in given.profile or ():
        assert (ROOT / profile / "config.yaml").exists(), f"there is no {profile}"
    rules = "".join(each.read_text() for each in (ROOT / "rules").glob("*.smk"))
    files = re.findall(r'"((?:data|models|results)/[^"]*)"', rules)
    patterns = [re.escape(each).replace(r"\{window\}", "[^/]+") for each in files]
    for target in given.targets:
        assert any(re.fullmatch(pattern, target) for pattern in patterns), f"no rule makes {target}"


def _python(arguments: list[str]) -> None:
    if arguments[0] == "-c":
        compile(arguments[1], "the command", "exec")
        return
    if arguments[:2] == ["-m", "pytest"]:
        arguments = [each for each in arguments[2:] if each.endswith(".py")]
    place = Path(arguments[0])
    assert (ROOT / place).exists() or (ROOT / "examples" / place.name).exists(), f"there is no {place}"


@cache
def _snakemake_parser():
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


@cache
def _dvc_parser():
    from dvc.cli.parser import get_main_parser

    return get_main_parser()
