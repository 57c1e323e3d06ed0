"""Can the drift alarm be trusted, and is it the best there is? Against others, on the same embeddings.

    python benchmarks/check.py [--minutes 9] [--only accuracy]

Writes `benchmarks/results/check.json` and `docs/benchmark-check.md`. Every measurement is a cell: it is kept
under `.driftloop/benchmark/check`, by a digest of the code that it comes from, and not repeated. A run that
was cut short, or whose minutes are over, goes on where it stopped; the results name what is still missing.

Rivals are given clean windows of the same sizes, and the threshold at which they alarm as often as alpha,
whatever their own p-values say: power is compared at equal false alarms. Their own p-values' false alarms
are listed beside ours.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from check_cells import (
    DETECTORS,
    TEACHING,
    Checked,
    accuracy,
    choice,
    contaminated,
    default,
    detector,
    false_alarm,
    label_shift,
    rival,
)
from check_data import Material, digest_sources
from check_known import known_drift
from check_rivals import RIVALS
from check_speed import alibi_p_values, scale, speed
from check_streams import clean_streams, rising_streams
from check_table import summarise, table
from driftloop.files import read_json, write_json, write_text

HERE = Path(__file__).parent
Cell = tuple[str, str, Callable[[], Any]]
"""Its name, `dataset-seed/what`, what stands for its code, and what measures it."""

SCORING = tuple(
    f"checker/{name}.py"
    for name in (
        "appearance",
        "autoencoder",
        "combined",
        "conformal",
        "detector",
        "mahalanobis",
        "neighbours",
        "property_test",
        "rank_test",
        "scores",
        "softmax",
        "spaces",
        "strata",
        "window_test",
    )
)
"""The code that every cell depends on; and, below, that some do."""

CELLS = ("check_cells.py", "check_data.py", "check_windows.py")
PICKING = ("checker/check.py", "checker/picks.py")
OTHERS: dict[str, tuple[str, ...]] = {
    "accuracy": TEACHING,
    "choice": TEACHING,
    "rival": ("check_rivals.py",),
    "contaminated": PICKING,
    "clean_streams": ("checker/stream.py", "check_streams.py"),
    "rising_streams": ("checker/stream.py", "check_streams.py"),
    "known": (*PICKING, "checker/fitted.py", "check_known.py"),
    "speed": ("checker", "check_speed.py"),
    "scale": ("checker", "check_speed.py", "commands/check.py"),
}

ONE_DATASET: dict[str, Callable[[Checked], Any]] = {
    "default": default,
    "accuracy": accuracy,
    **{f"detector/{label}": detector(label) for label in DETECTORS},
    **{f"rival/{each.name}": rival(place) for place, each in enumerate(RIVALS)},
    "contaminated": contaminated,
    "label_shift": label_shift,
    "rising_streams": rising_streams,
    "choice": choice,
}
ONCE = {"speed": speed, "alibi": alibi_p_values, "clean_streams": clean_streams}


def main() -> None:
    """Measure what is missing, as long as there is time, and write down what is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no cell after so many")
    parser.add_argument("--only", default="", help="only cells whose name contains this")
    parser.add_argument("--work", type=Path, default=Path(".driftloop/benchmark"))
    parser.add_argument("--results", type=Path, default=HERE / "results/check.json")
    parser.add_argument("--table", type=Path, default=HERE.parent / "docs/benchmark-check.md")
    given = parser.parse_args()
    started, done, missing = time.monotonic(), {}, []
    for name, digest, measure in cells(given.work):
        path = given.work / "check/cells" / f"{name}-{digest}.json"
        if not path.exists() and given.only in name and time.monotonic() - started < 60 * given.minutes:
            began = time.process_time()
            write_json(path, {"result": measure(), "cpu_s": round(time.process_time() - began, 1)})
            print(f"{name}: {time.process_time() - began:.0f} s", flush=True)
        if path.exists():
            done[name] = read_json(path)["result"]
        else:
            missing.append(name)
    result = {**summarise(done), "missing": missing, "hardware": hardware()}
    write_json(given.results, result)
    write_text(given.table, table(result))
    print(f"{given.results}, {given.table}; {len(done)} cells done, {len(missing)} missing")


def cells(work: Path) -> Iterator[Cell]:
    """Yield all cells, the quick and telling ones first."""
    keys = (("mnist", 0), ("fashion_mnist", 0), ("cifar10", 0), ("mnist", 1))
    for name, seed in keys:
        checked = Checked(
            Material.of(name, seed, work), work / "check" / f"{name}-{seed}-{digest_sources(*SCORING)}"
        )
        wanted = {"default": default} if seed else dict(ONE_DATASET)
        if name == "mnist":
            wanted["false_alarm"] = false_alarm
        if (name, seed) == keys[0]:
            wanted |= ONCE
            wanted |= {f"scale/{n}": partial(scale, n=n) for n in (1_000, 10_000, 100_000, 1_000_000)}
            wanted |= {f"known/{each}": known_drift(each) for each in checked.material.standard}
        for what, measure in wanted.items():
            yield f"{name}-{seed}/{what}", code(what), partial(measure, checked)


def code(what: str) -> str:
    """Return what stands for the code that measures a cell, and that is measured."""
    kind = what.partition("/")[0]
    return digest_sources(*SCORING, *CELLS, *OTHERS.get(kind, ()))


def hardware() -> dict[str, Any]:
    """Return what this ran on, and with."""
    packages = {name: version(name) for name in ("numpy", "scipy", "torch")}
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **packages,
    }


if __name__ == "__main__":
    main()
