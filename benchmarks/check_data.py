"""What the benchmark of the checker works on: a dataset, a classifier, clean and corrupted images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from driftloop.checker.detector import rows
from driftloop.checker.exposure import Exposure, expose
from driftloop.checker.features import Features
from driftloop.corruptions import SUITES, corrupt
from driftloop.data.contract import DatasetSource
from driftloop.data.dataset import Dataset, load_dataset, save_dataset
from driftloop.data.split import split_indices
from driftloop.errors import DriftloopError
from driftloop.models.classifier import Classifier
from driftloop.models.predict import predict
from driftloop.models.store import load_model, save_model
from driftloop.models.train import TrainSettings, train_classifier
from driftloop.params.compose import compose
from driftloop.params.instantiate import instantiate

REFERENCE = 10_000
CALIBRATION = 5_000
SHOWN = 2_000
"""Images that are corrupted, by each corruption."""


@dataclass(frozen=True)
class Material:
    """Everything of one dataset.

    Attributes:
        reference: training images; `classes` are their true labels.
        pool: clean images that the model was not trained on, in random order; the first `CALIBRATION` of
            them calibrate where the calibration is not drawn anew.
        correct: whether the model is right about each of the pool.
        corrupted: by corruption and severity, features of images of the pool's end, and whether it is right.
        standard: the severity of each corruption that windows are drawn from.
        exposure: damaged images of the calibration.
    """

    name: str
    reference: Features
    classes: npt.NDArray[np.int64]
    pool: Features
    correct: npt.NDArray[np.bool_]
    corrupted: dict[tuple[str, int], tuple[Features, npt.NDArray[np.bool_]]]
    standard: dict[str, int]
    exposure: Exposure

    @property
    def calibration(self) -> Features:
        """The first part of the pool."""
        return rows(self.pool, slice(0, CALIBRATION))


def gather(name: str, work: Path, *, seed: int, severities: tuple[int, ...], shown: int) -> Material:
    """Fetch, train (once for each seed; kept in `work`), corrupt and predict.

    Args:
        name: of a dataset preset.
        work: where data and models are kept.
        seed: of the split, the training and the corruptions.
        severities: at which every corruption is shown, beside its standard one.
        shown: images a corruption.
    """
    params = compose([f"dataset={name}"])
    data = _dataset(params["dataset"], work / name)
    sizes = {"held_out": CALIBRATION + 15_000}
    split = split_indices(len(data), sizes, seed)
    assert data.labels is not None  # noqa: S101
    classifier = _classifier(params, data.take(split["train"]), work / f"{name}-{seed}", seed)
    reference = data.take(split["train"][:REFERENCE])
    held_out = data.take(split["held_out"])
    pool = predict(classifier, held_out.images)
    suite = params["corruptions"]
    standard = {
        each.name: each.default_severity if suite == "mnist_c" else 3 for each in SUITES[suite].values()
    }
    last = slice(len(held_out) - shown, None)
    corrupted = {}
    for corruption in standard:
        for severity in sorted({*severities, standard[corruption]}):
            images = corrupt(held_out.images[last], suite, corruption, severity, rng=seed)
            features = predict(classifier, images)
            corrupted[corruption, severity] = (features, _right(features, held_out.labels[last]))
    learnt = held_out.take(np.arange(CALIBRATION))
    return Material(
        name=name,
        reference=predict(classifier, reference.images),
        classes=reference.labels,
        pool=pool,
        correct=_right(pool, held_out.labels),
        corrupted=corrupted,
        standard=standard,
        exposure=expose(learnt.images, learnt.labels, lambda images: predict(classifier, images), seed=seed),
    )


def _right(features: Features, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.asarray(features.logits.argmax(axis=1) == labels)


def _dataset(spec: dict, folder: Path) -> Dataset:
    try:
        return load_dataset(folder)
    except DriftloopError:
        base: type[DatasetSource] = DatasetSource
        save_dataset(folder, instantiate(spec, base).fetch(print))
        return load_dataset(folder)


def _classifier(params: dict, train: Dataset, folder: Path, seed: int) -> Classifier:
    try:
        return load_model(folder)
    except DriftloopError:
        classifier, _ = train_classifier(
            train.images,
            train.labels,
            network=params["network"],
            classes=train.classes,
            settings=TrainSettings(**params["train"]),
            seed=seed,
        )
        save_model(folder, classifier)
        return classifier
