"""The bytes of `drift.json` and `verdict.json`: people's answers are bound to their digests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driftloop.checker.check import DriftReport, SampleTable
from driftloop.checker.label_shift import LabelShift
from driftloop.checker.picks import Pick
from driftloop.checker.property_test import Move
from driftloop.checker.stream import NEW, StreamTest
from driftloop.files import write_json
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
    novel_share=2 / 3,
    novel_share_interval=(0.5, 1.0),
    moves=(Move("brightness", -0.25, 4.0, 1 / 7), Move("grain", 0.0, 0.0, 0.0)),
    estimated_accuracy=0.1 + 0.2,
    estimated_accuracy_interval=(0.25, 0.35),
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
    estimated_accuracy_interval=None,
    copies=0,
    frozen=0,
)
ANSWER = Answer("both", "fog", "grey", {10: "straße", 2: UNSURE})
PRODUCTS = {
    "drift.json": REPORT.to_json(),
    "drift-stream.json": SLOW.to_json(),
    "verdict.json": verdict("w01", drifted=True, answer=ANSWER),
    "verdict-keep.json": verdict("w01", drifted=False),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_has_the_bytes_that_answers_are_bound_to(name, tmp_path):
    write_json(tmp_path / name, PRODUCTS[name])
    assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes()
