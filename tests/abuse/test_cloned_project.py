"""A project that somebody cloned: what it would run is shown, remembered outside it, and told apart later."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.abuse.conftest import Command, refused

from driftloop.commands.start import SNAKEFILE_TEXT
from driftloop.params.compose import compose, render
from driftloop.params.merge import place
from driftloop.pipeline import ROOT

RUNS = "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n"


def clone(tmp_path: Path, network: str | None, **files: str) -> Path:
    """Make a project under Git, and return a clone of it."""
    made, params = tmp_path / "made", compose(["dataset=digits"])
    if network:
        place(params, "network", {"_target_": network})
    made.mkdir()
    shutil.copytree(ROOT / "profiles", made / "profiles")
    (made / "params.yaml").write_text(render(params))
    (made / "Snakefile").write_text(SNAKEFILE_TEXT)
    (made / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text().replace("      - rules\n", ""))
    for name, text in files.items():
        (made / name.replace("__", ".")).write_text(text)
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "A project"]):
        subprocess.run([*git, *command], cwd=made, check=True)
    subprocess.run([*git, "clone", "-q", str(made), str(tmp_path / "cloned")], check=True)
    return tmp_path / "cloned"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user keeps what was looked at."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_project_of_driftloops_own_parts_has_nothing_to_ask(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, driftloop: Command
) -> None:
    monkeypatch.chdir(clone(tmp_path, None))
    shown = driftloop("trust")
    assert shown.status == 0
    assert "and nothing else" in shown.said
    assert "driftloop trust" not in driftloop("status").said
    assert not state.exists()


def test_own_classes_are_shown_and_remembered_outside_the_project(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, driftloop: Command
) -> None:
    project = clone(tmp_path, "my_network.Net", my_network__py=RUNS, helper__py=RUNS)
    monkeypatch.chdir(project)
    assert "my_network.Net, helper.py, my_network.py. See: driftloop trust" in driftloop("status").said
    refused(driftloop("trust"), "class         my_network.Net", "helper.py", "driftloop trust --yes")
    assert not state.exists()
    assert driftloop("trust", "--yes").status == 0
    assert "You have looked at all" in driftloop("trust").said
    assert "driftloop trust" not in driftloop("status").said
    assert not subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, capture_output=True, check=True
    ).stdout

    (project / "helper.py").write_text(RUNS + "# changed\n")
    (project / "late.py").write_text(RUNS)
    (project / "data").mkdir()
    (project / "data/deep.py").write_text(RUNS)
    (project / ".hidden").mkdir()
    (project / ".hidden/linked.py").write_text(RUNS)
    (project / "linked").symlink_to(".hidden")
    (project / "my_network.py").unlink()
    shown = driftloop("trust")
    refused(shown)
    words = {line.split()[-1]: line.split()[0] for line in shown.said.splitlines() if line.endswith(".py")}
    added = dict.fromkeys(("late.py", "data/deep.py", "linked/linked.py"), "new")
    assert words == {"helper.py": "changed", "my_network.py": "gone", **added}
    assert "data/deep.py, helper.py, late.py and 1 more" in driftloop("status").said
    assert not list(project.rglob("*.ran"))  # nothing was run to show it


def test_a_class_that_only_lies_within_driftloop_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driftloop: Command
) -> None:
    monkeypatch.chdir(clone(tmp_path, "driftloop.files.os.stat_result"))
    refused(driftloop("trust"), "class         driftloop.files.os.stat_result")


def test_a_workflow_of_its_own_is_shown_with_the_code_that_it_may_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driftloop: Command
) -> None:
    project = clone(tmp_path, None, Snakefile=SNAKEFILE_TEXT + "shell('sh job.sh')\n", job__sh="true\n")
    monkeypatch.chdir(project)
    refused(driftloop("trust"), "Snakefile", "job.sh")
    assert "dvc.yaml" not in driftloop("trust").said
    (project / "dvc.yaml").write_text("stages: {loop: {cmd: sh job.sh}}\n")
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text("[core]\n    hardlink_lock = true\n")
    refused(driftloop("trust"), "dvc.yaml", ".dvc/config")


def test_without_a_place_to_remember_it_is_said(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, driftloop: Command
) -> None:
    monkeypatch.chdir(clone(tmp_path, "my_network.Net", my_network__py=RUNS))
    state.write_text("a file, where a folder should be")
    refused(driftloop("trust", "--yes"), "nothing is remembered", "XDG_STATE_HOME")
