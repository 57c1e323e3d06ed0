"""The report in a real browser: on a phone, a tablet and a desk, by day and by night, and on paper.

Screenshots are left in the folder that `pytest --basetemp` names, to be looked at.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.browser import CHROMIUM, Page, browser

from driftloop.cli import driftloop

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)")
WIDTHS = (360, 768, 1280)

# Each text's contrast with what is painted behind it, by WCAG 2.2; only those that fall short of AA.
PALE = """
(() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length == 3 || colour[3] > 0) return colour;
    }
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), pale = [];
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || node.tagName == 'title') continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(node.tagName == 'text' ? style.fill : style.color)), light(behind(node))];
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) pale.push(texts.currentNode.data);
  }
  return pale;
})()
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory):
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def report(finished) -> Path:
    for step in ("summarize-run", "render-report"):
        assert CliRunner().invoke(driftloop, [step], catch_exceptions=False).exit_code == 0
    return Path("results/report.html")


def count(page: Page, selector: str) -> int:
    return page.ask(f"document.querySelectorAll({selector!r}).length")


@pytest.mark.parametrize("width", WIDTHS)
def test_it_stands_alone_and_fits(page, report, width, tmp_path_factory):
    page.open(report, width=width)
    page.photograph(tmp_path_factory.getbasetemp() / f"report-{width}.png")
    assert [url for url in page.requests if not url.startswith("data:")] == [report.resolve().as_uri()]
    assert page.ask("document.documentElement.scrollWidth") == width
    assert page.ask("[...document.images].filter(image => !image.naturalWidth).length") == 0
    stretch = "image => image.width * image.naturalHeight / image.height / image.naturalWidth"
    assert page.ask(f"[...document.images].map({stretch}).every(each => Math.abs(each - 1) < 0.05)")
    assert count(page, "img") > 100
    assert page.complaints == []


def test_nothing_reaches_beyond_the_margin(page, report):
    page.open(report, width=360)
    beyond = (
        "[...document.querySelectorAll('main *')].filter(each => !each.closest('.scroll') &&"
        " each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 80))"
    )
    assert page.ask(beyond) == []


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_what_is_behind_it(page, report, dark, tmp_path_factory):
    page.open(report, width=1280, dark=dark)
    background = page.ask("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(23, 25, 27)") is dark
    assert page.ask(PALE) == []
    page.photograph(tmp_path_factory.getbasetemp() / f"report-{'dark' if dark else 'light'}.png")


def test_who_does_not_see_it_can_read_it(page, report):
    page.open(report, width=1280)
    assert page.ask("document.documentElement.lang") == "en"
    assert page.ask("document.title.length") > 10
    for landmark in ("header", "main", "footer"):
        assert count(page, f"body > {landmark}") == 1
    assert count(page, "h1") == 1
    levels = page.ask("[...document.querySelectorAll('h1,h2,h3,h4')].map(each => +each.tagName[1])")
    assert all(next_ <= level + 1 for level, next_ in pairwise(levels))
    assert count(page, "img:not([alt]), img[alt='']") == 0
    assert count(page, "svg:not([aria-hidden]):not([role=img][aria-label])") == 0
    assert count(page, "th:not([scope]), table:not(:has(thead th))") == 0
    assert count(page, "section:not([aria-labelledby]), article:not([aria-labelledby])") == 0
    dangling = (
        "[...document.querySelectorAll('a[href]')]"
        ".filter(each => !document.getElementById(each.hash.slice(1))).length"
    )
    assert page.ask(dangling) == 0
    assert page.ask("new Set([...document.querySelectorAll('[id]')].map(each => each.id)).size") == count(
        page, "[id]"
    )


def test_it_prints(page, report, tmp_path_factory):
    page.open(report, width=1280, dark=True, media="print")
    assert page.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.ask(PALE) == []
    paper = tmp_path_factory.getbasetemp() / "report.pdf"
    page.print(paper)
    assert paper.read_bytes().startswith(b"%PDF")


def test_it_needs_no_script_and_stays_small(report):
    text = report.read_text(encoding="utf-8")
    assert "<script" not in text
    assert len(text.encode()) < 1_000_000
