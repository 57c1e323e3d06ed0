"""The cases of the repair benchmark, the methods tried on them, and the cells that keep what came out.

A cell is one method on one case. It holds the predicted classes of every image that was looked at, so that
accuracies, and whatever the gate would have made of them, are worked out afterwards without training again.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop import improver
from driftloop.checker.picks import pick_samples
from driftloop.corruptions import SUITES, corrupt
from driftloop.data.contract import DatasetSource
from driftloop.data.dataset import Dataset, load_dataset, save_dataset
from driftloop.data.split import split_indices
from driftloop.errors import DriftloopError
from driftloop.files import atomic, digest_file, digest_json
from driftloop.improver.align import align
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

WINDOW, POPULATION, CALIBRATION, TEST = 500, 2000, 5000, 5000


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
    weights: str


def gather(dataset: str, work: Path, seed: int) -> Material:
    """Fetch and train; both are kept in `work`."""
    params = compose([f"dataset={dataset}"])
    data = _dataset(params["dataset"], work / dataset)
    split = split_indices(len(data), {"held_out": CALIBRATION + 15_000}, seed)
    parts = [split["train"], *np.split(split["held_out"], [CALIBRATION, CALIBRATION + TEST])]
    train, calibration, test, pool = (Samples(p.images, p.known_labels) for p in map(data.take, parts))
    home = work / f"{dataset}-{seed}"
    classifier = _classifier(params, data.take(split["train"]), home, seed)
    weights = digest_file(home / "model.safetensors")
    return Material(
        dataset, params["corruptions"], seed, classifier, train, calibration, test, pool, params, weights
    )


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


def retrained(
    material: Material, classifier: Classifier, reviewed: Samples, imitation: Imitation, **earlier: Any
) -> Classifier:
    """Retrain a classifier with the parameters of the preset; `earlier` as `retrain` takes it."""
    settings = RetrainSettings(**material.params["retrain"])
    return retrain(
        classifier, material.train, reviewed, imitation, settings=settings, seed=material.seed, **earlier
    )


def filtered(
    material: Material, classifier: Classifier, imitation: Imitation, earlier: Sequence[Imitation] = ()
) -> Classifier:
    """Train a filter for a classifier with the parameters of the preset."""
    settings, spec = FilterSettings.taken_from(material.params["filter"])
    return train_filter(
        classifier,
        material.train.images,
        material.calibration.images,
        imitation,
        spec=spec,
        settings=settings,
        seed=material.seed,
        earlier=earlier,
    )


@dataclass(frozen=True)
class Case:
    """One corruption of one dataset under one seed; each part is made when it is asked for."""

    material: Material
    corruption: str

    @property
    def severity(self) -> int:
        """MNIST-C has a severity of its own for each corruption; CIFAR-10-C is reported at the highest."""
        suite = self.material.suite
        return SUITES[suite][self.corruption].default_severity if suite == "mnist_c" else 5

    @cached_property
    def window(self) -> Samples:
        """What arrived and may be reviewed."""
        return self._drawn(slice(0, WINDOW), 1)

    @cached_property
    def population(self) -> Samples:
        """Others of the same kind, which no window shows."""
        return self._drawn(slice(len(self.material.pool) - POPULATION, None), 2)

    @cached_property
    def order(self) -> npt.NDArray[np.int64]:
        """The window's samples in the order in which they are picked."""
        return _picks(self.material, self.window.images)

    @cached_property
    def known(self) -> Imitation:
        """The drift as it is read off the window by whoever knows the family."""
        return self._imitated([self.corruption])

    @cached_property
    def withheld(self) -> Imitation:
        """The drift imitated by every corruption of the suite but its own."""
        return self._imitated([name for name in SUITES[self.material.suite] if name != self.corruption])

    @cached_property
    def filter_known(self) -> Classifier:
        """The incumbent behind a filter against the known family."""
        return self.filtered(self.known)

    def _drawn(self, rows: slice, draw: int) -> Samples:
        material = self.material
        images, labels = material.pool.images[rows], material.pool.labels[rows]
        rng = np.random.default_rng([material.seed, draw])
        return Samples(corrupt(images, material.suite, self.corruption, self.severity, rng), labels)

    def _imitated(self, corruptions: list[str]) -> Imitation:
        material = self.material
        return imitate(
            material.classifier,
            material.train.images,
            self.window.images,
            suite=material.suite,
            corruptions=corruptions,
            seed=material.seed,
        )

    def reviewed(self, n: int, *, drawn: bool = False) -> Samples:
        """Return n labelled samples: our picks, or random ones."""
        rows = np.arange(n) if drawn else self.order[:n]  # the pool is in random order
        return Samples(self.window.images[rows], self.window.labels[rows])

    def retrained(self, reviewed: Samples, incumbent: Classifier | None = None) -> Classifier:
        """Retrain as the pipeline does."""
        return retrained(self.material, incumbent or self.material.classifier, reviewed, self.known)

    def filtered(self, imitation: Imitation) -> Classifier:
        """Train a filter as the pipeline does."""
        return filtered(self.material, self.material.classifier, imitation)

    def aligned(self) -> Classifier:
        """Align as the pipeline does."""
        material = self.material
        return align(
            material.classifier,
            material.train.images,
            material.calibration.images,
            self.window.images,
            settings=FilterSettings.taken_from(material.params["filter"])[0],
            seed=material.seed,
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
    """Order the window's samples as a checker would that knows confidence alone, with a quarter at random."""
    features = predict(material.classifier, window)
    shifted = features.logits - features.logits.max(1, keepdims=True)
    confidence = 1 / np.exp(shifted.astype(np.float64)).sum(1)
    orders = []
    for count in (20, 50, 100, 250):
        picked = pick_samples(
            -confidence,
            features.embeddings,
            count=count,
            surely_novel=1.0,
            random_share=0.25,
            seed=material.seed,
        )
        orders += [pick.index for pick in picked]
    # Each larger set begins with the smaller ones.
    return np.array(list(dict.fromkeys(orders)), dtype=np.int64)


ANCHORS: dict[str, Callable[[Case], Classifier]] = {
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
    "ceiling": lambda case: case.ceiling(),
}
OURS: dict[str, Callable[[Case], Classifier]] = {
    "retrain_20": lambda case: case.retrained(case.reviewed(20)),
    "retrain_50": lambda case: case.retrained(case.reviewed(50)),
    "retrain_100": lambda case: case.retrained(case.reviewed(100)),
    "retrain_250": lambda case: case.retrained(case.reviewed(250)),
    "retrain_20_random": lambda case: case.retrained(case.reviewed(20, drawn=True)),
    "retrain_50_random": lambda case: case.retrained(case.reviewed(50, drawn=True)),
    "retrain_100_random": lambda case: case.retrained(case.reviewed(100, drawn=True)),
    "retrain_250_random": lambda case: case.retrained(case.reviewed(250, drawn=True)),
    "align": lambda case: case.aligned(),
    "filter_known": lambda case: case.filter_known,
    "filter_unknown": lambda case: case.filtered(case.withheld),
    "both_100": lambda case: case.retrained(case.reviewed(100), case.filter_known),
}
METHODS = ANCHORS | OURS


@dataclass(frozen=True)
class Cell:
    """What one method made of one case: predicted classes, int64, and the seconds that training took."""

    window: npt.NDArray[np.int64]
    population: npt.NDArray[np.int64]
    clean: npt.NDArray[np.int64]
    seconds: float

    def accuracy(self, material: Material) -> float:
        """On the drift, in [0, 1]."""
        return float((self.population == material.pool.labels[-POPULATION:]).mean())

    def clean_accuracy(self, material: Material) -> float:
        """On clean data, in [0, 1]."""
        return float((self.clean == material.test.labels).mean())

    def training_seconds(self, _: Material) -> float:
        """How long it took, on whatever else the machine did."""
        return self.seconds


def cell(case: Case, method: str, folder: Path) -> Cell:
    """Return a cell, from `folder` where it was measured before by the same code."""
    path = _path(case, method, folder)
    if not path.exists():
        window = case.window
        _prepare(case, method)
        started = time.perf_counter()
        repaired = METHODS[method](case)
        seconds = time.perf_counter() - started
        seen = {
            "window": _classes(repaired, window),
            "population": _classes(repaired, case.population),
            "clean": _classes(repaired, case.material.test),
        }
        with atomic(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, seconds=np.float64(seconds), **seen)
    with np.load(path, allow_pickle=False) as stored:
        return Cell(stored["window"], stored["population"], stored["clean"], float(stored["seconds"]))


def is_measured(case: Case, method: str, folder: Path) -> bool:
    """Tell whether `cell` need only read."""
    return _path(case, method, folder).exists()


def _path(case: Case, method: str, folder: Path) -> Path:
    material = case.material
    name = f"{method}-{_version(material, method)}.npz"
    return folder / material.dataset / str(material.seed) / case.corruption / name


def _prepare(case: Case, method: str) -> None:
    """Make beforehand what several methods share, so that it counts in no method's time."""
    parts = {
        "align": ["window"],
        "filter_known": ["known"],
        "filter_unknown": ["withheld"],
        "both_100": ["filter_known"],
    }
    for part in parts.get(method, [] if method in ANCHORS else ["known", "order"]):
        getattr(case, part)


def _classes(classifier: Classifier, samples: Samples) -> npt.NDArray[np.int64]:
    return predict(classifier, samples.images).logits.argmax(1).astype(np.int64)


def _version(material: Material, method: str) -> str:
    """Digest what decides a cell: the code that repairs, its parameters, and the model's weights."""
    sources = [Path(__file__).parent / "improve_anchors.py"] if method in ANCHORS else _repairing()
    facts = {
        "code": [digest_file(path) for path in sources],
        "case": [inspect.getsource(each) for each in (Case, retrained, filtered)],
        "params": {} if method in ANCHORS else {key: material.params[key] for key in ("retrain", "filter")},
        "model": material.weights,
    }
    return digest_json(facts)[:12]


def repairing_digest(material: Material) -> str:
    """Digest the code that repairs, its parameters, and the model's weights."""
    return _version(material, "retrain_100")


def _repairing() -> list[Path]:
    folder = Path(improver.__file__).parent
    return [
        folder / f"{name}.py"
        for name in ("align", "filters", "imitate", "retrain", "suspicion", "train_filter")
    ]
