"""Whole runs, made once and copied for each test that goes on from them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import DIGITS, make_project, snakemake


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's stream on real digits, answered by the simulated reviewer. Copy it before changing it."""
    project = make_project(tmp_path_factory.mktemp("digits") / "project", DIGITS)
    result = snakemake(project)
    assert result.returncode == 0, result.stdout
    return project


@pytest.fixture
def copied(digits_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run on digits, times and all."""
    return Path(shutil.copytree(digits_run, tmp_path / "project", copy_function=shutil.copy2))


@pytest.fixture(scope="session")
def reference_only(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Make projects that have their reference model already and wait for a person at every drift."""
    base = make_project(tmp_path_factory.mktemp("reference") / "project", (*DIGITS, "review.reviewer=human"))
    result = snakemake(base, "models/reference/detector.json")
    assert result.returncode == 0, result.stdout
    return lambda folder: Path(shutil.copytree(base, folder, copy_function=shutil.copy2))
