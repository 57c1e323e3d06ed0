"""The pages of commands and parameters are those of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from driftloop.commands.table import COMMANDS, find_command

ROOT = Path(__file__).parents[2]
DOCS, PACKAGE = ROOT / "docs", ROOT / "workflow" / "driftloop"


def made_anew(name: str) -> str:
    """Make a page in a process of its own: Click remembers how a command was first asked for its help."""
    page = f"runpy.run_path({str(DOCS / 'make_reference.py')!r})['PAGES'][{name!r}]()"
    code = f"import runpy; print({page}, end='')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ["commands.md", "models.md", "parameters.md"])
def test_a_generated_page_is_not_stale(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == made_anew(name), f"docs/{name} is stale. Run: make reference"


def test_the_plan_of_the_house_names_every_rule_with_its_code() -> None:
    lines = (DOCS / "house.md").read_text(encoding="utf-8").splitlines()
    rows = [re.findall(r"`([^`]+)`", line) for line in lines if ".smk` |" in line]
    rules = {name: file.name for file in (ROOT / "rules").glob("*.smk") for name in rules_in(file)}
    assert {row[0]: row[1] for row in rows} == rules
    for rule, _, module, *cores in rows:
        command = find_command("review" if rule == "review_window" else rule.replace("_", "-"))
        assert command is not None
        assert all((PACKAGE / core).exists() for core in (module, *cores)), rule
    homes = {
        name: f"commands/{module}.py" for section in COMMANDS.values() for name, module in section.items()
    }
    assert {row[0]: row[2] for row in rows if row[0] != "review_window"} == {
        row[0]: homes[row[0].replace("_", "-")] for row in rows if row[0] != "review_window"
    }


def rules_in(file: Path) -> list[str]:
    return re.findall(r"^(?:rule|checkpoint) (\w+):", file.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_page_is_in_the_index_and_no_link_is_dead() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name}" in index, f"docs/README.md leaves out {page.name}"
        for link, anchor in re.findall(
            r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")
        ):
            target = (page.parent / link) if link else page
            assert target.exists(), f"{page.name} links to {link}"
            if anchor:
                assert anchor in anchors(target), f"{page.name} links to {link}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
