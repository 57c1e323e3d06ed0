"""What containers cost: the demo stream bare and with every rule in its image, and a model as an image.

    python benchmarks/containers.py [--runs 3] [KEY=VALUE]...       (make bench-containers)

Needs the images (`driftloop images build`). The data are fetched once, before the clock starts; the two kinds
of run take turns. KEY=VALUE are choices of `driftloop configure`, such as dataset=digits.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
KINDS = {"bare": [], "contained": ["--use-singularity"]}


def call(folder: Path, *command: str) -> float:
    """Run a command in a project; return its seconds."""
    started = time.perf_counter()
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
    return time.perf_counter() - started


def make_project(folder: Path, choices: list[str]) -> Path:
    """A project with the images linked and the data already fetched."""
    folder.mkdir()
    shutil.copy(ROOT / "Snakefile", folder)
    for name in ("rules", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "images").symlink_to(ROOT / "images")
    call(folder, "driftloop", "configure", *choices)
    call(folder, "snakemake", "--cores", "1", "data/raw/meta.json")
    return folder


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("choices", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as work:
        for repeat in range(options.runs):
            for kind, arguments in KINDS.items():
                project = make_project(Path(work) / f"{kind}{repeat}", options.choices)
                seconds[kind].append(call(project, "snakemake", "--cores", "2", *arguments))
                shutil.rmtree(project)
                print(f"{kind} run {repeat + 1}: {seconds[kind][-1]:.1f} s", flush=True)
    bare, contained = (statistics.median(seconds[kind]) for kind in KINDS)
    print(f"\n{platform.platform()}, {os.cpu_count()} cores, {' '.join(options.choices) or 'demo'}")
    print(f"median of {options.runs}: bare {bare:.1f} s, contained {contained:.1f} s: {contained / bare:.3f}")


if __name__ == "__main__":
    main()
