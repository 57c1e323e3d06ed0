"""What several jobs gain on a large window: scoring 100,000 images in one job, and in four.

    python benchmarks/scatter.py [--n 100000] [--parts 4] [--cores 2] [KEY=VALUE]...      (make bench-scatter)

Predicts a window of real MNIST, then checks it both ways, each rule a job of Snakemake. Prints the wall times
in seconds and whether the reports are the same, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import make_project, run  # noqa: E402

MADE = ("drift.json", "samples.csv")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("choices", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        choices = [f"stream.w01.n={options.n}", "stream.w01.corruption=impulse_noise", *options.choices]
        project = make_project(Path(folder) / "project", choices)
        results = project / "results" / "w01"
        go = ("snakemake", "--cores", str(options.cores))
        timed(project, *go, "models/reference/detector.json", "results/w01/predictions/predictions.json")
        whole_s = timed(project, *go, "results/w01/drift.json")
        whole = [(results / name).read_bytes() for name in MADE]
        for name in MADE:
            (results / name).unlink()
        scattered = ("--set-scatter", f"check={options.parts}", "--", "results/w01/drift.json")
        parts_s = timed(project, *go, *scattered)
        same = whole == [(results / name).read_bytes() for name in MADE]
    print(
        json.dumps({**vars(options), "one_job_s": whole_s, "parts_s": parts_s, "same_bytes": same}, indent=2)
    )


def timed(project: Path, *command: str) -> float:
    """Run a command in a project and return its seconds."""
    started = time.perf_counter()
    done = run(project, *command, timeout=3600)
    if done.returncode:
        sys.exit(done.stdout)
    return round(time.perf_counter() - started, 1)


if __name__ == "__main__":
    main()
