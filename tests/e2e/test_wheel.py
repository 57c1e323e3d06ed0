"""What is released: installed into an empty environment, it makes a project outside this repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
CLASSES, EACH = ("cat", "dog"), 110
UNREACHED = ("error sending request", "failed to fetch", "dns error", "network was disabled")
pytestmark = pytest.mark.slow


def uv(*arguments: str | Path) -> None:
    """Run uv, as a user does. Skip where what it has to fetch cannot be had."""
    done = subprocess.run(["uv", *arguments], capture_output=True, text=True)
    if done.returncode and any(each in done.stderr.lower() for each in UNREACHED):
        pytest.skip(f"no registry is reached: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def test_the_wheel_makes_a_project_outside_the_repository(tmp_path: Path) -> None:
    dist, environment, outside = tmp_path / "dist", tmp_path / "environment", tmp_path / "outside"
    uv("build", "--quiet", "--out-dir", dist, ROOT)  # the sdist, and the wheel out of the sdist
    assert len(list(dist.glob("*.tar.gz"))) == 1
    uv("venv", "--quiet", environment)
    uv("pip", "install", "--quiet", "--python", environment / "bin/python", *dist.glob("*.whl"))
    outside.mkdir()
    shades = np.random.default_rng(0).integers(0, 256, (len(CLASSES) * EACH, 12, 12, 3), dtype=np.uint8)
    np.savez(outside / "shades.npz", images=shades, labels=np.repeat(CLASSES, EACH))

    def run(*arguments: str, where: Path = outside) -> str:
        alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        program = environment / "bin/driftloop"
        done = subprocess.run([program, *arguments], cwd=where, env=alone, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "220 colour images of 2 classes" in run("init", "fruit", "--images", "shades.npz")
    assert (outside / "fruit/Snakefile").is_file()
    assert "snakemake --cores all" in run("status", where=outside / "fruit")
