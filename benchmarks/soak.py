"""A long stream: does the three-hundredth window take as long, and as much memory, as the first?

    python benchmarks/soak.py [WINDOWS]        300 by default

Drifts come and go on real digits (seed 0): of ten windows three are corrupted, by six corruptions in turn;
the simulated reviewer answers. First every window is drawn, as production would have done. Then one run of
Snakemake takes the stream from its first window to its last; a window's time is that from the record of the
promotion before it to its own. The steps are the real ones, forked from a process that has loaded torch
already (tests/warm.py), so that what is timed is not the loading. Prints what it found and writes it to
benchmarks/results/soak.json.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import BIN, make_project  # noqa: E402
from tests.warm import warm_programs  # noqa: E402

KINDS = ("impulse_noise", "rotate", "brightness", "stripe", "motion_blur", "scale")
N = 100


def main() -> None:
    """Measure, print, write."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), count)
    target = ROOT / "benchmarks" / "results" / "soak.json"
    target.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def stream(count: int) -> dict[str, dict[str, Any]]:
    """Describe the windows: the fifth, sixth and seventh of ten are corrupted."""
    corrupted = {place: KINDS[place // 10 % len(KINDS)] for place in range(count) if place % 10 in (4, 5, 6)}
    return {
        f"w{place + 1:03d}": {"n": N, **({"corruption": corrupted[place]} if place in corrupted else {})}
        for place in range(count)
    }


def soak(folder: Path, count: int, *choices: str) -> dict[str, Any]:
    """Take so many windows through the pipeline in `folder`, and say what that took."""
    project = make_project(folder / "project", ("dataset=digits", "review.samples=96", *choices))
    params = yaml.safe_load((project / "params.yaml").read_text()) | {"stream": stream(count)}
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (folder / "bin").mkdir()
    with warm_programs(folder / "bin") as warm:
        path = os.pathsep.join([str(warm), str(BIN), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
        planned_first = run(project, environment, "--dry-run", "--quiet", "all")
        drawn = [f"data/windows/{window}/meta.json" for window in params["stream"]]
        run(project, environment, "models/reference/detector.json", *drawn)
        started = time.time()
        with sampling(os.getpid()) as samples:
            whole = run(project, environment)
        planned_last = run(project, environment, "--dry-run", "--quiet", "all")
    return {
        "windows": count,
        **_times(project, params["stream"], started, samples),
        "run_s": round(whole, 1),
        "plan_before_s": round(planned_first, 1),
        "plan_after_s": round(planned_last, 1),
        **_verdicts(project, params["stream"]),
        "environment": {"cpus": os.cpu_count(), "python": platform.python_version()},
    }


def run(project: Path, environment: Mapping[str, str], *arguments: str) -> float:
    """Run Snakemake to its end; return the seconds that it took."""
    started = time.monotonic()
    done = subprocess.run(
        [str(BIN / "snakemake"), "--cores", "2", *arguments], cwd=project, env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return time.monotonic() - started


@contextmanager
def sampling(above: int) -> Iterator[list[tuple[float, int, int]]]:
    """Note twice a second the time, and the resident MB of Snakemake and of the largest step below it."""
    samples: list[tuple[float, int, int]] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.5):
            engine = step = 0
            for command, megabytes in _below(above):
                if "snakemake" in command:
                    engine = max(engine, megabytes)
                else:
                    step = max(step, megabytes)
            samples.append((time.time(), engine, step))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield samples
    finally:
        ended.set()
        watcher.join()


def _below(above: int) -> Iterator[tuple[str, int]]:
    """Yield command line and resident megabytes of the processes below one."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
    for process in parents:
        ancestor = process
        while ancestor in parents and ancestor != above:
            ancestor = parents[ancestor]
        if ancestor == above and process != above:
            try:
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
                yield Path(f"/proc/{process}/cmdline").read_text(), pages * os.sysconf("SC_PAGESIZE") >> 20
            except OSError:
                continue


def _times(
    project: Path, windows: Mapping[str, Any], started: float, samples: list[tuple[float, int, int]]
) -> dict[str, Any]:
    """Compare the first and the last sixth of the stream: all their windows, and those without a repair."""
    records = (project / f"models/{window}/promote-model.made.json" for window in windows)
    done = [started, *(record.stat().st_mtime for record in records)]
    took = dict(zip(windows, (after - before for before, after in pairwise(done)), strict=True))
    block, names = max(1, len(windows) // 6), list(windows)
    found: dict[str, Any] = {"block": block}
    for end, part in (("first", slice(0, block)), ("last", slice(len(names) - block, len(names)))):
        repaired = [name for name in names[part] if (project / f"results/{name}/evaluation.json").exists()]
        begin, *_, finish = done[part.start : part.stop + 1]
        within = [sample for sample in samples if begin <= sample[0] <= finish]
        found[end] = {
            "mean_s": round(statistics.fmean(took[name] for name in names[part]), 2),
            "median_s_without_repair": round(
                statistics.median(took[name] for name in names[part] if name not in repaired), 2
            ),
            "repairs_tried": len(repaired),
            "snakemake_mb": max((sample[1] for sample in within), default=None),
            "largest_step_mb": max((sample[2] for sample in within), default=None),
        }
    return found


def _verdicts(project: Path, windows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Count what became of corrupted and of clean windows."""
    rows = {row["window"]: row for row in json.loads((project / "results/summary.json").read_text())}
    corrupted = [rows[name] for name, facts in windows.items() if "corruption" in facts]
    clean = [rows[name] for name, facts in windows.items() if "corruption" not in facts]
    told = [(row, windows[window].get("corruption")) for window, row in rows.items()]
    repaired = {corruption for row, corruption in told if row["promoted"]}
    return {
        "overlooked": [  # a corruption that was never repaired, and was not noticed this time
            row["window"]
            for row, corruption in told
            if corruption and not row["drifted"] and corruption not in repaired
        ],
        "answered_wrongly": [
            row["window"]
            for row, corruption in told
            if row["decision"] != (_answer(corruption) if row["drifted"] else "keep")
        ],
        "corrupted": len(corrupted),
        "corrupted_that_drifted": sum(row["drifted"] for row in corrupted),
        "clean": len(clean),
        "clean_that_drifted": sum(row["drifted"] for row in clean),
        "promoted": sum(bool(row["promoted"]) for row in rows.values()),
        "decided": {
            decision: sum(row["decision"] == decision for row in rows.values())
            for decision in ("keep", "filter", "retrain", "both")
        },
    }


def _answer(corruption: str | None) -> str:
    """What somebody decides who knows what happened: no filter moves pixels back."""
    return "keep" if corruption is None else "retrain" if corruption in ("rotate", "scale") else "filter"


if __name__ == "__main__":
    main()
