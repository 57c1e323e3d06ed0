"""How much of the lost accuracy do the repairs win back? Against well-known ways, on the same network.

    python benchmarks/improve.py [--quick] [--datasets mnist] [--seeds 0,1,2] [--corruptions impulse_noise,…]

For each corruption, at its suite's own severity: a window of 500 images, reviewed by the simulated reviewer;
every method is scored on 2,000 others that no window shows, corrupted the same way, and on 5,000 clean ones.

Each figure is written to `benchmarks/results/improve/DATASET-SEED.json` as soon as it is measured, and is
not measured again while the code that decides it stays the same: a run that was cut short goes on, on this
machine or on another. `benchmarks/results/improve.json` and `docs/benchmark-improve.md` are made from them
at the end, of what was asked for. Seeds may be measured side by side, by one process each; `--minutes 0` then
writes of them all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from driftloop.corruptions import SUITES
from driftloop.files import write_json, write_text
from improve_cells import METHODS, Case, code_of, measure
from improve_material import Material
from improve_sequence import DRIFTS, sequence
from improve_store import Cell, Store
from improve_summary import Measured, summarise
from improve_table import table

HERE = Path(__file__).parent
QUICK = ("impulse_noise", "rotate", "brightness")
QUICK_LEAVES_OUT = {name for name in METHODS if "50" in name or "random" in name} | {
    "filter_unknown",
    "ceiling",
}


def main() -> None:
    """Measure what was asked for, and write it down."""
    given = _arguments()
    stop = time.monotonic() + 60 * given.minutes
    wanted = given.corruptions.split(",") if given.corruptions else list(QUICK) if given.quick else None
    methods = given.methods.split(",") if given.methods else list(METHODS)
    methods = [m for m in methods if not (given.quick and m in QUICK_LEAVES_OUT)]
    found = Measured()
    for dataset in given.datasets.split(","):
        for seed in map(int, (given.seeds or ("0" if given.quick else "0,1,2")).split(",")):
            material = Material(dataset, seed, given.work)
            store = Store(given.results / "improve", dataset, seed)
            for name in wanted or SUITES[material.suite]:
                if cells := measured(Case(material, name), methods, store, stop):
                    found.cells[dataset][name][seed] = cells
            if wanted is None and set(DRIFTS) <= set(SUITES[material.suite]):
                found.sequences[dataset][seed] = sequence(material, store, stop)
    if given.minutes and time.monotonic() > stop:
        sys.exit("Out of time: cells are missing; the same command goes on with them.")
    result = summarise(found)
    write_json(given.results / "improve.json", result)
    write_text(given.table, table(result))
    print(f"{given.results / 'improve.json'}, {given.table}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three corruptions of MNIST, one seed")
    parser.add_argument("--datasets", default="mnist")
    parser.add_argument("--seeds", default=None, help="default: 0,1,2; with --quick: 0")
    parser.add_argument("--corruptions", default=None, help="default: all of the suite")
    parser.add_argument("--methods", default=None, help="default: all")
    parser.add_argument(
        "--minutes", type=float, default=np.inf, help="begin no cell later; 0 writes down what is there"
    )
    parser.add_argument("--work", type=Path, default=Path(".driftloop/benchmark"))
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--table", type=Path, default=HERE.parent / "docs/benchmark-improve.md")
    return parser.parse_args()


def measured(case: Case, methods: list[str], store: Store, stop: float) -> Mapping[str, Cell]:
    """Return the cells of a case, those that are missing measured; after `stop` they stay missing.

    All cells of a case began with the same model: where some are missing and this machine's model is
    another than theirs, all are measured.
    """
    material = case.material

    def kept() -> dict[str, Cell]:
        cells = store.cells(case.corruption)
        return {m: cells[m] for m in methods if m in cells and cells[m].code == code_of(material, m)}

    found = kept()
    if len(found) == len(methods) or time.monotonic() > stop:
        return found
    if any(cell.model != material.weights for cell in found.values()):
        found = {}
    for method in (m for m in methods if m not in found):
        if time.monotonic() > stop:
            break
        cell = measure(case, method)
        store.put(case.corruption, method, cell)
        print(
            material.dataset, material.seed, case.corruption, method, f"{cell.drift.accuracy:.4f}", flush=True
        )
    return kept()


if __name__ == "__main__":
    main()
