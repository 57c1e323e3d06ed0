"""A dataset of your own: any class with `fetch`. In params.yaml.

dataset: {_target_: my_dataset.Stripes, n: 600}
"""

from __future__ import annotations

import numpy as np

from driftloop.data.contract import DatasetSource, Report
from driftloop.data.dataset import Dataset


class Stripes(DatasetSource):
    """Pictures with upright or level stripes; yours come from a database, a bucket, a camera."""

    name = "stripes"
    classes = ("upright", "level")

    def __init__(self, *, n: int = 600) -> None:
        self.n = n

    def fetch(self, report: Report) -> Dataset:
        """Return the images and labels, the same ones in the same order every time."""
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, self.n)
        waves = 128 + 90 * np.sin(np.arange(16) * rng.uniform(0.8, 1.6, (self.n, 1)))
        images = np.repeat(waves[:, None, :], 16, axis=1)
        images[labels == 1] = images[labels == 1].transpose(0, 2, 1)
        images = np.clip(images + 12 * rng.standard_normal(images.shape), 0, 255).astype(np.uint8)
        report(f"stripes: {self.n} images.")
        return Dataset(images[..., None], labels.astype(np.int64), self.name, self.classes)
