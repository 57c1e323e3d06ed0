"""The report: one self-contained page about the whole stream, from what the pipeline left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from driftloop.estimate import Estimate, with_labels
from driftloop.findings.drift import moved
from driftloop.findings.evaluation import Comparison, Evaluations
from driftloop.findings.row import Row
from driftloop.findings.score import Score
from driftloop.layout import REFERENCE
from driftloop.report import charts, story
from driftloop.report.pictures import affordable, data_url
from driftloop.report.score import class_accuracy
from driftloop.review.decision import NONE, UNSURE
from driftloop.review.ledger import Entry
from driftloop.review.material import Material
from driftloop.tracker.history import circumstances, settings
from driftloop.tracker.lineage import Lineage
from driftloop.tracker.provenance import Made

_MOST_CLASSES = 20
"""Classes in the table of a repair: of more, those that gained or lost most."""


_FILTERS = ("percent", "figure", "spoken", "person", "times", "unbroken")
"""Functions of `story` that the template uses."""


@dataclass(frozen=True)
class Chapter:
    """All that the page tells of one window.

    Attributes:
        row: of `summary.json`.
        material: what the check found, and what the reviewer saw.
        entry: the decision that stands, or None where nobody was asked.
        others: further entries in the window's ledger.
        evaluation: what the gate found, where the standing decision asks for a repair.
        score: what the true labels say; None where nobody knows them.
        strip: uint8 (2, k, H, W, C), some reviewed samples as they arrived and as they reach the network of
            the candidate, where there is one.
    """

    row: Row
    material: Material
    entry: Entry | None
    others: int
    evaluation: Evaluations | None
    score: Score | None
    strip: npt.NDArray[np.uint8] | None

    @property
    def eventful(self) -> bool:
        """Whether there is more to tell than a sentence."""
        return bool(self.row.drifted or self.row.known_as)

    @property
    def wordy(self) -> bool:
        """Whether the names of the classes need more room than a digit."""
        return max(map(len, self.material.classes)) > 3

    @property
    def sentence(self) -> str:
        """What happened."""
        entry = self.entry
        return story.sentence(
            self.row, entry.answer.diagnosis if entry else None, simulated=bool(entry and entry.simulated)
        )

    @property
    def diagnosis(self) -> str:
        """What the reviewer saw, or would see again, in a word or two."""
        if self.entry and self.entry.answer.diagnosis:
            return story.spoken(self.entry.answer.diagnosis)
        return "drift" if self.row.drifted else f"the drift of {self.row.known_as} again"


def render_page(
    chapters: Sequence[Chapter],
    lineages: Mapping[str, Lineage],
    ends: Sequence[str],
    epochs: int,
    dataset: str,
    made: Sequence[Made] = (),
    unchecked: Sequence[str] = (),
) -> str:
    """Return the page as HTML.

    Args:
        chapters: one for each window, in the order of the stream.
        lineages: of the `reference` and of each window.
        ends: the windows whose model no other window started from; one, unless the stream branches.
        epochs: how many the reference model was trained for.
        dataset: what the images are called.
        made: what made the models in production, in order.
        unchecked: windows that nothing is known of yet.
    """
    reference, produced = lineages[REFERENCE], [lineages[end] for end in ends]
    shape, rows = chapters[0].material.images.shape[1:], [chapter.row for chapter in chapters]
    eventful = [chapter for chapter in chapters if chapter.eventful]
    room = affordable(shape, len(eventful))
    glimpses = min(5, affordable(shape, len(chapters))[1])
    moments = [_moment(chapter) for chapter in chapters]
    return _template().render(
        chapters=chapters,
        rows=rows,
        headline=story.headline(rows),
        career=story.career(
            reference.clean_accuracy,
            produced[-1].clean_accuracy,
            [repair.diagnosis for repair in produced[-1].repairs],
            models=len(produced),
        ),
        glimpses=[
            [data_url(np.asarray(image)) for image in chapter.material.images[:glimpses]]
            for chapter in chapters
        ],
        novelty=charts.novelty_chart(moments),
        accuracy=charts.accuracy_chart(moments),
        views=[_view(chapter, *room) for chapter in eventful],
        reference=reference,
        produced=produced,
        clean={owner: lineage.clean_accuracy for owner, lineage in lineages.items()},
        epochs=epochs,
        dataset=dataset,
        unchecked=unchecked,
        made=[(each.name, circumstances(each), settings(each)) for each in made],
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(story, name) for name in _FILTERS}
    return environment.get_template("page.html.j2")


def _moment(chapter: Chapter) -> charts.Moment:
    row = chapter.row
    return charts.Moment(
        row.window,
        bool(row.drifted),
        chapter.material.report.novel_share,
        _estimated(chapter),
        row.true_incumbent_accuracy,
        row.true_candidate_accuracy if row.promoted else None,
    )


def _estimated(chapter: Chapter) -> Estimate | None:
    """Return the incumbent's accuracy on a window, with what the labels of random samples say."""
    material, entry = chapter.material, chapter.entry
    found = material.report.accuracy
    told = material.told(entry.answer.labels) if entry else None
    return with_labels(found, told) if found and told else found


def _pictures(images: npt.NDArray[np.uint8]) -> list[str]:
    return [data_url(np.asarray(image)) for image in images]


def _view(chapter: Chapter, picks: int, cards: int) -> dict[str, Any]:
    """Return what the template shows of an eventful window."""
    report = chapter.material.report
    return {
        "chapter": chapter,
        "row": chapter.row,
        "novel": report.novel_share,
        "moved": moved(report.moves),
        "estimated": _estimated(chapter),
        "picks": _picks(chapter, picks) if chapter.entry else [],
        "asked": len(chapter.material.picks),
        "comparisons": _comparisons(chapter),
        "verdicts": _verdicts(chapter.evaluation),
        "confusion": _confusions(chapter),
        "classes": _classes(chapter),
        "strip": _strip(chapter, cards),
    }


def _picks(chapter: Chapter, most: int) -> list[dict[str, Any]]:
    """Return the samples that the reviewer saw, with what they and the model call them."""
    assert chapter.entry is not None  # noqa: S101 (the caller asked)
    given, material = chapter.entry.answer.labels, chapter.material
    words = {NONE: "none", UNSURE: "unsure"}
    return [
        {
            "src": data_url(np.asarray(material.images[pick.index])),
            "index": pick.index,
            "model": pick.predicted,
            "label": words.get(given[pick.index], given[pick.index]) if pick.index in given else None,
            "differs": given.get(pick.index, pick.predicted) != pick.predicted,
        }
        for pick in material.picks[:most]
    ]


def _verdicts(evaluation: Evaluations | None) -> list[tuple[str, str]]:
    """Return each candidate and the gate's sentence on it, the foremost first."""
    if evaluation is None:
        return []
    names = sorted(evaluation.candidates, key=lambda name: name != evaluation.foremost)
    return [(name, evaluation.candidates[name].sentence) for name in names]


def _comparisons(chapter: Chapter) -> list[dict[str, Any]]:
    """Return where incumbent and candidate were compared, and how each did."""
    if chapter.evaluation is None:
        return []
    judged = chapter.evaluation.best
    measured: list[tuple[str, Comparison]] = [("The window, estimated from reviewed samples", judged.drift)]
    measured += [(f"The drift of {name}, repaired before", each) for name, each in judged.earlier.items()]
    measured += [("Clean test data", judged.clean)]
    rows = [
        {"on": on, "n": each.n, "before": each.incumbent_accuracy, "after": each.candidate_accuracy}
        for on, each in measured
    ]
    if (score := chapter.score) is None:
        return rows
    unseen = {
        "on": "The rest of the window's population, by its true labels",
        "n": score.n,
        "before": score.incumbent,
        "after": score.candidate,
    }
    return [rows[0], unseen, *rows[1:]]


def _confusions(chapter: Chapter) -> list[dict[str, Any]]:
    if chapter.score is None or (after := chapter.score.confusion.candidate) is None:
        return []
    classes = chapter.material.classes
    return [
        {
            "title": title,
            "chart": charts.confusion_chart(counts, classes, title),
            "worst": charts.most_confused(counts, classes),
        }
        for counts, title in (
            (chapter.score.confusion.incumbent, "Before the repair"),
            (after, "After the repair"),
        )
    ]


def _classes(chapter: Chapter) -> list[dict[str, Any]]:
    """Return each class's accuracy before and after; where there are many, of those that moved most."""
    if chapter.score is None or (counts := chapter.score.confusion.candidate) is None:
        return []
    before, after = class_accuracy(chapter.score.confusion.incumbent), class_accuracy(counts)
    rows: list[dict[str, Any]] = [
        {"name": name, "before": old, "after": new, "bar": charts.dumbbell(old, new), "moved": abs(new - old)}
        for name, old, new in zip(chapter.material.classes, before, after, strict=True)
        if old is not None and new is not None
    ]
    if len(rows) <= _MOST_CLASSES:
        return rows
    return sorted(rows, key=lambda row: -row["moved"])[:_MOST_CLASSES]


def _strip(chapter: Chapter, most: int) -> dict[str, Any]:
    """Return some samples as they arrived and as they reach the network, and what is made of them."""
    if chapter.evaluation is None or chapter.strip is None:
        return {"cards": [], "filtered": False, "taught": False}
    said, classes = chapter.evaluation.strip, chapter.material.classes
    arrived, through = chapter.strip
    cards = [
        {
            "true": classes[said.labels[place]],
            "before": classes[said.incumbent[place]],
            "after": classes[said.candidate[place]],
            "arrived": data_url(arrived[place]),
            "through": data_url(through[place]),
        }
        for place in range(min(len(arrived), most))
    ]
    filtered = bool((arrived != through).any())
    return {"cards": cards, "filtered": filtered, "taught": said.taught}
