"""What the benchmarks work on: a dataset, fetched once, and a classifier, trained on it once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftloop.data.contract import DatasetSource
from driftloop.data.dataset import Dataset, load_dataset, save_dataset
from driftloop.errors import DriftloopError
from driftloop.models.classifier import Classifier
from driftloop.models.store import load_model, save_model
from driftloop.models.train import TrainSettings, train_classifier
from driftloop.params.instantiate import instantiate


def kept_dataset(params: Mapping[str, Any], folder: Path) -> Dataset:
    """Return the dataset that parameters name, from `folder` where it was kept before."""
    try:
        return load_dataset(folder)
    except DriftloopError:
        save_dataset(folder, instantiate(params["dataset"], DatasetSource).fetch(print))
        return load_dataset(folder)


def kept_classifier(params: Mapping[str, Any], train: Dataset, folder: Path, seed: int) -> Classifier:
    """Return the classifier that parameters and images make, from `folder` where it was kept before."""
    try:
        return load_model(folder)
    except DriftloopError:
        classifier, _ = train_classifier(
            train.images,
            train.known_labels,
            network=params["network"],
            classes=train.classes,
            settings=TrainSettings(**params["train"]),
            seed=seed,
        )
        save_model(folder, classifier)
        return classifier
