"""Accounts without a name or a home, and what they may not do: one message that tells the truth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from driftloop.account import account
from driftloop.errors import lacking


def test_an_account_without_a_name_has_a_number() -> None:
    code = "import os; os.getuid = lambda: 59999; from driftloop.account import account; print(account())"
    bare = {"PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert done.stdout == "user-59999\n"


def test_a_name_never_leads_into_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "../ada lovelace")
    assert account() == ".._ada_lovelace"


def test_who_has_no_home_is_told_to_write_the_path_out() -> None:
    said = lacking(RuntimeError("Could not determine home directory."))
    assert said is not None
    assert "Write the whole path" in said


def test_what_may_not_be_read_is_not_called_unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "theirs.json"
    path.touch()
    denied = PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"may not read {path}" in (lacking(denied) or "")
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert f"may not write {path}" in (lacking(denied) or "")
