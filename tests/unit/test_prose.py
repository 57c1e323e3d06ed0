"""Each page reads easily: short sentences and hardly a semicolon. Docstrings and comments do, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.prose import Prose, count_words, of_module, of_page
from tests.support import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MODULES = sorted((ROOT / "workflow" / "driftloop").rglob("*.py"))
WORDS, SEMICOLONS = 18, 5
"""What a page stays under: words a sentence on average, semicolons in a hundred sentences."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_reads_easily(page: Path) -> None:
    prose = of_page(page.read_text(encoding="utf-8"))
    assert prose.words < WORDS, f"{prose.words:.1f} words a sentence; the longest: {prose.longest}"
    with_one = [sentence for sentence in prose.sentences if ";" in sentence]
    assert prose.semicolons < SEMICOLONS, "\n".join(with_one)


def test_docstrings_and_comments_of_the_package_read_easily() -> None:
    found = [of_module(path.read_text(encoding="utf-8")) for path in MODULES]
    prose = Prose(tuple(sentence for each in found for sentence in each.sentences))
    assert prose.words < WORDS
    assert prose.semicolons < SEMICOLONS


def test_what_is_measured_is_what_is_read() -> None:
    """No code, table, heading or target counts. A fragment does not, and a list item ends a sentence."""
    page = (
        "# A heading of many words that nobody counts\n\n"
        "Yes. See [the page](a/very/long/target.md); it is by Sun et al. 2022.\n\n"
        "| a table | with; many | cells |\n\n```console\n$ ls; cd\n```\n\n    indented; code\n\n"
        "- one item without a stop\n- another item; `code with; words`\n  goes on\n"
    )
    prose = of_page(page)
    assert prose.sentences == (
        "See the page; it is by Sun et al 2022.",
        "one item without a stop",
        "another item; code goes on",
    )
    assert [count_words(each) for each in prose.sentences] == [10, 5, 5]
    assert prose.semicolons == pytest.approx(200 / 3)
    module = '"""First one here. Second\none is here."""\nx = 1  # noqa: S1\n# A comment; that\n# goes on.\n'
    assert of_module(module).sentences == (
        "First one here.",
        "Second one is here.",
        "A comment; that goes on.",
    )
