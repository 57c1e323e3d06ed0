"""Parts that several unit tests share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from driftloop.models.features import Features


@pytest.fixture(scope="session")
def make_features() -> Callable[..., Features]:
    """Make features of `n` images of ten shapes; `noise` drowns them, `classes` says which shapes come.

    Images, embeddings and logits are all read off the same pictures, so that drift shows in each of them.
    """
    shapes = np.random.default_rng(0).random((10, 8, 8, 1)) > 0.6
    readout = np.random.default_rng(1).standard_normal((64, 16)) / 8

    def make(
        n: int, *, seed: int, noise: float = 0.0, classes: tuple[int, ...] = tuple(range(10))
    ) -> Features:
        rng = np.random.default_rng(seed)
        pictures = shapes[rng.choice(classes, n)] * rng.uniform(0.6, 1.0, (n, 1, 1, 1))
        pictures = pictures + (0.1 + noise) * rng.standard_normal(pictures.shape)
        images = np.round(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
        pixels = images.reshape(n, -1) / 255
        logits = 4 * (pixels - 0.4) @ (shapes.reshape(10, -1) - 0.4).T
        return Features(images, np.tanh(pixels @ readout).astype(np.float32), logits.astype(np.float32))

    return make
