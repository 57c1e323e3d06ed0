"""The first screen tells what happened, what went before, and offers an earlier answer's labels."""

import runpy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from tests.support import drift_of

from driftloop import layout
from driftloop.estimate import Estimate
from driftloop.files import write_json
from driftloop.findings.drift import Move
from driftloop.review.ask import questions_of
from driftloop.review.decision import Answer, verdict
from driftloop.review.ledger import Entry, Reported, new_entry
from driftloop.review.material import ClassCount, Material, load_material
from driftloop.review.past import Past, Trial
from driftloop.review.pen import Pen
from driftloop.review.pictures import Depth
from driftloop.review.screens import render
from driftloop.review.session import press
from driftloop.review.state import Grid, Stage, start
from driftloop.review.story import earlier_labels, how_it_fared, tell, what_it_costs
from driftloop.review.view import View
from driftloop.tracker.provenance import Made, record

PROJECT = runpy.run_path(str(Path(__file__).parents[1] / "golden/review/project.py"))
build_project, evaluation_of = PROJECT["build_project"], PROJECT["evaluation_of"]


@pytest.fixture
def material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Material:
    """Window w02, after w00 that was repaired and w01 that was as usual."""
    build_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    for window, drifted, accuracy in (("w00", True, 0.6), ("w01", False, 0.98)):
        found = drift_of(window, drifted=drifted, estimated_accuracy=Estimate(accuracy, accuracy, accuracy))
        found.write(layout.drift(window))
    decided = verdict("w00", drifted=True, answer=Answer("filter", "impulse_noise"))
    decided.write(layout.verdict("w00"))
    evaluation_of(decided, before=0.55, after=0.95).write(layout.evaluation("w00"))
    return load_material("w02", "mnist_c", ("w00", "w01", "w99"))


def told(material: Material, *entries: Entry) -> str:
    return "\n".join(text for text, _ in tell(material, entries))


def answered(material: Material, **changes: Any) -> Entry:
    shown = {"report": material.reported, "images": material.images_digest, "content": material.content}
    answer = Answer("filter", "impulse_noise", "", {0: "7", 1: "(none)", 999: "3"})
    return new_entry(answer, project="p", window="w02", reviewer="Ada", **{**shown, **changes})


def test_the_story_says_how_much_what_it_costs_and_what_went_before(material: Material) -> None:
    story = told(material)
    assert "92% (84% to 97%) of them are unlike everything known" in story
    assert "right about an estimated 41% (16% to 66%); before the drift 98%" in story
    assert "The window before it, w01, was as usual." in story
    assert (
        "w00, was answered with filter (impulse_noise): 55% → 95% on reviewed samples, filter promoted"
        in story
    )


def test_what_too_few_labels_judged_has_no_figures(material: Material) -> None:
    unknown = Trial(before=None, after=None, promoted=False)
    last = Past("w00", True, None, "filter", "impulse_noise", "filter", {"filter": unknown})
    changed = replace(material, past=(last,))
    assert "filter (impulse_noise): too few labels to measure it, not promoted." in told(changed)
    assert how_it_fared(changed, "filter", "impulse_noise") == (
        "On impulse_noise, in w00: too few labels to measure it, not promoted."
    )


def test_only_classes_that_are_hit_harder_than_chance_are_named(material: Material) -> None:
    counts = (
        ClassCount("8", 100, 60),
        ClassCount("3", 100, 9),
        ClassCount("5", 40, 30),
        ClassCount("1", 0, 0),
    )
    assert "takes for 5 (30 of 40), 8 (60 of 100)." in told(replace(material, counts=counts))
    assert "Strangest" not in told(replace(material, counts=(ClassCount("3", 100, 9),)))
    alike = (ClassCount("3", 100, 97), ClassCount("5", 40, 40), ClassCount("1", 0, 0))
    assert "Every class is hit alike." in told(replace(material, counts=alike))


def test_how_a_repair_fared_is_told_for_the_same_diagnosis_only(material: Material) -> None:
    assert how_it_fared(material, "filter", "impulse_noise") == (
        "On impulse_noise, in w00: 55% → 95%, promoted."
    )
    assert how_it_fared(material, "filter", "fog") == "It was not tried on fog before."
    assert how_it_fared(material, "retrain", "impulse_noise") == "It was not tried on impulse_noise before."
    for decision, diagnosis in (("keep", "fog"), ("both", "fog"), ("filter", None)):
        assert how_it_fared(material, decision, diagnosis) == ""


def test_what_was_tried_on_this_window_counts_too(material: Material) -> None:
    missed = Trial(before=0.41, after=0.43, promoted=False)
    now = Past("w02", True, None, "filter", "impulse_noise", "filter", {"filter": missed})
    assert how_it_fared(replace(material, now=now), "filter", "impulse_noise") == (
        "On impulse_noise, in w02: 41% → 43%, not promoted (1 of 2 were)."
    )


def test_the_time_that_a_decision_takes_is_what_it_took_last(material: Material) -> None:
    assert what_it_costs(material, "keep") == "No time."
    assert what_it_costs(material, "filter") == "How long it takes is not recorded yet."

    def took(home: Path, step: str, seconds: float) -> None:
        code, on = {"version": "0", "revision": ""}, {"machine": "", "cpus": 1, "gpu": None}
        made = Made(step, None, {}, {}, {}, code, None, on, "", seconds)
        write_json(record(home, step), asdict(made))

    took(layout.model("reference"), "train-model", 21.4)
    for window, seconds in (("w00", 30.1), ("w01", 500)):
        took(layout.candidate(window, "filter"), "train-filter", seconds)
    took(layout.results("w00"), "evaluate-candidates", 8.2)
    again = load_material("w02", "mnist_c", ("w00",))
    assert what_it_costs(again, "filter") == "About 38 s, as last time."
    assert what_it_costs(again, "both") == "Not done here before; the reference model took 21 s to train."
    assert what_it_costs(load_material("w02", "mnist_c", ("w00", "w01")), "filter").startswith("About 8 min")


def test_since_when_is_told(material: Material) -> None:
    later = replace(material, past=(*material.past, Past("w02", True), Past("w03", True)))
    assert "Windows have drifted since w02; this is number 3." in told(later)
    first = replace(material, past=(), clean_accuracy=0.9946)
    assert "an estimated 41% (16% to 66%); on clean test data 99%" in told(first)


def test_an_answer_to_another_report_is_offered_and_never_applied(material: Material) -> None:
    old = answered(material, report=Reported("another", "another"))
    assert "the check says otherwise now. O takes over 2 labels" in told(material, old)
    questions = questions_of(material, (old,))
    state = start(questions)
    assert state.labelled == 0
    taken = press(state, "o", questions, Grid(4, 2))
    assert taken.labels[:3] == ("7", "(none)", None)
    assert taken.labelled == 2


def test_an_answer_to_other_images_offers_nothing(material: Material) -> None:
    old = answered(material, content="another", images="another")
    story = told(material, old)
    assert "the images are others now" in story
    assert "O takes over" not in story
    assert questions_of(material, (old,)).earlier == {}


def test_ones_own_answer_can_be_started_from_and_nobody_elses(material: Material) -> None:
    mine = answered(material)
    assert "O takes over your 2 labels" in "\n".join(
        text for text, _ in tell(material, (mine,), mine.reviewer)
    )
    assert len(questions_of(material, (mine,), mine.reviewer).earlier) == 2
    assert questions_of(material, (mine,), "Somebody Else").earlier == {}


def test_an_answer_that_stands_is_told_to_the_next_reviewer(material: Material) -> None:
    stands = answered(material)
    assert "Ada answered filter on" in told(material, stands)
    assert (
        earlier_labels(material, (answered(material, report=Reported("another", "another")), stands)) is None
    )
    simulated = replace(stands, simulated=True)
    assert "The simulated reviewer answered filter on" in told(material, simulated)


def test_what_two_people_disagree_on_is_shown_to_the_third(material: Material) -> None:
    ada = answered(material)
    grace = replace(ada, reviewer="Grace", answer=Answer("filter", None, "", {0: "7", 1: "3"}))
    story = told(material, ada, grace)
    assert "Ada and Grace agree on 50% of 2 samples (Cohen's kappa 0.33). Look again at #2." in story


def test_how_a_window_moved_is_told(material: Material) -> None:
    moves = (Move("brightness", -0.5, 8.0, -7.0), Move("grain", 0.05, 1.0, 4.0))
    calm = replace(material.report, moves=moves, novel_share=Estimate(0.02, 0.0, 0.05))
    moved = replace(material, report=calm)
    assert "together they are not what the model knows" in told(moved)
    assert "Beside usual images of their class, 75% are darker, some are much grainier." in told(moved)


@pytest.mark.parametrize(("decision", "warned"), [("filter", True), ("keep", False)])
def test_before_signing_a_repair_it_is_said_when_too_few_can_judge_it(
    material: Material, decision: str, warned: bool
) -> None:
    picks = tuple(replace(pick, random=place >= 2) for place, pick in enumerate(material.picks))
    material = replace(material, picks=picks)
    questions = questions_of(material)
    labels = tuple(pick.predicted if place < 3 else None for place, pick in enumerate(picks))
    state = replace(start(questions, "Ada"), labels=labels, stage=Stage.SIGN, decision=decision)
    view = View(material, (), questions, Pen(Depth.NONE), 80, 24)
    screen = "".join(render(state, view))
    assert (f"only 1 of the {len(picks) - 2} samples drawn at random have labels" in screen) is warned
    every = replace(state, labels=tuple(pick.predicted for pick in picks))
    assert "drawn at random" not in "".join(
        render(every, View(material, (), questions, Pen(Depth.NONE), 80, 24))
    )


@pytest.mark.parametrize("highlighted", range(4))
def test_the_smallest_screen_shows_every_decision_and_what_the_chosen_one_means(
    material: Material, highlighted: int
) -> None:
    questions = questions_of(material)
    state = replace(start(questions, "Ada"), stage=Stage.DECIDE, highlighted=highlighted)
    lines = render(state, View(material, (), questions, Pen(Depth.NONE, plain=True), 60, 16))
    meanings = ("Leave the model", "Train on these labels", "Put a filter before", "Try each")
    assert len(lines) == 16
    for place, name in enumerate(("keep", "retrain", "filter", "both"), start=1):
        assert any(line.split("→")[-1].split() == [str(place), name] for line in lines), name
    assert meanings[highlighted] in "".join(lines)
    assert f"→ {highlighted + 1}" in "".join(lines)


def test_whatever_is_signed_the_signature_and_what_it_lacks_are_on_the_screen(material: Material) -> None:
    """A class a sample, and the smallest screen: the list of labels is cut, not what follows it."""
    classes = tuple(f"class number {place}" for place in range(len(material.picks)))
    many = replace(material, classes=classes)
    questions = replace(questions_of(many), classes=classes)
    state = replace(start(questions, "Ada"), labels=classes, stage=Stage.SIGN, decision="keep")
    for decision, problem in (("keep", False), (None, True)):
        lines = render(
            replace(state, decision=decision), View(many, (), questions, Pen(Depth.NONE, plain=True), 60, 16)
        )
        assert len(lines) == 16
        assert "signed      Ada▏" in "\n".join(lines)
        assert ("There is no decision yet." in "\n".join(lines)) is problem


def test_a_reason_of_wide_letters_is_shown_whole(material: Material) -> None:
    reason = "レンズが汚れていた" * 12
    questions = questions_of(material)
    state = replace(start(questions, "Ada"), stage=Stage.SIGN, decision="keep", reason=reason)
    screen = "".join(render(state, View(material, (), questions, Pen(Depth.NONE, plain=True), 80, 40)))
    assert reason in screen.replace(" ", "")


@pytest.mark.parametrize("names", [("ng", "ok"), ("A", "B", "C"), ("2-door", "suv")])
def test_classes_with_short_names_have_a_legend_where_digits_stand_for_them(
    material: Material, names: tuple[str, ...]
) -> None:
    questions = replace(questions_of(material), classes=names)
    legend = View(material, (), questions, Pen(Depth.NONE), 80, 24).legend
    assert legend == (
        "" if "suv" in names else " " + "  ".join(f"{n} {name}" for n, name in enumerate(names))
    )
