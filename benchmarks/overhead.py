"""What orchestration costs: a whole run by Snakemake against the same functions called in one process.

Run it on an idle machine: `make bench-overhead`. Both runs start from an empty project, with the parameters
of `params.yaml`, on real data, and are answered by the simulated reviewer. Then what tracking costs: the
recording that is part of the run, and `dvc repro` over it. Prints the wall times in seconds and their ratios,
and writes them to benchmarks/results/overhead.json.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import make_project  # noqa: E402

from driftloop.containers.image import revision  # noqa: E402
from driftloop.files import digest_file, write_json  # noqa: E402
from driftloop.review.decision import REPAIRS, STEPS  # noqa: E402
from driftloop.tracker.provenance import read_made  # noqa: E402

ONE_PROCESS = """
import sys; sys.path.insert(0, {root!r})
from benchmarks.overhead import run_steps
run_steps()
"""


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder:
        choices = sys.argv[1:]
        by_function = make_project(Path(folder) / "functions", choices)
        by_snakemake = make_project(Path(folder) / "snakemake", choices)
        functions = seconds([sys.executable, "-c", ONE_PROCESS.format(root=str(ROOT))], by_function)
        orchestrated = seconds(["snakemake", "--cores", "2"], by_snakemake)
        nothing = seconds(["snakemake", "--cores", "2"], by_snakemake)
        recording, dvc = recording_seconds(by_snakemake), dvc_seconds(by_snakemake)
        same = all(
            outcome(by_function, window) == outcome(by_snakemake, window)
            for window in ("w01", "w02", "w03", "w04", "w05")
        )
    result = {
        "one_process_s": round(functions, 1),
        "snakemake_s": round(orchestrated, 1),
        "ratio": round(orchestrated / functions, 3),
        "nothing_to_do_s": round(nothing, 2),
        "recording_s": round(recording, 2),
        "dvc_s": round(dvc, 2),
        "tracking_share": round((recording + dvc) / (orchestrated - recording), 3),
        "same_outcome": same,
        "environment": {"cpus": os.cpu_count(), "python": platform.python_version()},
    }
    target = ROOT / "benchmarks" / "results" / "overhead.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def seconds(command: list[str], project: Path) -> float:
    """Run a command in a project without a terminal; return its wall time."""
    started = time.monotonic()
    subprocess.run(command, cwd=project, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def recording_seconds(project: Path) -> float:
    """Do again what recording adds to a run: every product's digest, revisions, records; then judge them."""
    paths = list(project.rglob("*.made.json"))
    started = time.monotonic()
    for path in paths:
        made = read_made(path)
        for product in made.outputs if made else ():
            digest_file(project / product)
        revision(ROOT)
        write_json(path.with_suffix(".again"), json.loads(path.read_text()))
    return time.monotonic() - started + seconds(["driftloop", "why", "--stale"], project)


def dvc_seconds(project: Path) -> float:
    """Time `dvc repro` over the finished run: Snakemake looks at it, DVC hashes and caches every product."""
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, project)
    seconds(["git", "init", "--quiet"], project)
    seconds(["dvc", "init", "--quiet"], project)
    return seconds(["dvc", "repro"], project)


def outcome(project: Path, window: str) -> tuple[str, str]:
    """What became of a window: its verdict, and the model that is in production after it."""
    verdict = json.loads((project / "results" / window / "verdict.json").read_text())
    lineage = json.loads((project / "models" / window / "lineage.json").read_text())
    return verdict["decision"], str([repair["repair"] for repair in lineage["repairs"]])


def run_steps() -> None:
    """Run every step of the workflow, in its order, in this process and this working directory."""
    from driftloop.commands.table import find_command
    from driftloop.params.load import load_params

    params = load_params()
    for name, window in steps(list(params["stream"])):
        command = find_command(name)
        if name == "review":
            Path("decisions").mkdir(exist_ok=True)
            command.main([window, "--verdict", f"results/{window}/verdict.json"], standalone_mode=False)
        else:
            command.work(command.leaves(params, window), *([window] if window else []))


def steps(windows: list[str]) -> Iterator[tuple[str, str | None]]:
    """Yield (step, window) in the order of the workflow; what follows a review depends on its verdict."""
    for name in ("fetch-dataset", "split-dataset", "train-model", "fit-detector"):
        yield name, None
    for window in windows:
        for name in ("make-window", "predict-window", "check-window", "review"):
            yield name, window
        decision = json.loads(Path("results", window, "verdict.json").read_text())["decision"]
        for repair in REPAIRS[decision]:
            yield STEPS[repair], window
        if decision != "keep":
            yield "evaluate-candidates", window
        yield "promote-model", window
        yield "score-window", window
    for name in ("summarize-run", "render-report"):
        yield name, None


if __name__ == "__main__":
    main()
