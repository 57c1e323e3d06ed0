"""The real program at a real pseudo-terminal, from the first screen to the ledger and the verdict."""

import io
import json
import runpy
import signal
import subprocess
import time
from pathlib import Path

import pytest

PARTS = Path(__file__).parents[1] / "golden/review"
build_project = runpy.run_path(str(PARTS / "project.py"))["build_project"]
_person = runpy.run_path(str(PARTS / "person.py"))
Person, DRIFTLOOP, environment = (_person[name] for name in ("Person", "DRIFTLOOP", "environment"))

VERDICT = ("--verdict", "results/w02/verdict.json")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    build_project(tmp_path)
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DRIFTLOOP, *arguments],
        cwd=project,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def entries(project: Path) -> list[dict[str, object]]:
    path = project / "decisions/w02.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def labels_of(project: Path) -> dict[str, str]:
    return {str(place): name for place, name in enumerate(predictions(project))}


def predictions(project: Path) -> list[str]:
    rows = (project / "results/w02/samples.csv").read_text().splitlines()[1:]
    return [row.split(",")[1] for row in rows]


def test_a_person_labels_decides_and_signs(project: Path) -> None:
    person = Person(project, "review", "w02", *VERDICT)
    person.see("w02 has drifted")
    person.press("\r")
    person.see("what do they show?")
    person.press("7", "-", "/", "=", "=", "=")
    person.see("24/24 labelled")
    person.press("\r")
    person.see("What happened to these images?")
    person.press("\r")
    person.see("What should happen now?")
    person.press("f", "\r")
    person.see("In your own words")
    person.press(*"grainy", "\r")
    person.see("This goes into the ledger")
    person.press(*"Ada", "\r")
    assert person.leave() == 0
    (entry,) = entries(project)
    assert (entry["reviewer"], entry["simulated"], entry["reason"]) == ("Ada", False, "grainy")
    expected = {**labels_of(project), "0": "7", "1": "(none)", "2": "(unsure)"}
    verdict = json.loads((project / "results/w02/verdict.json").read_text())
    assert verdict == {
        "window": "w02",
        "drifted": True,
        "decision": "filter",
        "diagnosis": "impulse_noise",
        "labels": expected,
    }
    assert not list((project / ".driftloop/drafts").iterdir())


def test_a_replayed_verdict_has_the_same_bytes_and_asks_nobody(project: Path) -> None:
    (project / "labels.csv").write_text("index,label\n4,3\n2,(none)\n")
    given = ("--decision", "retrain", "--labels", "labels.csv", "--reason", "a tilt", "--reviewer", "Ada")
    assert run(project, "review", "w02", *given).returncode == 0
    verdict = project / "results/w02/verdict.json"
    assert run(project, "review", "w02", *VERDICT).returncode == 0
    first = verdict.read_bytes()
    verdict.unlink()
    assert run(project, "review", "w02", *VERDICT).returncode == 0
    assert verdict.read_bytes() == first
    assert len(entries(project)) == 1


@pytest.mark.parametrize("way_out", ["\x03", "\x04"])
def test_leaving_decides_nothing_and_coming_back_goes_on(project: Path, way_out: str) -> None:
    person = Person(project, "review", "w02", *VERDICT)
    person.see("w02 has drifted")
    person.press("\r", "7", "5")
    person.see("2/24 labelled")
    person.press(way_out)
    assert person.leave() == 75
    assert entries(project) == []
    assert not (project / "results/w02/verdict.json").exists()
    again = Person(project, "review", "w02", *VERDICT)
    again.see("Going on where you were: 2 of 24 have labels")
    again.press("\r")  # labels nothing
    screen = again.see("what do they show?")
    assert "2/24 labelled" in screen
    assert "✗ 7" in screen
    again.press("\x03")
    assert again.leave() == 75


def test_without_anyone_the_simulated_reviewer_answers_loudly(project: Path) -> None:
    done = run(project, "review", "w02", *VERDICT)
    assert done.returncode == 0
    assert "SIMULATED" in done.stderr
    (entry,) = entries(project)
    assert (entry["simulated"], entry["decision"]) == (True, "filter")


def test_another_rate_of_errors_is_another_simulated_answer_and_never_a_person_s(project: Path) -> None:
    simulated = ("review.reviewer=simulated", "review.error_rate=0.5")
    assert run(project, "review", "w02", *VERDICT, simulated[0]).returncode == 0
    for _ in range(2):
        assert run(project, "review", "w02", *VERDICT, *simulated).returncode == 0
    first, second = entries(project)
    assert first["labels"] != second["labels"]
    verdict = json.loads((project / "results/w02/verdict.json").read_text())
    assert verdict["labels"] == second["labels"]
    assert run(project, "review", "w02", "--decision", "keep", "--reviewer", "Ada").returncode == 0
    assert run(project, "review", "w02", *VERDICT, "review.error_rate=0.9").returncode == 0
    assert json.loads((project / "results/w02/verdict.json").read_text())["decision"] == "keep"
    assert len(entries(project)) == 3


def test_whatever_a_name_holds_it_is_said_as_it_is(project: Path) -> None:
    done = run(project, "review", "w02", "--decision", "keep", "--reviewer", "bot[bot] [/y]")
    assert (done.returncode, len(entries(project))) == (0, 1)
    assert "signed by bot[bot] [/y], in" in done.stderr
    (project / "config").write_bytes(b"[user]\n\tname = J\xfcrgen\n")
    done = subprocess.run(
        [*DRIFTLOOP, "review", "w02", "--decision", "keep"],
        cwd=project,
        env={**environment(), "GIT_CONFIG_GLOBAL": "config"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, len(entries(project))) == (0, 2), done.stderr


def test_a_review_that_somebody_began_is_not_answered_by_the_simulated_reviewer(project: Path) -> None:
    person = Person(project, "review", "w02", *VERDICT)
    person.see("w02 has drifted")
    person.press("\r", "7")
    person.see("1/24 labelled")
    person.press("\x03")
    assert person.leave() == 75
    done = run(project, "review", "w02", *VERDICT)
    assert done.returncode == 75
    assert "Run: driftloop review w02" in done.stderr
    assert run(project, "review", "w02", *VERDICT, "review.reviewer=simulated").returncode == 0


def test_a_human_is_waited_for(project: Path) -> None:
    done = run(project, "review", "w02", *VERDICT, "review.reviewer=human")
    assert done.returncode == 75
    assert done.stderr.strip() == "No decision for window w02 yet. Run: driftloop review w02"
    assert not (project / "results/w02/verdict.json").exists()
    simulated = run(project, "review", "w02", *VERDICT, "review.reviewer=simulated")
    assert simulated.returncode == 0
    still = run(project, "review", "w02", *VERDICT, "review.reviewer=human")
    assert still.returncode == 75


def test_a_window_without_drift_is_kept_unasked(tmp_path: Path) -> None:
    build_project(tmp_path, drifted=False)
    done = run(tmp_path, "review", "w02", *VERDICT, "review.reviewer=human")
    assert done.returncode == 0
    assert json.loads((tmp_path / "results/w02/verdict.json").read_text())["decision"] == "keep"
    assert entries(tmp_path) == []


def test_answers_to_another_report_are_not_applied(project: Path) -> None:
    assert run(project, "review", "w02", "--decision", "keep", "--reviewer", "Ada").returncode == 0
    report = project / "results/w02/drift.json"
    report.write_text(report.read_text().replace("0.41", "0.44"))
    assert run(project, "review", "w02", *VERDICT, "review.reviewer=human").returncode == 75


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--decision", "maybe"], "keep, retrain, filter, both"),
        (["--decision", "keep", "--labels", "labels.csv"], "row 3: 'kitten' is no class"),
        (["--decision", "keep", "--labels", "missing.csv"], "cannot be read"),
        (["--decision", "keep"], "--reviewer NAME"),
        (["--reason", "just so"], "go with --decision"),
        (["--export", "x.png", "--decision", "keep", "--reviewer", "Ada"], "goes with neither --decision"),
        (["--export", "x.png", "--json"], "nor --json"),
    ],
)
def test_refusals_are_one_message_and_write_nothing(
    project: Path, arguments: list[str], message: str
) -> None:
    (project / "labels.csv").write_text("index,label\n4,3\n5,kitten\n")
    done = run(project, "review", "w02", *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert entries(project) == []


def test_what_a_program_needs_is_printed_as_json(project: Path) -> None:
    questions = json.loads(run(project, "review", "w02", "--json").stdout)
    assert [sample["predicted"] for sample in questions["samples"]] == predictions(project)
    assert questions["standing"] is None
    assert "impulse_noise" in questions["diagnoses"]
    done = run(project, "review", "w02", "--decision", "keep", "--reviewer", "Ada", "--json")
    assert json.loads(done.stdout) == entries(project)[0]


def test_the_ledger_is_shown_and_verified(project: Path) -> None:
    (project / "one.csv").write_text("index,label\n1,3\n2,4\n")
    (project / "two.csv").write_text("index,label\n1,3\n2,5\n")
    for name, labels in (("Ada", "one.csv"), ("Grace", "two.csv")):
        run(project, "review", "w02", "--decision", "retrain", "--labels", labels, "--reviewer", name)
    assert "2 in 1 ledger" in run(project, "ledger", "verify").stderr
    shown = run(project, "ledger", "show", "w02").stdout
    assert "Ada and Grace agree on 50% of 2 samples" in shown
    assert "2 (4 / 5)" in shown
    path = project / "decisions/w02.jsonl"
    path.write_text(path.read_text().replace('"2":"5"', '"2":"6"'))
    done = run(project, "ledger", "verify", "w02")
    assert done.returncode == 1
    assert "entry 2 does not hold" in done.stderr


def test_the_ledger_of_another_clone_is_merged(project: Path) -> None:
    (project / "theirs.jsonl").touch()
    for name in ("Ada", "Bob"):
        assert run(project, "review", "w02", "--decision", "keep", "--reviewer", name).returncode == 0
        if name == "Ada":  # as it was in the other clone
            (project / "decisions/w02.jsonl").rename(project / "theirs.jsonl")
            (project / "decisions/w02.jsonl.head").unlink()
    done = run(project, "ledger", "merge", "w02", "theirs.jsonl")
    assert "1 entry added. The newest is Ada's now: keep." in done.stderr
    assert [entry["reviewer"] for entry in entries(project)] == ["Bob", "Ada"]
    assert run(project, "ledger", "verify").returncode == 0
    assert "has all that" in run(project, "ledger", "merge", "w02", "theirs.jsonl").stderr
    assert run(project, "ledger", "merge", "w02", "nothing.jsonl").returncode != 0


def test_the_sheet_is_a_picture(project: Path) -> None:
    from PIL import Image

    assert run(project, "review", "w02", "--export", "sheet.png").returncode == 0
    with Image.open(project / "sheet.png") as sheet:
        assert sheet.size[0] > 600
        assert len(set(sheet.convert("L").tobytes())) > 20
    assert run(project, "review", "w02", "--export", "sheet.what").returncode == 1
    assert not (project / "sheet.what").exists()


def test_a_hang_up_and_a_termination_keep_the_answers(project: Path) -> None:
    for number, ending in enumerate((signal.SIGHUP, signal.SIGTERM, signal.SIGINT), start=1):
        person = Person(project, "review", "w02")
        person.see(f" {number - 1}/24 labelled")
        person.press("\r", "-")
        person.see(f" {number}/24 labelled")
        person.program.kill(ending)
        assert person.leave() == 75
    assert entries(project) == []


def test_one_review_at_a_time_for_the_same_person(project: Path) -> None:
    person = Person(project, "review", "w02")
    person.see("has drifted")
    second = Person(project, "review", "w02")
    assert second.leave() == 1
    assert "is being reviewed in another terminal already" in " ".join(second.text().split())
    person.press("\x03")
    assert person.leave() == 75


def test_a_terminal_without_escape_codes_gets_none(project: Path) -> None:
    person = Person(project, "review", "w02", colours="dumb")
    person.program.logfile_read = written = io.BytesIO()
    person.see("Enter go on")
    person.press("\r", "\x03")
    assert person.leave() == 75
    assert b"what do they show?" in written.getvalue()
    assert b"\x1b" not in written.getvalue()


def test_no_torch_is_loaded(project: Path) -> None:
    code = "import sys, driftloop.review.ask, driftloop.commands.review; print('torch' in sys.modules)"
    done = subprocess.run([DRIFTLOOP[0], "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_a_pasted_reason_presses_no_enter(project: Path) -> None:
    person = Person(project, "review", "w02", "--reviewer", "Ada")
    person.see("w02 has drifted")
    person.press("\t", "\t", "\t", "\r")
    person.see("In your own words")
    person.press("\x1b[200~The lens was dirty,\rseen on cam")
    time.sleep(0.7)  # a slow line
    person.press("era 3.\r\x1b[201~")
    assert "The lens was dirty, seen on camera 3." in person.see("camera 3.")
    person.press("\r")
    assert "signed      Ada▏" in person.see("This goes into the ledger")
    person.press("\x03")
    assert person.leave() == 75
    assert entries(project) == []


def test_no_key_answers_what_cannot_be_seen(project: Path) -> None:
    person = Person(project, "review", "w02", columns=50, rows=14)
    person.see("needs a terminal of 60 x 16")
    person.press("\r", "\r", "7")
    person.press("\x03")
    assert person.leave() == 75
    assert "0 labelled so far" in " ".join(person.text().split())


def test_whoever_is_asked_by_name_signs_with_it(project: Path) -> None:
    ada = Person(project, "review", "w02", "--reviewer", "Ada")
    ada.see("w02 has drifted")
    ada.press("\r", "7")
    ada.see("1/24 labelled")
    ada.press("\x03")
    assert ada.leave() == 75
    bob = Person(project, "review", "w02", "--reviewer", "Bob")
    bob.see("Going on where Ada was: 1 of 24 have labels")
    bob.press(*"\t\t\t\t\t")
    bob.see("signed      Bob▏")
    bob.press("\x03")
    assert bob.leave() == 75


def test_a_cursor_key_that_comes_in_two_pieces_is_one(project: Path) -> None:
    person = Person(project, "review", "w02")
    person.see("w02 has drifted")
    person.press("\r")
    person.see("what do they show?")
    for first, rest in (("\x1b", "[B"), ("\x1b", "[[B"), ("\x1b[", "B")):
        person.press(first)
        time.sleep(0.2)
        person.press(rest)
    assert "No class starts with" not in person.see("0/24 labelled")
    person.press(b"\xe9")  # a letter of a terminal that does not speak UTF-8: no other letter is waited for
    person.see("No class starts with")
    person.press("\x03")
    assert person.leave() == 75
