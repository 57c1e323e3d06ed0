"""How much of the lost accuracy do the repairs win back? Against well-known ways, on the same network.

    python benchmarks/improve.py [--quick] [--datasets mnist] [--seeds 0,1,2] [--corruptions impulse_noise,…]

Writes `benchmarks/results/improve.json` and `docs/benchmark-improve.md`. Data and models are kept under
`.driftloop/benchmark`. For each corruption, at its suite's own severity: a window of 500 images, reviewed by
the simulated reviewer; every method is scored on 2,000 others that no window shows, corrupted the same way,
and on 5,000 clean ones. Finished cells are kept there too, so that a run that was cut short goes on.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from driftloop.corruptions import SUITES
from driftloop.improver.gate import judge
from improve_cells import METHODS, POPULATION, TEST, WINDOW, Case, cell, gather, is_measured

HERE = Path(__file__).parent
QUICK = ("impulse_noise", "rotate", "brightness")
QUICK_LEAVES_OUT = {"retrain_50", "retrain_250", "filter_unknown", "ceiling"}
TRIALS = 500
ABOUT = f"""Made by `python benchmarks/improve.py`; do not edit. Accuracy in percent on {POPULATION:,} images
that no window shows, after a window of {WINDOW}. `none`: no repair. `bn`: the window's batch-norm statistics.
`tent`: entropy minimisation. `scanflow`: retraining on the training set and 100 picks. `finetune_100`: plain
fine-tuning on 100 random labels. `…_random`: random samples instead of picks. `filter_unknown`: the
corruption withheld from all that the filter learned from. `both_100`: retrained through the filter.
`ceiling`: 20,000 labelled images of the drift. Picks follow the classifier's confidence here, without the
detector."""


def main() -> None:
    """Measure what was asked for, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three corruptions of MNIST, one seed")
    parser.add_argument("--datasets", default="mnist")
    parser.add_argument("--seeds", default=None, help="default: 0,1,2; with --quick: 0")
    parser.add_argument("--corruptions", default=None, help="default: all of the suite")
    parser.add_argument("--methods", default=None, help="default: all")
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no cell later than this")
    parser.add_argument("--work", type=Path, default=Path(".driftloop/benchmark"))
    parser.add_argument("--results", type=Path, default=HERE / "results/improve.json")
    parser.add_argument("--table", type=Path, default=HERE.parent / "docs/benchmark-improve.md")
    given = parser.parse_args()
    stop = time.monotonic() + 60 * given.minutes
    seeds = [int(seed) for seed in (given.seeds or ("0" if given.quick else "0,1,2")).split(",")]
    wanted = given.corruptions.split(",") if given.corruptions else list(QUICK) if given.quick else None
    methods = given.methods.split(",") if given.methods else list(METHODS)
    methods = [m for m in methods if not (given.quick and m in QUICK_LEAVES_OUT)]
    for dataset in given.datasets.split(","):
        for seed in seeds:
            material = gather(dataset, given.work, seed)
            for name in wanted or SUITES[material.suite]:
                case = Case(material, name)
                for method in methods:
                    if time.monotonic() > stop and not is_measured(case, method, given.work / "cells"):
                        sys.exit("Out of time; the same command goes on from here.")
                    found = cell(case, method, given.work / "cells")
                    hits = (found.population == case.population.labels).mean()
                    print(dataset, seed, name, method, f"{hits:.4f}", f"{found.seconds:.1f} s", flush=True)


def gate_rates(seed: int = 0) -> dict[str, float]:
    """Simulate the gate: how often it promotes a candidate that is no better, and one that is.

    Both disagree with the incumbent on some of the samples: the candidate that is no better on 10 % each
    way; the better one on 6 % for and 1 % against it. Labels are drawn at random from the window, or
    given to samples on which the two disagree, which is all that McNemar's test looks at.
    """
    clean = np.ones(TEST, bool)

    def rate(better: float, worse: float, n: int, *, disagreeing: bool = False) -> float:
        rng = np.random.default_rng(seed)
        total = better + worse if disagreeing else 1.0
        probabilities = [better / total, worse / total, 1 - (better + worse) / total]
        promoted = 0
        for _ in range(TRIALS):
            b, c, same = rng.multinomial(n, np.clip(probabilities, 0, 1))
            incumbent = np.repeat([False, True, True], [b, c, same])
            candidate = np.repeat([True, False, True], [b, c, same])
            promoted += judge(incumbent, candidate, clean, clean, alpha=0.02, margin=0.005).promote
        return promoted / TRIALS

    return {
        "alpha": 0.02,
        "trials": TRIALS,
        "false_promotion_rate": rate(0.1, 0.1, 100),
        "power_5_points_100_labels": rate(0.06, 0.01, 100),
        # A window of 500 has 35 such samples.
        "power_5_points_35_labels_where_they_disagree": rate(0.06, 0.01, 35, disagreeing=True),
        "power_10_points_100_labels": rate(0.12, 0.02, 100),
    }


def summarise(done: dict[str, Any]) -> dict[str, Any]:
    """Average the cells: over seeds for each corruption, and over corruptions and seeds for each method."""
    per: dict[str, dict[str, dict[str, list[dict[str, float]]]]] = {}
    for key, cell in done.items():
        dataset, _, corruption, method = key.split("/")
        per.setdefault(dataset, {}).setdefault(corruption, {}).setdefault(method, []).append(cell)

    def mean(cells: list[dict[str, float]], what: str) -> float:
        return round(float(np.mean([cell[what] for cell in cells])), 4)

    def over_all(dataset: str, what: str) -> dict[str, float]:
        rows = per[dataset].values()
        methods = [m for m in METHODS if all(m in row for row in rows)]
        return {m: round(float(np.mean([mean(row[m], what) for row in rows])), 4) for m in methods}

    clean = {dataset: over_all(dataset, "clean") for dataset in per}
    return {
        "means": {dataset: over_all(dataset, "accuracy") for dataset in per},
        "clean_after": {d: {"clean": values.get("none"), **values} for d, values in clean.items()},
        "seconds": {dataset: over_all(dataset, "seconds") for dataset in per},
        "per_corruption": {
            dataset: {
                corruption: {method: mean(cells, "accuracy") for method, cells in methods.items()}
                for corruption, methods in rows.items()
            }
            for dataset, rows in per.items()
        },
        "seeds": {
            dataset: sorted({int(key.split("/")[1]) for key in done if key.startswith(f"{dataset}/")})
            for dataset in per
        },
        "gate": gate_rates(),
        "environment": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "window": WINDOW,
            "population": POPULATION,
        },
    }


def table(result: dict[str, Any]) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# The repairs against their anchors",
            "",
            ABOUT,
            "",
            *(line for dataset in result["means"] for line in _dataset_tables(result, dataset)),
            "## The gate",
            "",
            *(f"- {name.replace('_', ' ')}: {value}" for name, value in result["gate"].items()),
            "",
            f"Environment: {', '.join(f'{k} {v}' for k, v in result['environment'].items())}.",
            "",
        ]
    )


def _dataset_tables(result: dict[str, Any], dataset: str) -> Iterator[str]:
    per = result["per_corruption"][dataset]
    means, clean = result["means"][dataset], result["clean_after"][dataset]
    yield f"## {dataset} ({len(per)} corruptions, seeds {', '.join(map(str, result['seeds'][dataset]))})"
    yield ""
    yield "| | mean | clean after | seconds |"
    yield "|---|---|---|---|"
    for method in means:
        seconds = result["seconds"][dataset][method]
        yield f"| {method} | {100 * means[method]:.1f} | {100 * clean[method]:.2f} | {seconds:.0f} |"
    yield ""
    yield f"| | {' | '.join(means)} |"
    yield f"|---|{'---|' * len(means)}"
    for corruption, row in per.items():
        yield f"| {corruption} | {' | '.join(f'{100 * row[m]:.1f}' for m in means)} |"
    yield ""


if __name__ == "__main__":
    main()
