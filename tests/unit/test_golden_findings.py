"""The bytes of `drift.json` and `verdict.json`: people's answers are bound to their digests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driftloop.checker.check import DriftReport, SampleTable
from driftloop.checker.stream import NEW
from driftloop.errors import DataError
from driftloop.estimate import Estimate
from driftloop.files import read_json, write_json
from driftloop.findings.drift import Drift, LabelShift, Move, Pick, StreamTest
from driftloop.findings.evaluation import (
    Comparison,
    Draw,
    DriftComparison,
    Evaluation,
    Evaluations,
    Outlook,
    Strip,
)
from driftloop.review.decision import UNSURE, Answer, verdict

GOLDEN = Path(__file__).parents[1] / "golden" / "findings"
NOTHING = np.zeros(0, dtype=np.int64)
REPORT = DriftReport(
    window="w02",
    n=50,
    statistic=1 / 3,
    p_value=0.0002,
    alpha=0.01,
    drifted=True,
    stream=None,
    novel_share=Estimate(2 / 3, 0.5, 1.0),
    moves=(Move("brightness", -0.25, 4.0, 1 / 7), Move("grain", 0.0, 0.0, 0.0)),
    estimated_accuracy=Estimate(0.1 + 0.2, 0.25, 0.35),
    known_as=None,
    label_shift=LabelShift(0.0001, 0.2, "zwölf", 0.25, 0.1),
    kinds=("clean", "w01"),
    kind_shares=(0.75, 0.25),
    picks=(Pick(7, random=False, nearest=(3, 1)), Pick(2, random=True)),
    samples=SampleTable(
        NOTHING, NOTHING.astype(float), NOTHING.astype(float), NOTHING.astype(float), NOTHING
    ),
    copies=4,
    frozen=2,
    carried=NEW,
    seed=5,
)
SLOW = replace(
    REPORT,
    p_value=0.2,
    stream=StreamTest(windows=6, p_value=0.0004, alpha=0.001, drifted=True),
    estimated_accuracy=None,
    copies=0,
    frozen=0,
)
ANSWER = Answer("both", "fog", "grey", {10: "straße", 2: UNSURE})


def unnamed(report: DriftReport) -> dict[str, object]:
    """What the check found, before the window and the class had their names."""
    found = report.to_json()
    del found["window"]
    return {**found, "label_shift": {**found["label_shift"], "grown": 3}}


PRODUCTS = {
    "drift.json": unnamed(REPORT),
    "drift-stream.json": unnamed(SLOW),
    "drift-whole.json": REPORT.to_json(),
    "verdict.json": verdict("w01", drifted=True, answer=ANSWER).to_json(),
    "verdict-keep.json": verdict("w01", drifted=False).to_json(),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_has_the_bytes_that_answers_are_bound_to(name, tmp_path):
    write_json(tmp_path / name, PRODUCTS[name])
    assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("report", [REPORT, SLOW])
def test_what_is_read_is_written_again_byte_by_byte(report, tmp_path):
    """Answers are bound to the digest of a report that was read."""
    path = tmp_path / "drift.json"
    report.write(path)
    assert Drift.read(path).to_json() == read_json(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"novelty": 0.5}, "it has novelty; its keys are window, n, statistic"),
        ({"moves": ...}, "it lacks moves; its keys are"),
        ({"n": "50"}, "n is '50'; it must be a whole number"),
        ({"n": True}, "n is True; it must be a whole number"),
        ({"p_value": float("nan")}, "p_value is nan; it must be a number"),
        (
            {"picks": [{"index": 1, "random": 0, "nearest": []}]},
            r"picks\[0\].random is 0; it must be true",
        ),
        ({"picks": {}}, "picks is {}; it must be a list"),
        ({"stream": 3}, "stream is 3; it must be an object with keys"),
        (
            {"novel_share": {"estimate": 0.5, "low": 0.4}},
            "novel_share lacks high; its keys are estimate",
        ),
    ],
)
def test_a_file_of_another_version_gets_one_message(change, said, tmp_path):
    path, facts = tmp_path / "drift.json", REPORT.to_json() | change
    path.write_text(json.dumps({name: each for name, each in facts.items() if each is not ...}))
    with pytest.raises(DataError, match=f"drift.json is damaged, .*{said}.* snakemake --cores all"):
        Drift.read(path)


def test_an_evaluation_is_read_as_it_was_written(tmp_path):
    clean = Comparison(2000, 0.99, None, 1, 0, 0.0005, -0.001, 0.002)
    drift = DriftComparison(80, None, 0.9, 4, 1, 0.3, -0.1, 0.9, 120, 60, 40, 20, 0)
    outlook = Outlook(20, None, 0.5, 10, 0.5, 0.9)
    judged = Evaluation(False, 0.2, 0.02, 0.005, 0.01, drift, clean, clean, {"w01": clean}, outlook, "Open.")
    draws = {"filter": Draw((5, 2), (1, 1), (7, 7), 0.01)}
    decided = verdict("w02", drifted=True, answer=ANSWER)
    found = Evaluations(
        "w02",
        decided.digest,
        None,
        {"filter": judged},
        (5,),
        draws,
        {12: "straße"},
        Strip((3,), (8,), (3,), True),
    )
    found.write(tmp_path / "evaluation.json")
    assert Evaluations.read(tmp_path / "evaluation.json") == found
    assert found.best.more_labels == 10
