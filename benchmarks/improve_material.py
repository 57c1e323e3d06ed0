"""What the repair benchmark works on: one dataset, a random split of it, and the classifier trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import driftloop
from digests import digest_of
from driftloop.data.dataset import Dataset
from driftloop.data.split import split_indices
from driftloop.files import digest_file
from driftloop.improver.lesson import Samples
from driftloop.models.classifier import Classifier
from driftloop.models.device import default_device
from driftloop.params.compose import compose
from material import kept_classifier, kept_dataset

CALIBRATION, TEST, POOL = 5000, 5000, 10_000


@dataclass(frozen=True)
class Material:
    """A dataset under a seed. Each part is fetched or trained when it is asked for, and kept in `work`."""

    dataset: str
    seed: int
    work: Path

    @cached_property
    def params(self) -> dict[str, Any]:
        """The parameters of the dataset's preset."""
        return dict(compose([f"dataset={self.dataset}"]))

    @property
    def suite(self) -> str:
        """The corruptions that suit it."""
        return str(self.params["corruptions"])

    @property
    def train(self) -> Samples:
        """What the classifier was trained on."""
        return self._parts["train"]

    @property
    def calibration(self) -> Samples:
        """Clean images that set thresholds."""
        return self._parts["calibration"]

    @property
    def test(self) -> Samples:
        """Clean images that judge."""
        return self._parts["test"]

    @property
    def pool(self) -> Samples:
        """Images, in random order, that windows are made of, and what their repairs are scored on."""
        return self._parts["pool"]

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier before any repair, on the GPU where there is one."""
        train = self._data.take(self._rows["train"])
        return kept_classifier(self.params, train, self._home, self.seed).to(default_device())

    @cached_property
    def weights(self) -> str:
        """Digest of the classifier's weights."""
        _ = self.classifier  # is trained and kept by now
        return digest_file(self._home / "model.safetensors")[:12]

    @property
    def made_by(self) -> str:
        """Digest of the code and the parameters that make the split and the classifier."""
        package = Path(driftloop.__file__).parent
        files = [Path(__file__), Path(__file__).with_name("material.py"), package / "data/split.py"]
        files += [package / f"models/{name}.py" for name in ("augment", "networks", "train")]
        used = {key: self.params[key] for key in ("dataset", "network", "train")}
        return digest_of([path.read_text(encoding="utf-8") for path in files], used)

    @property
    def _home(self) -> Path:
        return self.work / f"{self.dataset}-{self.seed}-{self.made_by}"

    @cached_property
    def _data(self) -> Dataset:
        return kept_dataset(self.params, self.work / self.dataset)

    @cached_property
    def _rows(self) -> dict[str, npt.NDArray[np.int64]]:
        return split_indices(len(self._data), {"held_out": CALIBRATION + TEST + POOL}, self.seed)

    @cached_property
    def _parts(self) -> dict[str, Samples]:
        held_out = np.split(self._rows["held_out"], [CALIBRATION, CALIBRATION + TEST])
        names = ("train", "calibration", "test", "pool")
        parts = map(self._data.take, (self._rows["train"], *held_out))
        return {n: Samples(p.images, p.known_labels) for n, p in zip(names, parts, strict=True)}
