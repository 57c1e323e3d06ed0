"""`dvc repro` runs the same workflow, and neither engine repeats what the other did."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support import ROOT, planned, run

pytestmark = pytest.mark.slow


def test_dvc_takes_over_a_finished_run_and_both_find_nothing_to_do(copied: Path) -> None:
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, copied)
    (copied / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", copied / ".dvc")
    run(copied, "git", "init", "--quiet").check_returncode()
    decisions = {path.name: path.read_bytes() for path in (copied / "decisions").iterdir()}

    first = run(copied, "dvc", "repro")
    assert first.returncode == 0, first.stdout
    again = run(copied, "dvc", "repro")
    assert "Data and pipelines are up to date." in again.stdout
    assert planned(copied) == []
    assert {path.name: path.read_bytes() for path in (copied / "decisions").iterdir()} == decisions
