"""The ledger holds what it was given, whatever happens to the processes and bytes around it."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from tests.support import drift_of

from driftloop.errors import LedgerError
from driftloop.files import write_json
from driftloop.findings.drift import Pick, StreamTest
from driftloop.review.decision import NONE, UNSURE, Answer, agreement, verdict
from driftloop.review.ledger import (
    Entry,
    Reported,
    anchor,
    append,
    as_decided,
    new_entry,
    project_id,
    read_ledger,
    reported,
    standing_decision,
    verify,
)
from driftloop.review.ledger_file import copy_of
from driftloop.review.restore import merge, restore
from driftloop.tracker.head import head_of

REPORT = Reported("r" * 64, "f" * 64)
LABELS = {11: "7", 3: "2", 20: NONE, 21: UNSURE}


def entry(decision: str = "filter", *, reviewer: str = "Zoë Ångström", **changes: object) -> Entry:
    answer = Answer(decision, "impulse_noise", "Salt, pepper, “both”.", LABELS)
    shown = {"images": "i" * 64, "content": "c" * 64}
    made = new_entry(answer, project="p", window="w02", reviewer=reviewer, report=REPORT, **shown)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "decisions" / "w02.jsonl"
    for decision in ("keep", "filter", "retrain"):
        append(path, entry(decision))
    return path


def test_entries_come_back_as_they_went_in(ledger: Path) -> None:
    entries = read_ledger(ledger, project="p")
    assert [item.answer.decision for item in entries] == ["keep", "filter", "retrain"]
    assert entries[1].answer == Answer("filter", "impulse_noise", "Salt, pepper, “both”.", LABELS)
    assert entries[0].previous is None
    assert entries[2].previous == entries[1].digest
    assert verify(ledger, project="p") == 3


def test_missing_and_empty_ledgers_have_no_entries(tmp_path: Path) -> None:
    empty = tmp_path / "w02.jsonl"
    empty.touch()
    assert read_ledger(tmp_path / "w09.jsonl") == read_ledger(empty) == ()
    assert append(empty, entry()).previous is None
    assert verify(empty) == 1


def test_time_is_utc(ledger: Path) -> None:
    made = new_entry(
        Answer("keep"),
        project="p",
        window="w",
        reviewer="r",
        report=REPORT,
        images="",
        content="",
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert made.time == "2026-01-02T03:04:05Z"


def test_every_flipped_byte_is_found(ledger: Path) -> None:
    """Also in the last entry, and also where the JSON would still mean the same."""
    content = b"".join(ledger.read_bytes().splitlines(keepends=True)[:2])
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        ledger.write_bytes(damaged)
        with pytest.raises(LedgerError, match="does not hold"):
            verify(ledger, project="p")


def test_the_first_bad_entry_is_named(ledger: Path) -> None:
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text(lines[0] + lines[1].replace("filter", "keep", 1) + lines[2])
    with pytest.raises(LedgerError, match=r"entry 2 does not hold: its content does not match"):
        verify(ledger)
    ledger.write_text(lines[0] + lines[2])
    with pytest.raises(LedgerError, match=r"entry 2 does not hold: it does not follow"):
        verify(ledger)
    ledger.write_text(lines[1] + lines[0])
    with pytest.raises(LedgerError, match=r"entry 1 does not hold: it does not follow"):
        append(ledger, entry())


def test_a_crash_at_any_byte_loses_no_whole_entry(ledger: Path) -> None:
    """Whatever part of a line reached the disk, the entries before it stay and the next finds its place."""
    content = ledger.read_bytes()
    second_end = content.rfind(b"\n", 0, len(content) - 1) + 1
    ledger.write_bytes(content[:second_end])
    head_of(ledger).unlink()
    anchor(ledger)
    head = head_of(ledger).read_bytes()
    for cut in range(second_end, len(content) + 1):
        ledger.write_bytes(content[:cut])
        head_of(ledger).write_bytes(head)
        whole = 3 if cut >= len(content) - 1 else 2
        assert len(read_ledger(ledger)) == whole
        if second_end < cut < len(content) - 1:
            with pytest.raises(LedgerError, match="line 3 is unfinished"):
                verify(ledger)
        if cut % 16 == 0 or cut >= len(content) - 2:
            append(ledger, entry("both"))
            assert verify(ledger) == whole + 1


def test_a_confirmed_entry_that_was_cut_is_missed(ledger: Path) -> None:
    """Nobody reads on, and nobody signs behind it, until it is back."""
    content = ledger.read_bytes()
    for cut in range(0, len(content) - 1, 7):
        ledger.write_bytes(content[:cut])
        for use in (lambda: read_ledger(ledger), lambda: append(ledger, entry()), lambda: verify(ledger)):
            with pytest.raises(LedgerError, match=r"w02\.jsonl has lost .* driftloop ledger restore w02"):
                use()
        assert ledger.read_bytes() == content[:cut]
    assert restore(ledger, [copy_of(ledger).read_bytes()], project="p") == 3
    assert ledger.read_bytes() == content


def test_a_ledger_that_is_gone_or_another_one_is_missed(ledger: Path, tmp_path: Path) -> None:
    content = ledger.read_bytes()
    ledger.unlink()
    with pytest.raises(LedgerError, match="has lost entries that were signed: 0 of 3 are left"):
        read_ledger(ledger)
    another = tmp_path / "another" / "w02.jsonl"
    for decision in ("keep", "filter", "both"):
        append(another, entry(decision))
    ledger.write_bytes(another.read_bytes())
    with pytest.raises(LedgerError, match="was rewritten: entry 3 is not the one that was signed"):
        append(ledger, entry())
    assert restore(ledger, [b"", content], project="p") == 3
    assert ledger.read_bytes() == content
    assert copy_of(ledger).with_suffix(".damaged").read_bytes() == another.read_bytes()


def test_without_a_copy_people_choose_to_go_on_with_what_holds(ledger: Path) -> None:
    content = ledger.read_bytes()
    ledger.write_bytes(content[:-20])
    with pytest.raises(LedgerError, match=r"2 entries still hold .* --as-it-is"):
        restore(ledger, [content[:-40], b"\0"], project="p")
    assert ledger.read_bytes() == content[:-20]
    assert restore(ledger, [], project="p", as_it_is=True) == 2
    assert verify(ledger) == 2
    append(ledger, entry())
    assert verify(ledger) == 3


def test_to_go_on_as_it_is_loses_nothing_that_a_copy_has(ledger: Path, tmp_path: Path) -> None:
    """Whoever types it too early gets all back; whoever has to begins with what holds, and keeps the rest."""
    content = ledger.read_bytes()
    ledger.write_bytes(content[:-20])
    assert restore(ledger, [copy_of(ledger).read_bytes()], project="p", as_it_is=True) == 3
    assert ledger.read_bytes() == copy_of(ledger).read_bytes() == content
    ledger.write_bytes(content[:-20])
    head_of(ledger).write_bytes(b"<<<<<<< ours")
    append(tmp_path / "another" / "w02.jsonl", entry("both"))
    another = (tmp_path / "another" / "w02.jsonl").read_bytes()
    copy_of(ledger).write_bytes(another)
    assert restore(ledger, [another], project="p", as_it_is=True) == 2
    assert copy_of(ledger).with_suffix(".replaced").read_bytes() == another


def test_an_account_that_may_only_read_a_ledger_leaves_it_alone(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its head may be behind, or not there: another version wrote it."""
    content = ledger.read_bytes()
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)  # root may do anything
    anchor(ledger)
    head_of(ledger).unlink()
    anchor(ledger)
    assert (ledger.read_bytes(), head_of(ledger).exists()) == (content, False)


def test_a_damaged_head_is_written_anew_from_a_ledger_that_holds(ledger: Path) -> None:
    for damage in (b"", b"{}", b'{"entries": -1, "digest": "0"}', b"<<<<<<< ours"):
        head_of(ledger).write_bytes(damage)
        with pytest.raises(LedgerError, match=r"w02\.jsonl\.head is damaged.*driftloop ledger restore w02"):
            read_ledger(ledger)
        assert restore(ledger, [copy_of(ledger).read_bytes()], project="p") == 3
        assert verify(ledger) == 3
    head_of(ledger).write_bytes(b"")
    ledger.write_bytes(b"")
    assert restore(ledger, [copy_of(ledger).read_bytes()], project="p") == 3


def test_a_crash_between_an_entry_and_its_head_loses_neither(ledger: Path) -> None:
    head = head_of(ledger).read_bytes()
    append(ledger, entry("both"))
    head_of(ledger).write_bytes(head)
    assert verify(ledger) == 4
    anchor(ledger)
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:3]))
    with pytest.raises(LedgerError, match="3 of 4"):
        verify(ledger)


def test_zeros_left_by_a_power_cut_are_unfinished_not_damage(ledger: Path) -> None:
    with ledger.open("ab") as stream:
        stream.write(b"\0" * 300)
    assert len(read_ledger(ledger)) == 3
    append(ledger, entry())
    assert verify(ledger) == 4


def test_whole_entry_with_junk_behind_it_is_damage_and_stays(ledger: Path) -> None:
    damaged = ledger.read_bytes()[:-1] + b"X"
    ledger.write_bytes(damaged)
    with pytest.raises(LedgerError, match="entry 3 does not hold"):
        append(ledger, entry())
    assert ledger.read_bytes() == damaged


_WRITER = """
import sys
from pathlib import Path
from driftloop.review.decision import Answer
from driftloop.review.ledger import Reported, append, new_entry

path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(count):
    answer = Answer("keep", reason=f"number {number}", labels={number: "7"})
    seen = {"report": Reported("", ""), "images": "", "content": ""}
    append(path, new_entry(answer, project="p", window="w02", reviewer=name, **seen))
"""


def start_writer(path: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name, str(count)])


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w02.jsonl"
    writers = [start_writer(path, name, 200) for name in ("Ada", "Grace")]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert verify(path, project="p") == 400
    for name in ("Ada", "Grace"):
        reasons = [item.answer.reason for item in read_ledger(path) if item.reviewer == name]
        assert reasons == [f"number {number}" for number in range(200)]


def test_killed_writers_leave_a_ledger_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "w02.jsonl"
    path.touch()
    for delay in (0.0, 0.01, 0.03, 0.07):
        size = path.stat().st_size
        with start_writer(path, "Ada", 10_000) as writer:
            while path.stat().st_size == size:
                time.sleep(0.001)
            time.sleep(delay)
            writer.kill()
        before = len(read_ledger(path))
        append(path, entry(reviewer="Grace"))
        assert verify(path) == before + 1


def test_the_answers_of_two_clones_come_into_one_ledger(ledger: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.jsonl"
    theirs.write_bytes(ledger.read_bytes())
    append(ledger, entry("both", reviewer="Ada"))
    for decision in ("keep", "filter"):
        append(theirs, entry(decision, reviewer="Bob"))
    added = merge(ledger, theirs, project="p")
    assert [(each.reviewer, each.answer.decision) for each in added] == [("Bob", "keep"), ("Bob", "filter")]
    assert verify(ledger, project="p") == 6
    assert [each.reviewer for each in read_ledger(ledger)[3:]] == ["Ada", "Bob", "Bob"]
    assert merge(ledger, theirs, project="p") == []
    before = ledger.read_bytes()
    theirs.write_bytes(theirs.read_bytes().replace(b"Bob", b"Bib", 1))
    with pytest.raises(LedgerError, match=r"theirs\.jsonl: entry 4 does not hold"):
        merge(ledger, theirs, project="p")
    append(tmp_path / "decisions/w03.jsonl", replace(entry(), window="w03"))
    with pytest.raises(LedgerError, match="about window w03, not w02"):
        merge(ledger, tmp_path / "decisions/w03.jsonl", project="p")
    with pytest.raises(LedgerError, match="is of another project"):
        merge(ledger, ledger, project="q")
    assert ledger.read_bytes() == before


def test_another_projects_ledger_is_refused(ledger: Path) -> None:
    before = ledger.read_bytes()
    for use in (lambda: read_ledger(ledger, project="other"), lambda: append(ledger, entry(project="other"))):
        with pytest.raises(LedgerError, match=r"entry 1 is of another project \(p; this one is other\)"):
            use()
    renamed = ledger.rename(ledger.with_name("w05.jsonl"))
    with pytest.raises(LedgerError, match="is about window w02, not w05"):
        read_ledger(renamed)
    assert renamed.read_bytes() == before


def test_project_id_is_made_once_and_missed_when_gone(tmp_path: Path) -> None:
    decisions = tmp_path / "decisions"
    write_json(decisions / "production.json.head", {"entries": 1, "digest": "0"})  # no ledger's
    first = project_id(decisions)
    assert project_id(decisions) == first
    append(decisions / "w02.jsonl", entry(project=first))
    (decisions / "project.json").unlink()
    with pytest.raises(LedgerError, match="git checkout -- "):
        project_id(decisions)


def test_a_ledger_that_cannot_be_written_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "w02.jsonl").mkdir()
    with pytest.raises(LedgerError, match="cannot be written"):
        append(tmp_path / "w02.jsonl", entry())


@pytest.mark.parametrize(
    ("changes", "message"), [({"decision": "ignore"}, "keep"), ({"reviewer": "  "}, "name")]
)
def test_entries_that_make_no_sense_are_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        entry(**changes)


def test_the_newest_fitting_decision_of_a_person_stands() -> None:
    ada, grace, robot = entry("keep"), entry("filter"), entry("retrain", simulated=True)
    other = entry("both", report="x", findings="y")
    key = (REPORT, "i" * 64)
    assert standing_decision([ada, grace, robot, other], *key) is grace
    assert standing_decision([robot, other], *key) is robot
    assert standing_decision([robot, other], *key, humans_only=True) is None
    assert standing_decision([other], *key) is None


def test_an_answer_holds_for_what_was_found_whatever_the_levels_of_the_tests() -> None:
    """The samples and the verdict are the same, so nobody is asked again. Other findings are others."""
    report = drift_of("w02", drifted=True)
    stream = StreamTest(windows=3, p_value=0.0004, alpha=0.001, drifted=True)
    mine = entry("filter", report=(seen := reported(report)).whole, findings=seen.findings)
    for same in (report, replace(report, alpha=0.02), replace(report, alpha=0.001, stream=stream)):
        assert standing_decision([mine], reported(same), "i" * 64) is mine
        assert standing_decision([mine], reported(same), "x" * 64) is None
    for other in ({"picks": (Pick(4, random=True),)}, {"p_value": 0.004}, {"drifted": False}):
        assert standing_decision([mine], reported(replace(report, **other)), "i" * 64) is None


def test_an_entry_of_an_earlier_version_counts_for_the_very_report_that_it_names(tmp_path: Path) -> None:
    report = drift_of("w02", drifted=True)
    old = append(tmp_path / "w02.jsonl", entry("filter", report=reported(report).whole, findings=None))
    assert "findings" not in old.as_dict()
    assert read_ledger(tmp_path / "w02.jsonl") == (old,)
    assert standing_decision([old], reported(report), "i" * 64) is old
    assert standing_decision([old], reported(replace(report, alpha=0.02)), "i" * 64) is None
    # Signed again, to settle its repair, it holds for the findings, and stays its author's.
    new = entry(
        "filter", reviewer="Grace", settles=True, report=old.report, findings=reported(report).findings
    )
    moved = reported(replace(report, alpha=0.02))
    assert standing_decision([old, new], moved, "i" * 64) is new
    assert as_decided([old, new], new).reviewer == old.reviewer


def test_verdict_has_the_same_bytes_whoever_answered() -> None:
    ada = Answer("filter", "fog", "because", {3: "b", 11: "a"})
    grace = Answer("filter", "fog", "other words", {11: "a", 3: "b"})
    texts = [json.dumps(verdict("w02", drifted=True, answer=answer).to_json()) for answer in (ada, grace)]
    assert texts[0] == texts[1]
    assert '"labels": {"3": "b", "11": "a"}' in texts[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_kappa_agrees_with_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    first, second = ({place: pair[side] for place, pair in enumerate(pairs)} for side in (0, 1))
    compared = agreement(first, second)
    assert compared.n == len(pairs)
    assert [index for index, _, _ in compared.disagreements] == [i for i in first if first[i] != second[i]]
    if len({*first.values(), *second.values()}) > 1:
        expected = cohen_kappa_score(list(first.values()), list(second.values()))
        assert compared.kappa == pytest.approx(expected)
    else:
        assert compared.kappa is None


def test_samples_that_only_one_labelled_or_cannot_tell_do_not_count() -> None:
    compared = agreement({1: "a", 2: UNSURE, 3: "b"}, {1: "a", 2: "a", 4: "b"})
    assert (compared.n, compared.observed, compared.disagreements) == (1, 1.0, ())
    assert agreement({}, {}).observed is None
