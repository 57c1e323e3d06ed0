"""How fast, as ratios to an older commit that is measured in the same run: `make bench-speed`.

The older commit is checked out beside this one, under .driftloop/benchmark. Both builds run on the same
packages and take turns: a ratio holds when the machine's speed changes. Prints a table of medians and writes
benchmarks/results/speed.json: `{row: {ratio, spread, target, runs}}`, with the seconds of both builds by run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEFORE = "9b5f15aa18de1f253f87b2b3b2de63aa50c0d2ab"
WORK = ROOT / ".driftloop/benchmark"
CHOICES = (
    "train.epochs=1",
    "split.production=12000",
    "stream.w01.n=10000",
    *("~stream.w02", "~stream.w03", "~stream.w04", "~stream.w05"),
)
LARGE, SIDE = 300, 224
"""Images of the large row, and their side in pixels."""


@dataclass(frozen=True)
class Row:
    """One line of the table: what is timed, and the ratio that is aimed at."""

    target: float
    command: tuple[str, ...]


ROWS = {
    "check-window, 10,000 images of 28 x 28": Row(5, ("driftloop", "check-window", "w01", "--anew")),
    "check of images of 224 x 224": Row(8, (sys.executable, __file__, "--inside", "check_large")),
    "fit-detector": Row(3, ("driftloop", "fit-detector", "--anew")),
    "one image through the residual network": Row(50, (sys.executable, __file__, "--inside", "see_one")),
    "predict ONE.png": Row(2, ("driftloop", "predict", "models/reference", "one.png")),
}


def main() -> None:
    """Measure every row, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default=BEFORE, help="the commit to compare with")
    parser.add_argument("--runs", type=int, default=5, help="repetitions of each build")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(INSIDE[arguments.inside]())
        return
    builds = {"before": checkout(arguments.before), "now": ROOT}
    projects = {name: prepare(name, build) for name, build in builds.items()}
    result = {name: measure(row, builds, projects, arguments.runs) for name, row in ROWS.items()}
    for name, row in result.items():
        print(f"{name:42} {row['ratio']:6.2f} times as fast (aim: {row['target']})")
    facts = {"before": arguments.before, "cpus": os.cpu_count(), "python": platform.python_version()}
    target = ROOT / "benchmarks/results/speed.json"
    target.write_text(json.dumps({**result, "environment": facts}, indent=2) + "\n")


def checkout(commit: str) -> Path:
    """Return a checkout of a commit, made once."""
    folder = WORK / f"before-{commit[:12]}"
    if not folder.exists():
        subprocess.run(
            ["git", "worktree", "add", "--detach", "--quiet", str(folder), commit], cwd=ROOT, check=True
        )
    return folder


def prepare(name: str, build: Path) -> Path:
    """Return a project of a build with everything that comes before the rows; made anew each time."""
    folder = WORK / f"speed-{name}"
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    folder.mkdir(parents=True)
    for part in ("Snakefile", "rules", "profiles"):
        subprocess.run(["cp", "-r", str(build / part), str(folder)], check=True)
    run(build, folder, ("driftloop", "configure", *CHOICES))
    run(build, folder, ("snakemake", "--cores", "2", "--until", "predict_window", "fit_detector"))
    run(build, folder, (sys.executable, __file__, "--inside", "draw_one"))
    return folder


def run(build: Path, folder: Path, command: tuple[str, ...]) -> str:
    """Run a command of a build in a folder; return what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(build / "workflow")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed in {folder}:\n{done.stderr}")
    return done.stdout


def measure(row: Row, builds: dict[str, Path], projects: dict[str, Path], runs: int) -> dict[str, object]:
    """Time a row in both builds by turns; what runs inside a process says its own seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in builds}
    for _ in range(runs):
        for name, build in builds.items():
            started = time.perf_counter()
            told = run(build, projects[name], row.command)
            took = float(told) if "--inside" in row.command else time.perf_counter() - started
            seconds[name].append(round(took, 3))
    ratios = [before / now for before, now in zip(seconds["before"], seconds["now"], strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "target": row.target,
        "runs": seconds,
    }


def check_large() -> float:
    """Return the seconds that scoring large images takes, without what fitting them took."""
    import numpy as np

    from driftloop.checker.fitted import fit_detector
    from driftloop.checker.scores import score_samples

    try:
        from driftloop.models.features import Features
    except ImportError:  # where the older commit has it
        from driftloop.checker.features import Features  # type: ignore[import-not-found,no-redef]

    rng = np.random.default_rng(0)

    def photographs(n: int) -> Features:
        coarse = rng.integers(0, 256, (n, SIDE // 8, SIDE // 8, 3))
        images = np.kron(coarse, np.ones((1, 8, 8, 1))) + rng.normal(0, 8, (n, SIDE, SIDE, 3))
        embeddings = rng.standard_normal((n, 256)).astype(np.float32)
        return Features(images.clip(0, 255).astype(np.uint8), embeddings, embeddings[:, :10])

    fitted = fit_detector(photographs(60), photographs(40))
    window = photographs(LARGE)
    started = time.perf_counter()
    score_samples(fitted, window)
    return time.perf_counter() - started


def draw_one() -> float:
    """Write a training image of the project as `one.png`."""
    import numpy as np
    from PIL import Image

    images = np.load("data/splits/train/images.npy", mmap_mode="r")
    Image.fromarray(images[0, :, :, 0]).save("one.png")
    return 0.0


def see_one() -> float:
    """Return the seconds that one image of 32 pixels takes through the preset's residual network."""
    import numpy as np

    from driftloop.models.classifier import Classifier, ClassifierSpec
    from driftloop.models.predict import predict

    network = {"_target_": "driftloop.models.networks.ResNet"}
    form = (32, 32, 3), tuple("abcdefghij"), (0.5,) * 3, (0.2,) * 3
    classifier = Classifier(ClassifierSpec(network, *form))
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    predict(classifier, image)
    started = time.perf_counter()
    predict(classifier, image)
    return time.perf_counter() - started


INSIDE: dict[str, Callable[[], float]] = {
    "check_large": check_large,
    "draw_one": draw_one,
    "see_one": see_one,
}

if __name__ == "__main__":
    main()
