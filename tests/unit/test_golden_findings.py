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
from driftloop.review.decision import UNSURE, Answer, verdict

GOLDEN = Path(__file__).parents[1] / "golden" / "findings"
NOTHING = np.zeros(0, dtype=np.int64)
REPORT = DriftReport(
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
    label_shift=LabelShift(0.0001, 0.2, 3, 0.25, 0.1),
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
CLASSES = ("null", "eins", "zwei", "zwölf")


def unnamed(report: DriftReport) -> dict[str, object]:
    """What the check found, before the window and the class had their names."""
    found = report.finding("w02", CLASSES).to_json()
    shift = {**found["label_shift"], "grown": report.label_shift.grown}
    del found["window"]
    return {**found, "label_shift": shift}


PRODUCTS = {
    "drift.json": unnamed(REPORT),
    "drift-stream.json": unnamed(SLOW),
    "drift-whole.json": REPORT.finding("w02", CLASSES).to_json(),
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
    report.finding("w02", CLASSES).write(path)
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
    path, facts = tmp_path / "drift.json", REPORT.finding("w02", CLASSES).to_json() | change
    path.write_text(json.dumps({name: each for name, each in facts.items() if each is not ...}))
    with pytest.raises(DataError, match=f"drift.json is damaged, .*{said}.* snakemake --cores all"):
        Drift.read(path)
