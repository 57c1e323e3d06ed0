"""Answers from a script pass the same checks as those from a terminal, and refusals name the row."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from driftloop.errors import DataError, LedgerError, ParameterError
from driftloop.files import read_json, write_json
from driftloop.review.answers import check_answer, read_labels
from driftloop.review.decision import NONE, UNSURE, Answer
from driftloop.review.material import Material, load_material
from driftloop.review.simulated import simulate

build_project = runpy.run_path(str(Path(__file__).parents[1] / "golden/review/project.py"))["build_project"]


@pytest.fixture
def material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Material:
    build_project(tmp_path, "cifar10")
    monkeypatch.chdir(tmp_path)
    return load_material("w02", "cifar10_c")


def test_material_is_what_the_check_wrote(material: Material) -> None:
    assert material.drifted
    assert len(material.picks) == 24
    assert material.picks[0].predicted == "cat"
    assert material.picks[1].predicted == "truck"
    assert material.picks[1].confidence == 0.97
    assert material.picks[23].nearest == (23, 0, 1, 2, 3)
    assert material.picks[23].random
    assert material.reference is not None
    assert sum(count.n for count in material.counts) == 24
    assert "fog" in material.diagnoses


def test_digests_follow_what_is_on_screen(material: Material) -> None:
    again = load_material("w02", "cifar10_c")
    assert (again.reported, again.images_digest) == (material.reported, material.images_digest)
    report = read_json(Path("results/w02/drift.json"))
    write_json(Path("results/w02/drift.json"), {**report, "alpha": 0.05})
    moved = load_material("w02", "cifar10_c")
    assert moved.reported.whole != material.reported.whole
    assert moved.reported.findings == material.reported.findings
    assert moved.images_digest == material.images_digest
    write_json(Path("results/w02/drift.json"), {**report, "picks": report["picks"][::-1]})
    assert load_material("w02", "cifar10_c").images_digest != material.images_digest
    write_json(Path("results/w02/drift.json"), report)
    assert load_material("w02", "cifar10_c").reported == material.reported


def test_a_window_that_was_not_checked_is_a_message(material: Material) -> None:
    with pytest.raises(DataError, match="w77 is not checked yet"):
        load_material("w77", "cifar10_c")
    report = read_json(Path("results/w02/drift.json"))
    write_json(
        Path("results/w02/drift.json"), {**report, "picks": [{"index": 24, "random": False, "nearest": []}]}
    )
    with pytest.raises(DataError, match="do not fit together"):
        load_material("w02", "cifar10_c")


def test_labels_are_read_with_mark_blank_lines_and_spaces(material: Material, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("\ufeffindex,label\r\n3, ship\r\n\r\n0,(none)\r\n5,(unsure)\r\n".encode())
    assert read_labels(path, material) == {3: "ship", 0: NONE, 5: UNSURE}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("sample,class\n1,cat\n", "row 1: the header is sample,class; it must be index,label"),
        ("index,label\n1,cat,dog\n", "row 2: it must have two values, index and label, but has 3"),
        ("index,label\n1,cat\n1.5,cat\n", "row 3: index is '1.5'"),
        ("index,label\n-1,cat\n", "row 2: index is '-1'"),
        ("index,label\n1,cat\n99,cat\n", "row 3: sample 99 was not shown"),
        ("index,label\n1,cat\n\n1,dog\n", "row 4: sample 1 was already labelled in row 2"),
        (
            "index,label\n1,kitten\n",
            r"row 2: 'kitten' is no class. Allowed: airplane, .*, \(none\), \(unsure\)",
        ),
        ('index,label\n1,"cat\n', "row 2: unexpected end of data"),
        ("index,label\n1,\n", "row 2: '' is no class"),
    ],
)
def test_a_bad_row_is_named(material: Material, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(LedgerError, match=message + r"(.|\n)*Nothing was written"):
        read_labels(path, material)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer("ignore"), "keep, retrain, filter, both"),
        (Answer("keep", labels={99: "cat"}), "sample 99 was not shown"),
        (Answer("keep", labels={1: "kitten"}), "'kitten' is no class"),
        (Answer("filter", "mist", labels={1: "cat"}), "diagnosis is 'mist'. It is one of "),
        (Answer("retrain", "fog", labels={1: UNSURE}), "at least one sample with a class"),
    ],
)
def test_answers_that_cannot_be_acted_on_are_refused(
    material: Material, answer: Answer, message: str
) -> None:
    with pytest.raises(LedgerError, match=message):
        check_answer(answer, material)


@pytest.mark.parametrize("decision", ["filter", "both"])
def test_a_filter_may_be_asked_for_where_nobody_knows_what_happened(
    material: Material, decision: str
) -> None:
    answer = Answer(decision, None, labels={1: "cat"})
    assert check_answer(answer, material) == answer


def test_the_simulated_reviewer_decides_by_what_was_done() -> None:
    labels, rng = np.array([1, 0, 1]), np.random.default_rng(0)
    for corruption, geometric, decision in (
        ("fog", False, "filter"),
        ("rotate", True, "retrain"),
        (None, False, "keep"),
    ):
        answer = simulate([2, 1], labels, "ab", corruption=corruption, geometric=geometric, rng=rng)
        assert (answer.decision, answer.diagnosis, answer.labels) == (decision, corruption, {2: "b", 1: "a"})


def test_the_simulated_reviewers_mistakes_are_seeded_and_as_frequent_as_asked() -> None:
    labels, classes, n = np.zeros(4000, dtype=np.int64), list("abcd"), 4000

    def answer(seed: int) -> Answer:
        rng = np.random.default_rng(seed)
        return simulate(
            range(n),
            labels,
            classes,
            corruption=None,
            geometric=False,
            error_rate=0.3,
            abstention_rate=0.2,
            rng=rng,
        )

    first = answer(1)
    assert first == answer(1) != answer(2)
    given = list(first.labels.values())
    assert given.count(UNSURE) / n == pytest.approx(0.2, abs=0.03)
    for wrong in "bcd":
        assert given.count(wrong) / n == pytest.approx(0.8 * 0.3 / 3, abs=0.02)


def test_rates_out_of_range_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        simulate([0], np.array([0]), "ab", corruption=None, geometric=False, error_rate=1.5, rng=rng)
