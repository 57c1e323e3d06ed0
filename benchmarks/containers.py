"""What containers cost: the demo stream bare and with every rule in its image; and a model as an image.

    python benchmarks/containers.py [--runs N] [KEY=VALUE]...       (make bench-containers)

Run it on an idle machine, with Docker and the images (`driftloop images build`). The two kinds of run take
turns; fetching counts in both. KEY=VALUE are choices of `driftloop configure`, such as dataset=digits. Then
the model that the stream left in production becomes the image `predict`: how long its first answer takes from
`docker run` on, and how fast it classifies 10,000 images, beside the same command in this environment. All
figures are medians, of whole processes from start to end. Writes benchmarks/results/containers.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import make_project  # noqa: E402

from driftloop import __version__  # noqa: E402
from driftloop.files import link_file, write_json  # noqa: E402

DOCKER = ("docker", "run", "--rm", "--interactive", "--network", "none", f"driftloop/predict:{__version__}")
APPTAINER = ("apptainer", "run", str(ROOT / "images" / "predict.sif"))
LIMITS = {"run_ratio": "at most 1.15", "first_answer_s": "at most 3", "throughput_ratio": "at least 0.8"}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("choices", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        seconds = measure_runs(Path(work), options.runs, options.choices)
        project = Path(work) / "contained0"
        seconds |= measure_predict(project, max(options.runs, 3))
    found = {f"{name}_s": round(statistics.median(times), 2) for name, times in seconds.items()}
    found |= {
        "run_ratio": round(found["contained_s"] / found["bare_s"], 3),
        "throughput_ratio": round(found["predict_bare_s"] / found["predict_docker_s"], 3),
        "throughput_ratio_apptainer": round(found["predict_bare_s"] / found["predict_apptainer_s"], 3),
        "all_s": {name: [round(each, 2) for each in times] for name, times in seconds.items()},
        "stream": options.choices or "the demo",
        "environment": {"cpus": os.cpu_count(), "python": platform.python_version()},
    }
    write_json(ROOT / "benchmarks" / "results" / "containers.json", found)
    print(json.dumps(found, indent=2))
    for name, limit in LIMITS.items():
        print(f"{name}: {found[name]}, {limit}")


def measure_runs(work: Path, runs: int, choices: list[str]) -> dict[str, list[float]]:
    """Seconds of whole runs, bare and contained, each in a new project."""
    seconds: dict[str, list[float]] = {"bare": [], "contained": []}
    for repeat in range(runs):
        for kind, arguments in (("bare", ()), ("contained", ("--use-singularity",))):
            project = make_project(work / f"{kind}{repeat}", choices)
            for file in (ROOT / "images").iterdir():
                link_file(file, project / "images" / file.name)
            seconds[kind].append(timed(project, "snakemake", "--cores", "2", *arguments))
            print(f"{kind}, run {repeat + 1}: {seconds[kind][-1]:.1f} s", flush=True)
    return seconds


def measure_predict(project: Path, runs: int) -> dict[str, list[float]]:
    """Seconds of the image `predict` and of the same command here: one picture, and 10,000 images."""
    model = project / "models" / "w05"
    timed(ROOT, "driftloop", "images", "build", "predict", "--model", str(model))
    pool = np.load(project / "data" / "splits" / "production" / "images.npy")
    many, one = project / "many.npy", project / "one.png"
    np.save(many, pool[np.arange(10_000) % len(pool)])
    Image.fromarray(pool[0, ..., 0]).save(one)
    here = ("driftloop", "predict", str(model))
    cases = {
        "first_answer": (DOCKER, one),
        "predict_bare": (here, many),
        "predict_docker": (DOCKER, many),
        "predict_apptainer": (APPTAINER, many),
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(runs):
        for name, (command, images) in cases.items():
            seconds[name].append(timed(project, *command, images=images))
    return seconds


def timed(folder: Path, *command: str, images: Path = Path(os.devnull)) -> float:
    """Run a command in a project, images on its standard input, and return its seconds."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    started = time.perf_counter()
    with images.open("rb") as stream:
        done = subprocess.run(
            command, cwd=folder, stdin=stream, env=environment, capture_output=True, check=False
        )
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
    return seconds


if __name__ == "__main__":
    main()
