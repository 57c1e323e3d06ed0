"""What several jobs gain on a large window: scoring 100,000 images in one job, and in four.

    python benchmarks/scatter.py [--n 100000] [--parts 4] [--cores 2] [KEY=VALUE]...      (make bench-scatter)

The window arrives in the inbox: drawn from all of the dataset with replacement, half of its images with
impulse noise. It is predicted once, then checked both ways, each rule a job of Snakemake. Prints the wall
times in seconds and whether the reports are the same, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import make_project, run  # noqa: E402

from driftloop.corruptions import corrupt  # noqa: E402

WINDOW = "large"
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
        project = make_project(Path(folder) / "project", options.choices)
        results, report = project / "results" / WINDOW, f"results/{WINDOW}/drift.json"
        go = ("snakemake", "--cores", str(options.cores))
        timed(project, *go, "models/reference/detector.json")
        arrive(project, options.n)
        timed(project, *go, f"results/{WINDOW}/predictions/predictions.json")
        whole_s = timed(project, *go, report)
        whole = [(results / name).read_bytes() for name in MADE]
        for name in MADE:
            (results / name).unlink()
        parts_s = timed(project, *go, "--set-scatter", f"check={options.parts}", "--", report)
        same = whole == [(results / name).read_bytes() for name in MADE]
    found = {"one_job_s": whole_s, "parts_s": parts_s, "same_bytes": same}
    print(json.dumps({**vars(options), **found}, indent=2))


def arrive(project: Path, n: int) -> None:
    """Let a window of n images arrive, the only one of the stream."""
    params = yaml.safe_load((project / "params.yaml").read_text())
    params |= {"stream": {}, "inbox": {"folder": "inbox", "settle": 0, "cut": None}}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    images = np.load(project / "data" / "raw" / "images.npy")
    window = images[np.random.default_rng(0).integers(len(images), size=n)]
    for start in range(0, n // 2, 1000):
        rows = slice(start, min(start + 1000, n // 2))
        window[rows] = corrupt(window[rows], params["corruptions"], "impulse_noise", rng=start)
    (project / "inbox").mkdir()
    np.save(project / "inbox" / f"{WINDOW}.npy", window)


def timed(project: Path, *command: str) -> float:
    """Run a command in a project and return its seconds."""
    started = time.perf_counter()
    done = run(project, *command, timeout=3600)
    if done.returncode:
        sys.exit(done.stdout)
    return round(time.perf_counter() - started, 1)


if __name__ == "__main__":
    main()
