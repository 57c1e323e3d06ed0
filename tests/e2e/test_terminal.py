"""A person at a terminal in front of `snakemake`: asked, interrupted, killed, never robbed of an answer."""

from __future__ import annotations

import io
import json
import os
import re
import runpy
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support import BIN, ROOT, run

Person = runpy.run_path(str(ROOT / "tests" / "golden" / "review" / "person.py"))["Person"]
SNAKEMAKE = [str(BIN / "snakemake"), "--cores", "2", "--config", "review={reviewer: auto}", "--"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drifted(reference_only: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose second window waits for its reviewer. Copy it before changing it."""
    project = reference_only(tmp_path_factory.mktemp("drifted") / "project")
    assert run(project, "snakemake", "--cores", "2", "results/w02/samples.csv").returncode == 0
    return project


@pytest.fixture
def project(drifted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    return Path(shutil.copytree(drifted, tmp_path / "project", copy_function=shutil.copy2))


def sit_down(project: Path, *targets: str) -> Person:
    return Person(project, *targets, program=SNAKEMAKE)


def answer_all(person: Person, project: Path, decision: str) -> None:
    """Label every sample that is not labelled yet with the truth, decide, and sign."""
    truth = np.load(project / "answers" / "w02" / "labels.npy")
    asked = json.loads(run(project, "driftloop", "review", "w02", "--json").stdout)["samples"]
    person.press(*[str(truth[sample["index"]]) for sample in asked])
    person.see(f"{len(asked)}/{len(asked)} labelled", 60)
    person.press("\r")
    person.see("What happened to these images?")
    person.press("\r")
    person.see("What should happen now?")
    person.press(decision, "\r")
    person.see("In your own words")
    person.press("\r")
    person.see("This goes into the ledger")
    person.press(*"Ada", "\r")


def drafted(project: Path) -> int:
    """How many labels the last whole snapshot of the draft journal holds."""
    count = 0
    for path in (project / ".driftloop" / "drafts").glob("*"):
        for line in path.read_text().splitlines():
            try:
                labels = json.loads(line)["snapshot"]["labels"]
            except ValueError:
                continue
            count = sum(label is not None for label in labels)
    return count


def test_the_prompt_has_the_screen_to_itself_and_the_branch_follows_the_answer(project: Path) -> None:
    others = [f"data/windows/{window}/meta.json" for window in ("w03", "w04", "w05")]
    person = sit_down(project, "results/w02/evaluation.json", *others)
    person.program.logfile_read = written = io.BytesIO()
    person.see("w02 has drifted", 60)
    person.press("\r")
    person.see("what do they show?")
    answer_all(person, project, "f")
    assert person.leave() == 0
    (entry,) = map(json.loads, (project / "decisions" / "w02.jsonl").read_text().splitlines())
    assert (entry["reviewer"], entry["decision"], entry["simulated"]) == ("Ada", "filter", False)
    evaluation = json.loads((project / "results" / "w02" / "evaluation.json").read_text())
    assert list(evaluation["candidates"]) == ["filter"]
    assert all((project / other).exists() for other in others)
    # Whatever came between taking the screen and giving it back is one of the review's own updates.
    (during,) = re.findall(rb"\x1b\[\?1049h(.*)\x1b\[\?1049l", written.getvalue(), flags=re.DOTALL)
    foreign = re.sub(rb"\x1b\[\?2026h.*?\x1b\[\?2026l", b"", during, flags=re.DOTALL)
    assert re.sub(rb"\x1b\[[?\d]*[a-zA-Z]", b"", foreign) == b""
    assert b"job" not in during  # nor within an update


def test_ctrl_c_decides_nothing_and_the_rerun_goes_on_at_the_same_sample(project: Path) -> None:
    person = sit_down(project, "results/w02/verdict.json")
    person.see("w02 has drifted", 60)
    person.press("\r")
    person.see("what do they show?")
    person.press("1", "2", "3")
    person.see("3/40 labelled")
    person.press("\x03")
    assert person.leave() != 0
    assert (project / "decisions" / "w02.jsonl").read_text() == ""
    assert not (project / "results" / "w02" / "verdict.json").exists()
    again = sit_down(project, "results/w02/verdict.json")
    again.see("3/40", 60)
    again.program.kill(signal.SIGKILL)


def test_kill_9_of_everything_at_ten_moments_loses_no_answer(project: Path, warm: str) -> None:
    """One stream of interruptions: whoever is killed goes on, next time, where the one before stopped."""
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(10):
        person = sit_down(project, "results/w02/verdict.json")
        person.see(f" {kept}/40 labelled", 60)
        person.press("\r")
        person.see("what do they")
        seen = kept
        for given in range(kept + 1, kept + 1 + int(rng.integers(6))):
            person.press(str(rng.integers(10)))
            if rng.random() < 0.5:
                person.see(f" {given}/40 labelled")
                seen = given
        time.sleep(rng.uniform(0, 0.05))
        os.killpg(os.getpgid(person.program.pid), signal.SIGKILL)
        person.program.wait()
        person.program.close()
        kept = drafted(project)
        assert kept >= seen
        assert not (project / "results" / "w02" / "verdict.json").exists()
        unlocked = run(project, "snakemake", "--unlock", "results/w02/verdict.json", PATH=warm)
        assert unlocked.returncode == 0, unlocked.stdout
    assert kept > 10
