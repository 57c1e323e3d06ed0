"""One run at a time; a killed one is in nobody's way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from driftloop.errors import DriftloopError
from driftloop.tracker import run_lock
from driftloop.tracker.run_lock import hold, under_way

LEFT = Path(".snakemake/locks/0.input.lock")
HOLDER = """
import time
from driftloop.tracker.run_lock import hold
hold()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@contextmanager
def another() -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, and has left Snakemake's; killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == "held\n"
        LEFT.parent.mkdir(parents=True)
        LEFT.write_text("data/raw/meta.json\n")
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_a_second_run_is_told_who_holds_the_folder() -> None:
    with another() as process:
        assert under_way()
        with pytest.raises(DriftloopError, match=f"process {process.pid} on .*since .*driftloop status"):
            hold()
        assert LEFT.exists()


def test_what_a_killed_run_left_is_taken_away() -> None:
    with another():
        pass
    assert not under_way()
    assert LEFT.exists()
    half, whole = Path("models/w01/.model.json.0ab_cdef.json"), Path("models/w01/model.json")
    half.parent.mkdir(parents=True)
    half.touch()
    whole.touch()
    hold()
    assert not LEFT.exists()
    assert not half.exists()
    assert whole.exists()
    assert not under_way()
    hold()  # it is ours already


def test_the_locks_of_a_run_on_another_machine_stay() -> None:
    with another():
        pass
    path = Path(".driftloop/run.lock")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "elsewhere", "boot": "b"}))
    assert under_way()
    for _ in range(2):  # a second try takes nothing away either
        hold()
        os.close(run_lock._held.popitem()[1])
        assert LEFT.exists()
        assert "on elsewhere" in (run_lock.elsewhere() or "")
        assert "snakemake --unlock" in (run_lock.elsewhere() or "")


def test_a_container_that_was_started_anew_is_on_the_same_machine() -> None:
    """Containers get another host name at each start; the kernel and its locks stay."""
    with another():
        pass
    path = Path(".driftloop/run.lock")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "3f0c1a"}))
    hold()
    assert not LEFT.exists()
