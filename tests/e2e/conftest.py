"""Whole runs, made once and copied for each test that goes on from them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import DIGITS, make_project, once, snakemake


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory, warm: str) -> Path:
    """The demo's stream on real digits, answered by the simulated reviewer. Copy it before changing it."""

    def build(folder: Path) -> None:
        result = snakemake(make_project(folder, DIGITS), PATH=warm)
        assert result.returncode == 0, result.stdout

    return once(tmp_path_factory, "digits", build)


@pytest.fixture
def copied(digits_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run on digits, times and all."""
    return Path(shutil.copytree(digits_run, tmp_path / "project", copy_function=shutil.copy2))


@pytest.fixture(scope="session")
def reference_only(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Make projects that have their reference model already and wait for a person at every drift."""

    def build(folder: Path) -> None:
        make_project(folder, (*DIGITS, "review.reviewer=human"))
        for part in ("data/raw", "data/splits", "models/reference", "results/reference"):
            shutil.copytree(digits_run / part, folder / part)
        assert "Nothing to be done" in snakemake(folder, "models/reference/detector.json").stdout

    base = once(tmp_path_factory, "reference", build)
    return lambda folder: Path(shutil.copytree(base, folder, copy_function=shutil.copy2))
