"""A project of its own for a test, and Snakemake run in it as a user would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from driftloop.estimate import Estimate
from driftloop.findings.drift import Drift, LabelShift

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
DIGITS = (
    "dataset=digits",
    "review.samples=40",
    "retrain.steps=150",
    "filter.steps=40",
    *(f"stream.{window}.n=60" for window in ("w01", "w02", "w03", "w04", "w05")),
)
"""Choices for `driftloop configure` with which a whole run on real digits takes well under a minute."""

SMALL = (
    "dataset=digits",
    *("~stream.w03", "~stream.w04", "~stream.w05", "stream.w01.n=40", "stream.w02.n=40"),
    "split.population=50",
    "train.epochs=3",
    "detector.reference=200",
    "review.samples=16",
    "retrain.steps=4",
    "filter.steps=4",
)
"""Choices for a run of two windows, one of them drifted, with as little training as there can be."""

SUMMARY_KEYS = """
window n p_value alpha drifted estimated_accuracy decision reviewer labels_used promoted
incumbent_accuracy candidate_accuracy true_incumbent_accuracy true_candidate_accuracy
clean_incumbent_accuracy clean_candidate_accuracy
""".split()  # noqa: SIM905 (a table reads better than a column of strings)
"""What every row of results/summary.json has, in this order."""


def drift_of(window: str, *, drifted: bool, **changes: Any) -> Drift:
    """What a check may find, a plain case."""
    found = Drift(
        window=window,
        n=120,
        statistic=14.2 if drifted else 0.4,
        p_value=0.0001 if drifted else 0.413,
        alpha=0.01,
        drifted=drifted,
        stream=None,
        novel_share=_near(0.86 if drifted else 0.0),
        moves=(),
        estimated_accuracy=_near(0.34 if drifted else 0.99),
        known_as=None,
        label_shift=LabelShift(0.5, 0.1, "7", 0.2, 0.1),
        kinds=("clean",),
        kind_shares=(1.0,),
        picks=(),
    )
    return replace(found, **changes)


def _near(estimate: float) -> Estimate:
    return Estimate(estimate, max(0.0, estimate - 0.05), min(1.0, estimate + 0.05))


def make_project(folder: Path, choices: Sequence[str] = DIGITS) -> Path:
    """Make a driftloop project in `folder`: the repository's workflow, with parameters of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "Snakefile", folder)
    for name in ("rules", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    run(folder, "driftloop", "configure", *choices).check_returncode()
    return folder


def once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """Return a folder that `build` made, once for all processes that the tests are spread over."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, whole = shared / name, shared / f"{name}.whole"
    with FileLock(shared / f"{name}.lock"):
        if not whole.exists():
            build(folder)
            whole.touch()
    return folder


def run(
    folder: Path, *command: str, timeout: float = 600, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a project, without a terminal; standard error is part of `stdout`."""
    path = os.environ["PATH"]
    if str(BIN) not in path.split(os.pathsep):
        path = f"{BIN}{os.pathsep}{path}"
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )


def snakemake(
    folder: Path, *arguments: str, timeout: float = 600, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `snakemake --cores 2` in a project."""
    return run(folder, "snakemake", "--cores", "2", *arguments, timeout=timeout, **environment)


def planned(folder: Path, *arguments: str) -> list[str]:
    """Return the messages of the jobs that Snakemake would run now, such as `w02: reviewing`, sorted."""
    result = snakemake(folder, "--dry-run", "--quiet", "host", *arguments)
    assert result.returncode == 0, result.stdout
    return sorted(re.findall(r"^Job \d+: (.*)$", result.stdout, flags=re.MULTILINE))
