"""How much of the lost accuracy do the repairs win back? Against well-known ways, on the same network.

    python benchmarks/improve.py [--quick] [--datasets mnist] [--seeds 0,1,2] [--corruptions impulse_noise,…]
        [--methods retrain_100,…] [--jobs 1] [--minutes 60]

For each corruption, at its suite's own severity: a window of 500 images, reviewed by the simulated reviewer;
every method is scored on 2,000 others that no window shows, corrupted the same way, and on 5,000 clean ones.

Each figure is written to `benchmarks/results/improve/DATASET-SEED.json` as soon as it is measured, and is
not measured again while the code that decides it stays the same: a run that was cut short goes on, on this
machine or on another. With `--jobs N` so many corruptions are measured side by side, on one GPU where there
is one. At the end `benchmarks/results/improve.json` and `docs/benchmark-improve.md` are made from all that
is there, whatever was asked for; with `--minutes 0` that is all that is done.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from driftloop.corruptions import SUITES
from driftloop.files import write_json, write_text
from improve_cells import METHODS, Case, code_of, measure
from improve_material import Material
from improve_sequence import DRIFTS, WAYS, kept_sequences, measure_sequences
from improve_store import Cell, Store, kept_in
from improve_summary import Measured, summarise
from improve_table import table

HERE = Path(__file__).parent
QUICK = ("impulse_noise", "rotate", "brightness")
QUICK_METHODS = (
    *("none", "bn", "tent", "scanflow", "finetune_100"),
    *("retrain_20", "retrain_100", "align", "filter_known", "both_100"),
)
Whose = tuple[str, int, Path]
"""Dataset, seed and folder of a material."""


def main() -> None:
    """Measure what was asked for, and write it down."""
    given = _arguments()
    stop = time.monotonic() + 60 * given.minutes
    wanted = given.corruptions.split(",") if given.corruptions else list(QUICK) if given.quick else None
    every = QUICK_METHODS if given.quick else tuple(METHODS)
    methods = given.methods.split(",") if given.methods else every
    folder = given.results / "improve"
    with _processes(given.jobs) as pool:
        tasks = []
        for dataset in given.datasets.split(","):
            for seed in map(int, (given.seeds or ("0" if given.quick else "0,1,2")).split(",")):
                whose, store = (dataset, seed, given.work), Store(folder, dataset, seed)
                tasks += _submit(pool, whose, wanted, methods, store, stop)
        _wait(tasks)
    result = summarise(gather(folder, given.work))
    write_json(given.results / "improve.json", result)
    write_text(given.table, table(result))
    print(f"{given.results / 'improve.json'}, {given.table}")
    if given.minutes and time.monotonic() > stop:
        sys.exit("Out of time: cells may be missing; the same command goes on with them.")


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
    parser.add_argument("--jobs", type=int, default=1, help="processes that measure side by side")
    parser.add_argument("--work", type=Path, default=Path(".driftloop/benchmark"))
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--table", type=Path, default=HERE.parent / "docs/benchmark-improve.md")
    return parser.parse_args()


def _processes(jobs: int) -> ProcessPoolExecutor:
    """Return processes that share the processor's cores; a GPU is not forked, so they are spawned."""
    threads = max(1, torch.get_num_threads() // max(1, jobs))
    return ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (threads,))


def _submit(
    pool: Executor,
    whose: Whose,
    wanted: Sequence[str] | None,
    methods: Sequence[str],
    store: Store,
    stop: float,
) -> list[Future[None]]:
    """Have all that is missing of a dataset and seed measured."""
    if time.monotonic() >= stop:
        return []
    material = Material(*whose)
    suite = SUITES[material.suite]
    names = [name for name in wanted or suite if not set(methods) <= set(kept(material, store, name))]
    sequences = (
        wanted is None and set(DRIFTS) <= set(suite) and len(kept_sequences(material, store)) < len(WAYS)
    )
    if names or sequences:
        _ = material.classifier  # fetched and trained once, here, for all who ask for it later
    tasks = [pool.submit(_measure_case, whose, name, methods, store, stop) for name in names]
    return [*tasks, pool.submit(_measure_sequences, whose, store, stop)] if sequences else tasks


def _wait(tasks: Sequence[Future[None]]) -> None:
    """Wait for all; where one fails, or somebody interrupts, what has not begun never does."""
    try:
        for task in as_completed(tasks):
            task.result()
    except BaseException:
        for task in tasks:
            task.cancel()
        raise


_material = lru_cache(maxsize=1)(Material)
"""The material that a process works on: its cases come one after another."""


def _measure_case(whose: Whose, corruption: str, methods: Sequence[str], store: Store, stop: float) -> None:
    measure_missing(Case(_material(*whose), corruption), methods, store, stop)


def _measure_sequences(whose: Whose, store: Store, stop: float) -> None:
    measure_sequences(_material(*whose), store, stop)


def measure_missing(case: Case, methods: Sequence[str], store: Store, stop: float) -> None:
    """Measure the cells of a case that the store lacks; none is begun after `stop`.

    All cells of a case began with the same model: where some are missing and this machine's model is
    another than theirs, all are measured.
    """
    material = case.material
    found = {m: cell for m, cell in kept(material, store, case.corruption).items() if m in methods}
    if len(found) == len(methods) or time.monotonic() > stop:
        return
    if any(cell.model != material.weights for cell in found.values()):
        found = {}
    for method in (m for m in methods if m not in found):
        if time.monotonic() > stop:
            return
        cell = measure(case, method)
        store.put(case.corruption, method, cell)
        accuracy = f"{cell.drift.accuracy:.4f}"
        print(material.dataset, material.seed, case.corruption, method, accuracy, flush=True)


def kept(material: Material, store: Store, corruption: str) -> dict[str, Cell]:
    """Return what is in the store of a corruption, by method, as far as the code of today gave it."""
    cells = store.cells(corruption)
    return {m: cells[m] for m in METHODS if m in cells and cells[m].code == code_of(material, m)}


def gather(folder: Path, work: Path) -> Measured:
    """Return all that is kept in a folder, as far as the code of today gave it."""
    found = Measured()
    for dataset, seed in kept_in(folder):
        material, store = Material(dataset, seed, work), Store(folder, dataset, seed)
        for name in SUITES[material.suite]:
            if cells := kept(material, store, name):
                found.cells[dataset][name][seed] = cells
        found.sequences[dataset][seed] = kept_sequences(material, store)
    return found


if __name__ == "__main__":
    main()
