"""The review as a state machine: what each key does, and that no key breaks it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftloop.review.decision import NONE, UNSURE, Answer
from driftloop.review.session import PASTED, press, resume
from driftloop.review.state import Grid, Questions, Stage, State, Unsettled, answer_of, snapshot, start

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
GRID = Grid(across=4, down=2)
NAMES = [
    "enter",
    "tab",
    "shift-tab",
    "backspace",
    "escape",
    "left",
    "right",
    "up",
    "down",
    "pageup",
    "pagedown",
]
NAMES += ["home", "end", "ctrl-u", f"{PASTED}a =\n9"]


def questions(count: int = 24, classes: tuple[str, ...] = CLASSES) -> Questions:
    predicted = tuple(classes[place % len(classes)] for place in range(count))
    return Questions(tuple(range(100, 100 + count)), predicted, classes, ("fog", "rotate"))


def play(keys: str, asked: Questions, state: State | None = None, grid: Grid = GRID) -> State:
    """Press keys: single characters, or names in angle brackets."""
    state = state or press(start(asked, "Ada"), "enter", asked, grid)
    while keys:
        key, keys = (keys[1:].split(">", 1)) if keys[0] == "<" and ">" in keys[2:] else (keys[0], keys[1:])
        state = press(state, key, asked, grid)
    return state


def test_enter_agrees_and_a_digit_or_first_letters_name_the_class() -> None:
    asked = questions()
    state = play("<enter>9bsau", asked)
    assert state.labels[:5] == ("airplane", "truck", "bird", "ship", "automobile")
    assert state.cursor == 5
    assert answer_of(state, asked).labels == {
        100: "airplane",
        101: "truck",
        102: "bird",
        103: "ship",
        104: "automobile",
    }


def test_what_the_gate_left_open_takes_labels_and_a_signature_and_nothing_else() -> None:
    signed = Answer("retrain", "rotate", "on their side", {7: "cat"})
    asked = replace(questions(2), unsettled=Unsettled(signed, ("Rejected: too few.",)))
    state = play("<enter><enter><enter>", asked)
    assert state.stage is Stage.SIGN
    said = answer_of(state, asked)
    assert (said.decision, said.diagnosis, said.reason) == ("retrain", "rotate", "on their side")
    assert said.labels == {100: "airplane", 101: "automobile"}
    assert play("<shift-tab>", asked, state).stage is Stage.LABEL
    with pytest.raises(ValueError, match="other questions"):
        resume({**snapshot(state, asked), "stage": "decide"}, asked)


def test_a_draft_of_what_the_gate_left_open_keeps_labels_with_their_samples_and_no_old_decision() -> None:
    asked = replace(questions(3), unsettled=Unsettled(Answer("retrain", "rotate", "Askew."), ("Too few.",)))
    state = play("<enter><enter>", asked)
    saved = json.loads(json.dumps(snapshot(state, asked)))
    now = Unsettled(Answer("filter", "fog", "It is fog."), ("Too few.",))
    others = replace(asked, indices=(102, 999, 100), unsettled=now)
    said = answer_of(resume(saved, others), others)
    given = answer_of(state, asked).labels
    assert given.keys() >= {100}
    assert said.labels == {index: given[index] for index in (102, 100) if index in given}
    assert (said.decision, said.diagnosis, said.reason) == ("filter", "fog", "It is fog.")


def test_ambiguous_letters_wait_and_enter_takes_the_first() -> None:
    asked = questions()
    state = play("d", asked)
    assert (state.typed, state.labels[0]) == ("d", None)
    assert play("<enter>", asked, state).labels[0] == "deer"
    assert play("o", asked, state).labels[0] == "dog"
    assert play("<backspace>c", asked, state).labels[0] == "cat"
    assert play("<escape>", asked, state).typed == ""


def test_classes_that_are_numbers_complete_like_names() -> None:
    asked = questions(classes=tuple(str(number) for number in range(100)))
    state = play("12", asked)
    assert state.labels[0] == "12"
    state = play("1<enter>", asked)
    assert state.labels[0] == "1"


def test_what_is_typed_at_a_sample_ends_there() -> None:
    """A label that nobody meant is the worst input that a gate can get."""
    asked = questions(classes=tuple(str(number) for number in range(11)))
    for move in ("<right>", " ", "<tab><shift-tab>"):
        assert play(f"1{move}0", asked).labels[:3] == ("1", "0", None)
    assert play("1<right>", asked).cursor == 1
    # A wrong letter stays until it is taken back: 1, 1, 0 is neither 10 nor 1, 10.
    state = play("110", asked)
    assert state.labelled == 0
    assert "No class starts with '110'" in state.message
    assert play("<enter><backspace><backspace><enter>", asked, state).labels[:2] == ("1", None)
    assert play("<right>0", asked, state).labels[:2] == (None, "0")


def test_a_part_of_a_name_labels_nothing_where_it_is_left() -> None:
    asked = questions()
    state = play("d<right>", asked)
    assert (state.labelled, state.typed, state.cursor) == (0, "", 1)
    assert "nothing labelled" in state.message
    assert play("o", asked, state).labels[:2] == (None, None)
    # A space may belong to the name.
    creams = questions(classes=("ice", "ice cream", "ice cone"))
    assert play("ice co", creams).labels[0] == "ice cone"
    assert play("ice<right>", creams).labels[0] == "ice"


def test_letters_that_start_no_class_say_so_and_change_nothing() -> None:
    asked = questions()
    state = play("x", asked)
    assert state.labels == (None,) * 24
    assert "No class starts with 'x'" in state.message


def test_the_rest_of_the_page_in_one_key() -> None:
    asked = questions()
    state = play("-9=", asked)
    assert state.labels[:8] == (NONE, "truck", *asked.predicted[2:8])
    assert state.labels[8:] == (None,) * 16
    assert state.cursor == 8
    assert play("<left>=", asked, state).message.startswith("Every sample of this page")


def test_24_samples_of_which_12_are_right_take_at_most_40_keys() -> None:
    """Whatever the grid: digits for the wrong ones, one key a page for the right ones, space between."""
    asked = questions()
    for grid in (Grid(4, 2), Grid(5, 2), Grid(6, 4)):
        wrong = set(range(0, 24, 2))
        keys, state = 0, press(start(asked), "enter", asked, grid)
        while state.labelled < 24:
            page = range(state.cursor - state.cursor % grid.per_page, 24)[: grid.per_page]
            waiting = [place for place in page if place in wrong and state.labels[place] is None]
            key = "=" if not waiting else "9" if state.cursor in wrong else " "
            state, keys = press(state, key, asked, grid), keys + 1
        assert keys <= 40
        assert [state.labels[place] for place in wrong] == ["truck"] * 12


def test_none_unsure_skip_and_undo() -> None:
    asked = questions()
    state = play("-/ <enter>", asked)
    assert state.labels[:4] == (NONE, UNSURE, None, "cat")
    state = play("<backspace><backspace>", asked, state)
    assert state.labels[:4] == (NONE, None, None, None)
    assert state.cursor == 1
    undone = play("<backspace><backspace>", asked, state)
    assert undone.labelled == 0
    assert undone.message == "Nothing to undo."


def test_enter_never_overwrites_a_label() -> None:
    asked = questions()
    state = play("9<left><enter>", asked)
    assert state.labels[0] == "truck"
    assert state.cursor == 1


def test_a_name_that_is_typed_to_its_end_labels_one_sample() -> None:
    asked = questions()
    assert play("horse", asked).labels[:2] == ("horse", None)
    state = play("frog<enter>bird<enter>", asked)
    assert state.labels[:3] == ("frog", "bird", None)
    assert play("<enter>", asked, state).labels[2] == asked.predicted[2]
    # First letters in a row are still as many labels, also where they spell the beginning of a name.
    assert play("sh", asked).labels[:3] == ("ship", "horse", None)
    # Commands are commands.
    assert play("h ", questions(classes=("hot dog", "cat"))).cursor == 2


def test_where_names_begin_with_digits_no_digit_stands_for_a_place() -> None:
    doors = questions(4, ("2-door", "4-door", "suv", "van"))
    assert not doors.numbered
    assert play("2", doors).labels[0] == "2-door"
    assert "No class starts with" in play("0", doors).message
    grades = questions(4, ("1", "2", "333", "4", "5"))
    assert play("1", grades).labels[0] == "1"
    assert questions(4, ("ng", "ok")).numbered


def test_what_is_pasted_answers_nothing() -> None:
    asked = questions(8)
    labelled = play(f"<{PASTED}=\n9>", asked)
    assert labelled.labelled == 0
    assert "answers nothing" in labelled.message
    state = play("=<enter><enter>r<enter>", asked)
    assert state.stage is Stage.REASON
    state = press(state, f"{PASTED}The lens was dirty,\nseen on camera 3.\n", asked, GRID)
    assert (state.stage, state.reason) == (Stage.REASON, "The lens was dirty, seen on camera 3.")
    state = press(play("<enter>", asked, state), f"{PASTED} Lovelace\n", asked, GRID)
    assert (state.stage, state.reviewer) == (Stage.SIGN, "AdaLovelace")


def test_a_page_out_of_sight_is_not_agreed_with() -> None:
    state = play("+=", questions())
    assert state.labelled == 0
    assert play("<escape>=", questions(), state).labelled == GRID.per_page


def test_unknown_is_a_diagnosis_that_stays() -> None:
    asked = questions(8)
    state = play("=<enter><end><enter>f<enter>", asked)
    assert (state.stage, state.diagnosis) == (Stage.REASON, None)
    back = play("<shift-tab><shift-tab>", asked, state)
    assert asked.diagnosis_choices[back.highlighted] is None
    assert play("<enter>", asked, back).diagnosis is None
    resumed = replace(resume(snapshot(state, asked), asked), stage=Stage.LABEL)
    assert asked.diagnosis_choices[play("<tab>", asked, resumed).highlighted] is None


def test_arrows_pages_and_jumps_stay_inside() -> None:
    asked = questions()
    for keys, cursor in (
        ("<right><down>", 5),
        ("<left><up>", 0),
        (">>", 16),
        (">>><pagedown><end>", 23),
        ("#17<enter>", 16),
        ("#<enter>", 0),
        ("#1<backspace>9<enter>", 8),
        ("#9<escape>", 0),
    ):
        assert play(keys.replace(">>", "<pagedown><pagedown>"), asked).cursor == cursor, keys
    assert "from 1 to 24" in play("#25<enter>", asked).message


def test_once_all_are_labelled_enter_goes_on_to_the_end() -> None:
    asked = questions(8)
    state = play("=", asked)
    assert "Every sample has its label" in state.message
    state = play("<enter>", asked, state)
    assert state.stage is Stage.DIAGNOSE
    state = play("r<enter>", asked, state)
    assert (state.stage, state.diagnosis) == (Stage.DECIDE, "rotate")
    state = play("r<enter>why not<enter>", asked, state)
    assert (state.stage, state.decision, state.reason) == (Stage.SIGN, "retrain", "why not")
    signed = play("<enter>", asked, state)
    assert signed.stage is Stage.SIGNED
    labels = {100 + place: name for place, name in enumerate(asked.predicted)}
    assert answer_of(signed, asked) == Answer("retrain", "rotate", "why not", labels)


def test_signing_needs_a_decision_and_a_name() -> None:
    asked = questions(8)
    state = play("<tab><tab><tab><tab>", asked)
    assert state.stage is Stage.SIGN
    assert "no decision" in play("<enter>", asked, state).message
    state = play("<shift-tab><shift-tab>f<enter><enter><ctrl-u><enter>", asked, state)
    assert state.stage is Stage.SIGN
    assert "Type your name" in state.message
    signed = play("Zoë<enter>", asked, state)
    assert (signed.stage, signed.reviewer) == (Stage.SIGNED, "Zoë")


def test_not_knowing_is_a_diagnosis_too() -> None:
    assert play("<tab>u<enter>", questions(8)).diagnosis is None


def test_leaving_is_possible_everywhere_and_final() -> None:
    asked = questions(8)
    for key in ("ctrl-c", "ctrl-d", "eof"):
        for tabs in range(6):
            state = play("<tab>" * tabs, asked)
            left = press(state, key, asked, GRID)
            assert left.stage is Stage.LEFT
            assert press(left, "enter", asked, GRID) == left


def test_help_shows_and_goes_without_doing_anything_else() -> None:
    asked = questions()
    shown = play("?", asked)
    assert shown.help
    assert play("9", asked, shown) == play("", asked)


def test_a_window_without_picks_can_still_be_decided() -> None:
    asked = questions(0)
    state = play("<enter>", asked)
    assert state.stage is Stage.DIAGNOSE
    for key in ("=", "-", "9", "<left>", "<pagedown>", "#1<enter>", "<backspace>"):
        assert play(key, asked).labels == ()


KEYS = st.lists(
    st.one_of(st.sampled_from([*NAMES, "", "é", "漢"]), st.sampled_from([chr(c) for c in range(32, 127)]))
)


@settings(max_examples=200, deadline=None)
@given(KEYS, st.integers(0, 24), st.integers(1, 8), st.integers(1, 4))
def test_no_keys_break_it_and_every_state_survives_a_crash(
    keys: list[str], count: int, across: int, down: int
) -> None:
    asked, grid = questions(count), Grid(across, down)
    state = start(asked, "Ada")
    for key in keys:
        state = press(state, key, asked, grid)
        assert 0 <= state.cursor <= max(0, count - 1)
        assert len(state.labels) == count
        assert set(state.labels) <= {*CLASSES, NONE, UNSURE, None}
        saved = json.loads(json.dumps(snapshot(state, asked)))
        assert snapshot(resume(saved, asked), asked) == saved


@pytest.mark.parametrize("change", [{"labels": []}, {"cursor": 99}, {"stage": "lost"}])
def test_a_snapshot_of_another_review_is_refused(change: dict[str, object]) -> None:
    asked = questions()
    with pytest.raises(ValueError, match=r"other samples|not a valid Stage"):
        resume({**snapshot(start(asked), asked), **change}, asked)
