"""The page: what it tells of each window, and that nothing that people or files say can break it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.support import drift_of

from driftloop.cli import driftloop
from driftloop.findings.row import Row
from driftloop.report.charts import Moment, accuracy_chart, confusion_chart, novelty_chart
from driftloop.report.page import Chapter, render_page
from driftloop.report.score import score
from driftloop.report.story import headline, sentence
from driftloop.review.decision import Answer
from driftloop.review.ledger import Entry
from driftloop.review.material import Material, Pick
from driftloop.tracker.lineage import Lineage

HOSTILE = """<script>alert("x")</script>'&"""


def run(*arguments: str) -> str:
    result = CliRunner().invoke(driftloop, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def html(finished) -> str:
    run("summarize-run")
    run("render-report")
    return Path("results/report.html").read_text(encoding="utf-8")


def chapter(
    window: str = "w01",
    *,
    classes: tuple[str, ...] = ("cat", "dog"),
    shape: tuple[int, ...] = (8, 8, 1),
    reason: str = "",
    drifted: bool = True,
    known_as: str | None = None,
) -> Chapter:
    """One window, drifted and kept by a reviewer, with as many classes and images as asked."""
    labels = np.arange(len(classes) * 3) % len(classes)
    images = np.zeros((len(labels), *shape), dtype=np.uint8)
    picks = tuple(Pick(place, classes[-1], 0.5, 1.0, 0.01) for place in range(len(classes)))
    drift = drift_of(window, drifted=drifted)
    given = dict.fromkeys(range(len(classes)), classes[0])
    entry = Entry(
        "id", window, HOSTILE, False, "2026-01-31T23:59:59Z", Answer("keep", None, reason, given), "", "", ""
    )
    row = Row(
        window,
        n=len(labels),
        p_value=0.001,
        alpha=0.01,
        drifted=drifted,
        known_as=known_as,
        decision="keep",
        reviewer=HOSTILE,
        labels_used=len(given),
        unsettled=0,
        true_incumbent_accuracy=1.0,
        clean_incumbent_accuracy=0.99,
    )
    return Chapter(
        row=row,
        material=Material(window, classes, images, "", picks, drift),
        entry=entry if drifted else None,
        others=0,
        evaluation=None,
        score=score(labels, labels, None, classes=len(classes)),
        strip=None,
    )


def page(*chapters: Chapter, ends: tuple[str, ...] = ()) -> str:
    names = ("reference", *(chapter.row.window for chapter in chapters))
    lineages = {name: Lineage(name, "0" * 64, 0.99) for name in names}
    return render_page(chapters, lineages, ends or names[-1:], [{"loss": 0.1, "accuracy": 0.99}], HOSTILE)


def test_every_window_is_told_in_a_sentence(html):
    for window in ("w01", "w02", "w03", "w04", "w05"):
        assert window in html
    text = re.sub(r"\s+", " ", html)
    assert "The simulated reviewer saw impulse noise and asked for a filter" in text
    assert "Ada saw rotation and asked for retraining" in text
    assert "The drift of w02 again" in text
    assert "The camera was mounted askew" in text


def test_a_simulated_reviewer_is_called_one(html):
    second = html[html.index('<article id="window-w02"') : html.index('<article id="window-w03"')]
    third = html[html.index('<article id="window-w03"') :]
    assert "A simulated reviewer answered from the true labels" in second
    assert "A simulated reviewer answered" not in third


def test_the_strip_says_of_its_samples_whether_the_repair_learned_from_them(html):
    assert "of each class that the repair did not learn from" in re.sub(r"\s+", " ", html)
    for evaluated in Path("results").glob("*/evaluation.json"):
        found = json.loads(evaluated.read_text())
        found["strip"]["taught"] = True  # every labelled sample taught: there were no others
        evaluated.write_text(json.dumps(found))
    run("render-report")
    again = re.sub(r"\s+", " ", Path("results/report.html").read_text(encoding="utf-8"))
    assert "One reviewed sample of each class" in again
    assert "did not learn from" not in again


def test_the_same_results_give_the_same_bytes(html):
    run("render-report")
    assert Path("results/report.html").read_text(encoding="utf-8") == html


def test_nothing_is_fetched_from_elsewhere(html):
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""", html)
    assert addresses
    assert {address for address in addresses if not address.startswith(("data:", "#"))} == set()
    assert "@import" not in html


def test_what_people_and_files_say_is_text_and_nothing_else():
    html = page(chapter(classes=(HOSTILE, "dog"), reason=HOSTILE))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_drift_that_the_reviewer_lets_pass_is_told_so():
    assert "kept the model as it is" in page(chapter())


def test_colour_images_and_many_classes_fit():
    classes = tuple(f"class {place}" for place in range(100))
    html = page(chapter(classes=classes, shape=(64, 96, 3)))
    assert 'alt="Sample 0 of w01"' in html


def test_large_images_and_long_streams_stay_under_five_megabytes():
    rng = np.random.default_rng(0)
    classes = tuple("abcdefghij")
    noisy = chapter(classes=classes, shape=(224, 224, 3))
    images = rng.integers(0, 256, noisy.material.images.shape, dtype=np.uint8)
    noisy = replace(noisy, material=replace(noisy.material, images=images))
    assert len(page(*[noisy] * 40)) < 5_000_000


def test_windows_that_do_not_follow_one_another_each_show_their_model():
    html = page(chapter("w01"), chapter("w02"), ends=("w01", "w02"))
    assert "they left two models" in html
    assert html.count('<ol class="line">') == 2
    assert "models/w01" in html


def test_a_window_where_nothing_happened_has_a_sentence_and_no_chapter():
    html = page(chapter("w01", drifted=False), chapter("w02", drifted=False, known_as="w00"))
    assert 'id="window-w01"' not in html
    assert 'id="window-w02"' in html


@pytest.mark.parametrize("number", [1, 5, 500])
def test_charts_keep_within_their_frame(number):
    moments = [
        Moment(f"w{place:03}", place % 2 == 0, (0.5, 0.0, 1.0), (0.9, 0.8, 1.0), place / number, 1.0)
        for place in range(number)
    ]
    for chart in (novelty_chart(moments), accuracy_chart(moments)):
        across = [float(x) for x in re.findall(r'(?:x|cx|x1|x2)="([\d.-]+)%"', chart)]
        down = [float(y) for y in re.findall(r'(?:y|cy|y1|y2)="([\d.-]+)"', chart)]
        assert min(across) >= 0
        assert max(across) <= 100
        assert min(down) >= 0
        assert max(down) <= 176
        labels = re.findall(r'text-anchor="middle">(\w+)<', chart)
        assert labels[0] == "w000"
        assert sum(len(label) + 1 for label in labels) <= 50


def test_a_repair_that_is_not_settled_is_told_as_open():
    row = replace(chapter().row, decision="filter", unsettled=56)
    assert "open until 56 more labels tell (driftloop settle w01)" in sentence(row, "fog")
    assert headline([row]) == "One window, one drifted, no repairs promoted, one not settled yet"
    assert "so the model stays" in sentence(replace(row, unsettled=0), "fog")


def test_however_many_classes_there_are_a_mistake_can_be_seen():
    counts = np.eye(1000, dtype=int).tolist()
    chart = confusion_chart(counts, [f"class {place}" for place in range(1000)], "before")
    sides = {float(side) for side in re.findall(r'(?:width|height)="([\d.-]+)"', chart)}
    assert min(sides) >= 0.5


def test_the_page_names_no_model_for_production_which_moves_without_it(html):
    assert "driftloop predict IMAGE…" in html


def test_charts_do_without_what_is_not_known():
    unknown = Moment("w01", False, None, None, None, None)
    assert "w01" in novelty_chart([unknown])
    assert "w01" in accuracy_chart([unknown])


def test_a_confusion_matrix_says_what_it_shows():
    chart = confusion_chart([[8, 2], [0, 10]], ("cat", "dog"), "Before")
    assert 'aria-label="Before: 90\u00a0% right; cat is taken for dog twice"' in chart
    assert chart.count("<rect") == 3


def test_the_gist_is_printed_in_the_terminal(finished):
    run("summarize-run")
    output = re.sub(r"\s+", " ", run("report"))
    assert "Five windows, two drifted, two repairs promoted" in output
    assert "Ada saw rotation" in output
    assert "results/report.html" in output


def test_the_gist_also_tells_of_windows_that_the_summary_waits_for(finished):
    run("summarize-run")
    summary = Path("results/summary.json")
    summary.write_text(json.dumps(json.loads(summary.read_text())[:1]))
    Path("results/summarize-run.made.json").unlink()
    output = re.sub(r"\s+", " ", run("report"))
    assert "One window, none drifted; 4 more are under way" in output
    assert "w02 This window drifted (p = " in output
    assert "w04 Not drifted (p = " in output


def test_without_a_summary_the_gist_names_the_command_that_makes_one(project):
    result = CliRunner().invoke(driftloop, ["report"])
    assert "snakemake --cores all" in str(result.exception)


def test_scores_of_a_simulated_window_come_from_its_population(project):
    from tests.conftest import images_of

    from driftloop.data.answers import save_answers
    from driftloop.data.window import Answers
    from driftloop.files import write_array

    _, labels = images_of("fog")
    answers = Answers(np.zeros(0, np.int64), np.zeros(0, bool), labels, "fog", None, 1.0, False)
    save_answers(Path("answers/w01"), answers)
    predicted = np.where(np.arange(len(labels)) % 4 == 0, (labels + 1) % 10, labels)
    write_array(Path("results/w01/predictions/population.npy"), predicted)
    project.check("w01", "fog", drifted=False)
    project.write_verdict("w01")
    run("score-window", "w01")
    scored = json.loads(Path("results/w01/score.json").read_text())
    assert scored["n"] == len(labels)
    assert scored["incumbent"] == pytest.approx(0.75, abs=1 / len(labels))
    assert scored["candidate"] is None
    assert np.array(scored["confusion"]["incumbent"]).sum() == len(labels)
