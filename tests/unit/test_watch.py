"""`driftloop watch` says what is going on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from driftloop.commands import watch
from driftloop.data.inbox import Waiting
from driftloop.errors import DataError
from driftloop.tracker.production import follow


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> watch._Run:
    """A run that began at second 100, watched on a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watch, "terminal", lambda: SimpleNamespace(is_terminal=True))
    for name, written in (("train_model", 50), ("w01/check_window", 120), ("w02/make_window", 110)):
        path = Path(f"logs/{name}.log")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (written, written))
    Path("logs/watch.log").touch()
    return watch._Run(process=object(), began=100.0)  # type: ignore[arg-type]


def test_the_step_whose_log_was_written_last_is_the_one_that_runs(running: watch._Run) -> None:
    assert watch._doing(running) == "running check_window w01"


def test_no_file_of_the_project_takes_the_place_of_a_module_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit(7)")
    assert subprocess.run([*watch._SNAKEMAKE, "--version"], cwd=tmp_path, check=False).returncode == 0


def test_logs_of_earlier_runs_say_nothing(running: watch._Run) -> None:
    running.began = 200.0
    assert watch._doing(running) == "running the pipeline"


@pytest.mark.parametrize(
    ("said", "asked", "status"),
    [
        ("Error in rule review_window:", True, 75),
        ("Error in rule review_window:", False, 1),
        ("Error in rule review_window:\nError in rule take_window:", True, 1),
        ("Error in rule review_window:\nMissingOutputException in rule take_window in file", True, 1),
        ("MissingInputException in rule split_dataset in file", False, 1),
        ("WorkflowError:\nparams.yaml lacks 'seed'.", True, 1),
    ],
)
def test_cron_is_told_of_a_run_that_failed_also_while_somebody_is_waited_for(
    said: str, asked: bool, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watch, "load_params", lambda: {"inbox": {}})
    monkeypatch.setattr(watch, "_wait_for_growing", lambda: None)
    monkeypatch.setattr(watch, "_states", list)
    monkeypatch.setattr(watch, "_tell", lambda _: asked)
    program = f"import sys; print({said!r}); sys.exit(1)"
    begin = watch._begin
    monkeypatch.setattr(watch, "_begin", lambda _: begin([sys.executable, "-c", program]))
    assert CliRunner().invoke(watch.watch, ["--once"]).exit_code == status


def test_what_cannot_be_read_now_is_shown_and_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*_: object) -> None:
        raise DataError("the inbox cannot be read")

    monkeypatch.setattr(watch, "_step", step)
    assert str(watch._look(watch._Run(), [])) == "the inbox cannot be read"


def test_a_model_that_comes_into_production_is_a_reason_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watch, "_waiting", lambda: Waiting((), (), ()))
    monkeypatch.setattr(watch, "load_params", lambda: {"inbox": {}, "stream": {}})
    monkeypatch.setattr(watch, "untaken", lambda _: ())
    before = watch._situation()
    follow("w01", "1", ("reference", "0"))
    assert watch._situation() != before


def test_without_a_run_it_waits() -> None:
    assert watch._doing(watch._Run()) == "waiting for windows"


_STEP = """
import pathlib, signal, subprocess, sys, time
if sys.argv[1:] == ["deaf"]:
    signal.signal(signal.SIGINT, lambda *_: None)
if sys.argv[1:] != ["step"]:
    subprocess.Popen([sys.executable, __file__, "step"])
    while True:
        time.sleep(60)
try:
    pathlib.Path("began").touch()
    time.sleep(60)
except KeyboardInterrupt:
    pathlib.Path("tidied").touch()
"""


@pytest.mark.parametrize("hearing", ["", "deaf"])
def test_a_run_is_ended_with_all_its_steps(
    hearing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watch, "_HARDER", ((signal.SIGINT, 2.0), *watch._HARDER[1:]))
    Path("run.py").write_text(_STEP)
    run = watch._Run(watch._begin([sys.executable, "run.py", *([hearing] if hearing else [])]))
    assert run.process is not None
    while not Path("began").exists():
        time.sleep(0.05)
    watch._stop(run)
    assert not watch._lives(run.process)
    assert Path("tidied").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_and_a_closed_terminal_do_as_ctrl_c(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), watch._all_that_ends():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_what_the_rules_refuse_is_told_and_not_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watch._LOG.parent.mkdir()
    watch._LOG.write_text(
        "WorkflowError in file \"/opt/rules/common.smk\", line 33:\nparams.yaml: seed is 'x'.\n"
        '  File "/opt/rules/common.smk", line 33, in <module>\n'
    )
    assert watch._complaint() == f"The run failed. params.yaml: seed is 'x'. See {watch._LOG}."
