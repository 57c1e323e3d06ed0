"""`driftloop watch` says what is going on."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from driftloop.commands import watch


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


def test_logs_of_earlier_runs_say_nothing(running: watch._Run) -> None:
    running.began = 200.0
    assert watch._doing(running) == "running the pipeline"


def test_without_a_run_it_waits() -> None:
    assert watch._doing(watch._Run()) == "waiting for windows"
