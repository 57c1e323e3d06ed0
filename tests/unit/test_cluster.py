"""A Slurm cluster without accounts is noticed before anybody waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from driftloop.cluster import choose_status_command, keeps_accounts


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    keeps_accounts.cache_clear()
    yield
    keeps_accounts.cache_clear()


@pytest.mark.parametrize(("answer", "chosen"), [("exit 0", "sacct"), ("echo disabled >&2; exit 1", "squeue")])
def test_squeue_is_asked_where_sacct_has_no_answer(
    answer: str, chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sacct"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    settings = SimpleNamespace(status_command="sacct")
    choose_status_command(settings)
    assert settings.status_command == chosen


def test_what_somebody_chose_and_other_executors_stay() -> None:
    for settings in (SimpleNamespace(status_command="squeue"), SimpleNamespace(), None):
        before = vars(settings).copy() if settings else None
        choose_status_command(settings)
        assert (vars(settings) if settings else None) == before
