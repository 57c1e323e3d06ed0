"""The cases of the repair benchmark, and the methods tried on them: one method on one case is a cell."""

from __future__ import annotations

import inspect
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import driftloop
from digests import digest_of
from driftloop.checker.picks import pick_samples
from driftloop.corruptions import SUITES, corrupt
from driftloop.improver.align import align
from driftloop.improver.imitate import Imitation, imitate
from driftloop.improver.lesson import Lesson, Samples
from driftloop.improver.retrain import RetrainSettings, retrain
from driftloop.improver.reviewed import draw_unlabelled
from driftloop.improver.train_filter import FilterSettings, train_filter
from driftloop.models.classifier import Classifier
from driftloop.models.predict import predict
from improve_anchors import align_statistics, fine_tune, scanflow, tent
from improve_material import Material
from improve_store import Agreement, Cell

WINDOW, POPULATION = 500, 2000


def retrained(
    material: Material, classifier: Classifier, reviewed: Samples, imitation: Imitation, **more: Any
) -> Classifier:
    """Retrain a classifier with the parameters of the preset; `more` as a `Lesson` has it."""
    settings = RetrainSettings(**material.params["retrain"])
    lesson = Lesson(material.train, imitation, reviewed=reviewed, **more)
    return retrain(classifier, lesson, settings=settings, seed=material.seed)


def filtered(
    material: Material, classifier: Classifier, imitation: Imitation, earlier: Sequence[Imitation] = ()
) -> Classifier:
    """Train a filter for a classifier with the parameters of the preset."""
    settings, spec = FilterSettings.taken_from(material.params["filter"])
    lesson = Lesson(material.train, imitation, calibration=material.calibration.images, earlier=earlier)
    return train_filter(classifier, lesson, spec=spec, settings=settings, seed=material.seed)


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

    def rows(self, n: int, *, drawn: bool = False) -> npt.NDArray[np.int64]:
        """Return the places in the window of n samples to label: our picks, or random ones."""
        return np.arange(n) if drawn else self.order[:n]  # the pool is in random order

    def reviewed(self, rows: npt.NDArray[np.int64]) -> Samples:
        """Return labelled samples of the window."""
        return Samples(self.window.images[rows], self.window.labels[rows])

    def retrained(
        self, n: int, *, drawn: bool = False, known: bool = True, incumbent: Classifier | None = None
    ) -> Classifier:
        """Retrain as the pipeline does, on n labels."""
        rows = self.rows(n, drawn=drawn)
        return retrained(
            self.material,
            incumbent or self.material.classifier,
            self.reviewed(rows),
            self.known if known else self.withheld,
            window=self.window.images[draw_unlabelled(WINDOW, rows.tolist())],
        )

    def filtered(self, imitation: Imitation) -> Classifier:
        """Train a filter as the pipeline does."""
        return filtered(self.material, self.material.classifier, imitation)

    def aligned(self) -> Classifier:
        """Align as the pipeline does."""
        material = self.material
        window = self.window.images[draw_unlabelled(WINDOW, ())]
        return align(
            material.classifier,
            Lesson(material.train, window=window, calibration=material.calibration.images),
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
        case.material.classifier,
        case.material.train,
        case.reviewed(case.rows(100)),
        steps=500,
        seed=case.material.seed,
    ),
    "finetune_100": lambda case: fine_tune(
        case.material.classifier,
        case.material.train,
        case.reviewed(case.rows(100, drawn=True)),
        steps=500,
        seed=case.material.seed,
    ),
    "ceiling": lambda case: case.ceiling(),
}
OURS: dict[str, Callable[[Case], Classifier]] = {
    "retrain_20": lambda case: case.retrained(20),
    "retrain_50": lambda case: case.retrained(50),
    "retrain_100": lambda case: case.retrained(100),
    "retrain_250": lambda case: case.retrained(250),
    "retrain_20_random": lambda case: case.retrained(20, drawn=True),
    "retrain_50_random": lambda case: case.retrained(50, drawn=True),
    "retrain_100_random": lambda case: case.retrained(100, drawn=True),
    "retrain_250_random": lambda case: case.retrained(250, drawn=True),
    "retrain_20_unknown": lambda case: case.retrained(20, known=False),
    "retrain_100_unknown": lambda case: case.retrained(100, known=False),
    "align": lambda case: case.aligned(),
    "filter_known": lambda case: case.filter_known,
    "filter_unknown": lambda case: case.filtered(case.withheld),
    "both_100": lambda case: case.retrained(100, incumbent=case.filter_known),
}
METHODS = ANCHORS | OURS


def measure(case: Case, method: str) -> Cell:
    """Repair, and compare the answers with those of the model before."""
    _prepare(case, method)
    started = time.perf_counter()
    repaired = METHODS[method](case)
    seconds = time.perf_counter() - started
    material = case.material
    return Cell(
        drift=_agreement(material.classifier, repaired, case.population),
        clean=_agreement(material.classifier, repaired, material.test),
        seconds=round(seconds, 1),
        code=code_of(material, method),
        model=material.weights,
        machine=machine(),
    )


def _prepare(case: Case, method: str) -> None:
    """Make beforehand what several methods share, so that it counts in no method's time."""
    parts = {
        "align": ["window"],
        "filter_known": ["known"],
        "filter_unknown": ["withheld"],
        "both_100": ["filter_known"],
    }
    _ = case.material.classifier
    for part in parts.get(method, [] if method in ANCHORS else ["known", "order"]):
        getattr(case, part)


def _agreement(before: Classifier, after: Classifier, samples: Samples) -> Agreement:
    incumbent, candidate = (predict(each, samples.images).logits.argmax(1) for each in (before, after))
    return Agreement.between(incumbent, candidate, samples.labels)


def code_of(material: Material, method: str) -> str:
    """Digest what decides a cell, beside the machine: code that repairs and picks, parameters, the model."""
    modules, used = REPAIRING.get(method.partition("_")[0], ((), ()))
    params = {key: material.params[key] for key in used}
    how = _source(METHODS[method])  # its entry in the dictionary
    facts = [how, WINDOW, POPULATION, material.made_by, params]
    return digest_of(_sources(modules, anchor=method in ANCHORS), facts)


_source = cache(inspect.getsource)


@cache
def _sources(modules: tuple[str, ...], *, anchor: bool) -> list[str]:
    """Return the code that makes a cell: what all of them share, modules of the improver, or the anchors'."""
    package = Path(driftloop.__file__).parent
    names = ["models/classifier", "models/predict", "models/device", "checker/picks"]
    names += [f"improver/{name}" for name in modules]
    files = [*(package / f"{name}.py" for name in names), *sorted((package / "corruptions").glob("*.py"))]
    if anchor:
        files.append(Path(__file__).parent / "improve_anchors.py")
    sources = [path.read_text(encoding="utf-8") for path in files]
    return sources + [_source(each) for each in (Case, retrained, filtered, _picks)]


FILTERING = ("filters", "imitate", "pixels", "suspicion", "train_filter")
REPAIRING = {
    "align": (("align", "pixels", "reviewed", "suspicion", "train_filter"), ("filter",)),
    "filter": (FILTERING, ("filter",)),
    "retrain": (("imitate", "pixels", "retrain", "reviewed", "views"), ("retrain",)),
    "both": (("retrain", "reviewed", "views", *FILTERING), ("retrain", "filter")),
}
"""The modules that make each kind of repair, and the parameters that they take."""


def machine() -> str:
    """Say where this runs."""
    kind = platform.processor() or platform.machine()
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return f"{gpu}{kind}, {threads}, torch {torch.__version__}"
