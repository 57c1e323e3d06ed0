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
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from driftloop.checker.picks import pick_samples
from driftloop.corruptions import SUITES, corrupt
from driftloop.data.contract import DatasetSource
from driftloop.data.dataset import Dataset, load_dataset, save_dataset
from driftloop.data.split import split_indices
from driftloop.errors import DriftloopError
from driftloop.files import read_json, write_json, write_text
from driftloop.improver.gate import judge
from driftloop.improver.imitate import Imitation, imitate
from driftloop.improver.retrain import RetrainSettings, Samples, retrain
from driftloop.improver.train_filter import FilterSettings, train_filter
from driftloop.models.classifier import Classifier
from driftloop.models.predict import predict
from driftloop.models.store import load_model, save_model
from driftloop.models.train import TrainSettings, train_classifier
from driftloop.params.compose import compose
from driftloop.params.instantiate import instantiate
from improve_anchors import align_statistics, fine_tune, scanflow, tent

HERE = Path(__file__).parent
WINDOW, POPULATION, CALIBRATION, TEST = 500, 2000, 5000, 5000
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
    parser.add_argument("--work", type=Path, default=Path(".driftloop/benchmark"))
    parser.add_argument("--results", type=Path, default=HERE / "results/improve.json")
    parser.add_argument("--table", type=Path, default=HERE.parent / "docs/benchmark-improve.md")
    given = parser.parse_args()
    seeds = [int(seed) for seed in (given.seeds or ("0" if given.quick else "0,1,2")).split(",")]
    wanted = given.corruptions.split(",") if given.corruptions else list(QUICK) if given.quick else None
    methods = (
        given.methods.split(",")
        if given.methods
        else [m for m in METHODS if not (given.quick and m in QUICK_LEAVES_OUT)]
    )
    cells = given.work / "improve.cells.json"
    done: dict[str, Any] = read_json(cells) if cells.exists() else {}
    for dataset in given.datasets.split(","):
        for seed in seeds:
            material = gather(dataset, given.work, seed)
            for name in wanted or SUITES[material.suite]:
                _measure(material, name, methods, done, cells)
    result = summarise(done)
    write_json(given.results, result)
    write_text(given.table, table(result))
    print(f"{given.results}, {given.table}")


def _measure(
    material: Material, corruption: str, methods: list[str], done: dict[str, Any], cells: Path
) -> None:
    case = None
    for method in methods:
        key = f"{material.dataset}/{material.seed}/{corruption}/{method}"
        if key in done:
            continue
        case = case or Case.draw(material, corruption)
        started = time.perf_counter()
        repaired = METHODS[method](case)
        seconds = time.perf_counter() - started
        done[key] = {
            "accuracy": accuracy(repaired, case.population),
            "clean": accuracy(repaired, material.test),
            "seconds": round(seconds, 1),
        }
        print(key, done[key], flush=True)
        write_json(cells, done)


@dataclass(frozen=True)
class Material:
    """One dataset, split, and the classifier trained on it."""

    dataset: str
    suite: str
    seed: int
    classifier: Classifier
    train: Samples
    calibration: Samples
    test: Samples
    pool: Samples
    params: dict[str, Any]


def gather(dataset: str, work: Path, seed: int) -> Material:
    """Fetch and train; both are kept in `work`."""
    params = compose([f"dataset={dataset}"])
    data = _dataset(params["dataset"], work / dataset)
    split = split_indices(len(data), {"held_out": CALIBRATION + 15_000}, seed)
    parts = [split["train"], *np.split(split["held_out"], [CALIBRATION, CALIBRATION + TEST])]
    train, calibration, test, pool = (Samples(p.images, p.known_labels) for p in map(data.take, parts))
    classifier = _classifier(params, data.take(split["train"]), work / f"{dataset}-{seed}", seed)
    return Material(dataset, params["corruptions"], seed, classifier, train, calibration, test, pool, params)


def _dataset(spec: dict[str, Any], folder: Path) -> Dataset:
    try:
        return load_dataset(folder)
    except DriftloopError:
        base: type[DatasetSource] = DatasetSource
        save_dataset(folder, instantiate(spec, base).fetch(print))
        return load_dataset(folder)


def _classifier(params: dict[str, Any], train: Dataset, folder: Path, seed: int) -> Classifier:
    try:
        return load_model(folder)
    except DriftloopError:
        settings = TrainSettings(**params["train"])
        classifier, _ = train_classifier(
            train.images,
            train.known_labels,
            network=params["network"],
            classes=train.classes,
            settings=settings,
            seed=seed,
        )
        save_model(folder, classifier)
        return classifier


@dataclass(frozen=True)
class Case:
    """One corruption of one dataset under one seed."""

    material: Material
    corruption: str
    severity: int
    window: Samples
    population: Samples
    order: npt.NDArray[np.int64]
    known: Imitation

    @classmethod
    def draw(cls, material: Material, corruption: str) -> Case:
        """Draw a window and its population, and read the severity off the window."""
        suite, seed, pool = material.suite, material.seed, material.pool
        # MNIST-C has a severity of its own for each corruption; CIFAR-10-C is reported at the highest.
        severity = SUITES[suite][corruption].default_severity if suite == "mnist_c" else 5
        shown, hidden = slice(0, WINDOW), slice(len(pool) - POPULATION, None)
        window = corrupt(pool.images[shown], suite, corruption, severity, np.random.default_rng([seed, 1]))
        unseen = corrupt(pool.images[hidden], suite, corruption, severity, np.random.default_rng([seed, 2]))
        known = imitate(
            material.classifier,
            material.train.images,
            window,
            suite=suite,
            corruptions=[corruption],
            seed=seed,
        )
        return cls(
            material,
            corruption,
            severity,
            Samples(window, pool.labels[shown]),
            Samples(unseen, pool.labels[hidden]),
            _picks(material, window),
            known,
        )

    def reviewed(self, n: int, *, drawn: bool = False) -> Samples:
        """Return n labelled samples: our picks, or random ones."""
        rows = np.arange(n) if drawn else self.order[:n]  # the pool is in random order
        return Samples(self.window.images[rows], self.window.labels[rows])

    def retrained(self, reviewed: Samples, incumbent: Classifier | None = None) -> Classifier:
        """Retrain as the pipeline does."""
        material = self.material
        return retrain(
            incumbent or material.classifier,
            material.train,
            reviewed,
            self.known,
            settings=RetrainSettings(**material.params["retrain"]),
            seed=material.seed,
        )

    def filtered(self, imitation: Imitation) -> Classifier:
        """Train a filter as the pipeline does."""
        material = self.material
        spec = dict(material.params["filter"])
        settings = FilterSettings(**{k: spec.pop(k) for k in ("steps", "batch_size", "learning_rate")})
        return train_filter(
            material.classifier,
            material.train.images,
            material.calibration.images,
            imitation,
            spec=spec,
            settings=settings,
            seed=material.seed,
        )

    def withheld(self) -> Imitation:
        """Imitate the window by every corruption of the suite but its own."""
        others = [name for name in SUITES[self.material.suite] if name != self.corruption]
        return imitate(
            self.material.classifier,
            self.material.train.images,
            self.window.images,
            suite=self.material.suite,
            corruptions=others,
            seed=self.material.seed,
        )

    def ceiling(self) -> Classifier:
        """Fine-tune on 20,000 labelled images of the drift itself, half of each batch clean."""
        train, suite, seed = self.material.train, self.material.suite, self.material.seed
        images = corrupt(
            train.images[:20_000], suite, self.corruption, self.severity, np.random.default_rng([seed, 3])
        )
        drifted = Samples(images, train.labels[:20_000])
        return fine_tune(self.material.classifier, train, drifted, steps=1200, seed=seed)


def _picks(material: Material, window: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Order the window's samples as the checker picks them, strangest by confidence, a quarter at random."""
    features = predict(material.classifier, window)
    shifted = features.logits - features.logits.max(1, keepdims=True)
    confidence = 1 / np.exp(shifted.astype(np.float64)).sum(1)
    orders = []
    for count in (20, 50, 100, 250):
        picked = pick_samples(
            -confidence,
            features.embeddings,
            count=count,
            novel_share=1.0,
            random_share=0.25,
            seed=material.seed,
        )
        orders += [pick.index for pick in picked]
    # Each larger set begins with the smaller ones.
    return np.array(list(dict.fromkeys(orders)), dtype=np.int64)


METHODS: dict[str, Callable[[Case], Classifier]] = {
    "none": lambda case: case.material.classifier,
    "bn": lambda case: align_statistics(case.material.classifier, case.window.images),
    "tent": lambda case: tent(case.material.classifier, case.window.images, seed=case.material.seed),
    "scanflow": lambda case: scanflow(
        case.material.classifier, case.material.train, case.reviewed(100), steps=500, seed=case.material.seed
    ),
    "finetune_100": lambda case: fine_tune(
        case.material.classifier,
        case.material.train,
        case.reviewed(100, drawn=True),
        steps=500,
        seed=case.material.seed,
    ),
    "retrain_20": lambda case: case.retrained(case.reviewed(20)),
    "retrain_50": lambda case: case.retrained(case.reviewed(50)),
    "retrain_100": lambda case: case.retrained(case.reviewed(100)),
    "retrain_250": lambda case: case.retrained(case.reviewed(250)),
    "retrain_100_random": lambda case: case.retrained(case.reviewed(100, drawn=True)),
    "filter_known": lambda case: case.filtered(case.known),
    "filter_unknown": lambda case: case.filtered(case.withheld()),
    "both_100": lambda case: case.retrained(case.reviewed(100), case.filtered(case.known)),
    "ceiling": lambda case: case.ceiling(),
}


def accuracy(classifier: Classifier, samples: Samples) -> float:
    """Return the share of samples that a classifier gets right."""
    return float((predict(classifier, samples.images).logits.argmax(1) == samples.labels).mean())


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
