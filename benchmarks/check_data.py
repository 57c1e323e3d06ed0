"""What the benchmark of the checker works on: datasets, classifiers, and what these see in images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digests import digest_of
from driftloop.checker.detector import rows
from driftloop.corruptions import SUITES, corrupt
from driftloop.data.dataset import Dataset
from driftloop.data.split import split_indices
from driftloop.files import read_array, write_array
from driftloop.models.classifier import Classifier
from driftloop.models.features import Features
from driftloop.models.predict import predict
from driftloop.models.store import model_digest
from driftloop.params.compose import compose
from material import kept_classifier, kept_dataset

REFERENCE, CALIBRATION, HELD_OUT, SHOWN = 10_000, 5_000, 20_000, 500
"""Images: training ones that detectors see; those of the pool that calibrate; held out; corrupted ones."""

POOL = {"mnist": HELD_OUT, "fashion_mnist": 9_000, "cifar10": 9_000}
"""Held-out images that are looked at: many where long streams are drawn from them."""

SHORTER: dict[str, dict[str, dict[str, int]]] = {
    "fashion_mnist": {"network": {"width": 32}, "train": {"epochs": 5}},
    "cifar10": {"network": {"width": 16}, "train": {"epochs": 4}},
}
"""Where the presets train for long, the benchmark trains smaller networks; it says how accurate they are."""

SOURCE = Path(__file__).parents[1] / "workflow/driftloop"


@dataclass(frozen=True)
class Material:
    """One dataset, split, and the classifier trained on it; what the classifier sees is kept in `work`."""

    name: str
    seed: int
    work: Path
    params: dict[str, Any]

    @classmethod
    def of(cls, name: str, seed: int, work: Path) -> Material:
        """Name a dataset preset, the seed of its split and its training, and where things are kept."""
        params = compose([f"dataset={name}"])
        for part, settings in SHORTER.get(name, {}).items():
            params[part] |= settings
        return cls(name, seed, work, params)

    @cached_property
    def data(self) -> Dataset:
        """The whole dataset, fetched once."""
        return kept_dataset(self.params, self.work / self.name)

    @cached_property
    def split(self) -> dict[str, npt.NDArray[np.int64]]:
        """Places of the training images and of the pool, both in random order."""
        return split_indices(len(self.data), {"held_out": HELD_OUT}, self.seed)

    @cached_property
    def classifier(self) -> Classifier:
        """Trained once."""
        train = self.data.take(self.split["train"])
        return kept_classifier(self.params, train, self.work / f"{self.name}-{self.seed}", self.seed)

    @cached_property
    def _pool(self) -> npt.NDArray[np.int64]:
        """Places of the pool; its last `SHOWN` are corrupted."""
        held_out = self.split["held_out"]
        return np.concatenate([held_out[: POOL[self.name] - SHOWN], held_out[-SHOWN:]])

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Of the pool."""
        return self.data.known_labels[self._pool]

    @cached_property
    def reference(self) -> Features:
        """Training images."""
        return self._seen(f"reference-{REFERENCE}", lambda: self.data.images[self.split["train"][:REFERENCE]])

    @property
    def reference_labels(self) -> npt.NDArray[np.int64]:
        """Of the reference."""
        return self.data.known_labels[self.split["train"][:REFERENCE]]

    @cached_property
    def pool(self) -> Features:
        """Clean images that the model was not trained on, in random order."""
        return self._seen(f"pool-{POOL[self.name]}", lambda: self.data.images[self._pool])

    @property
    def calibration(self) -> Features:
        """The first part of the pool, which calibrates where the calibration is not drawn anew."""
        return rows(self.pool, slice(0, CALIBRATION))

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether the model is right about each of the pool."""
        return np.asarray(self.pool.logits.argmax(axis=1) == self.labels)

    @property
    def standard(self) -> dict[str, int]:
        """The corruptions of the suite, and the severity that windows are drawn from: 3, or MNIST-C's own."""
        suite = self.params["corruptions"]
        own = self.name == "mnist"
        return {name: each.default_severity if own else 3 for name, each in SUITES[suite].items()}

    def corrupted(self, corruption: str, severity: int) -> Features:
        """Return the last `SHOWN` images of the pool, corrupted."""

        def make() -> npt.NDArray[np.uint8]:
            images = self.data.images[self._pool[-SHOWN:]]
            return corrupt(images, self.params["corruptions"], corruption, severity, rng=self.seed)

        return self._seen(f"{corruption}-{severity}-{SHOWN}", make)

    def right(self, features: Features) -> npt.NDArray[np.bool_]:
        """Whether the model is right about each of the pool's last `SHOWN`, corrupted or not."""
        return np.asarray(features.logits.argmax(axis=1) == self.labels[-SHOWN:])

    def _seen(self, name: str, images: Callable[[], npt.NDArray[np.uint8]]) -> Features:
        """Predict once, and keep what was seen for this model and these corruptions."""
        _ = self.classifier
        key = digest_sources("corruptions", model_digest(self.work / f"{self.name}-{self.seed}"))
        folder = self.work / "seen" / f"{self.name}-{self.seed}-{key}" / name
        parts = ("images", "embeddings", "logits")
        if not (folder / "logits.npy").exists():
            features = predict(self.classifier, np.asarray(images()))
            for part in parts:
                write_array(folder / f"{part}.npy", getattr(features, part))
        return Features(*(read_array(folder / f"{part}.npy", mmap=part == "images") for part in parts))


def digest_sources(*parts: str) -> str:
    """Return twelve digits that stand for the source of packages or modules, or for a word itself."""
    sources, words = [], []
    for part in parts:
        path = SOURCE / part if (SOURCE / part).exists() else Path(__file__).parent / part
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []
        sources += [each.read_text(encoding="utf-8") for each in files]
        words += [] if files else [part]
    return digest_of(sources, words)
