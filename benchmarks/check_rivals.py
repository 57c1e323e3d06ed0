"""The others, rebuilt from their definitions so that all see the same embeddings in the same run.

alibi-detect's KS and MMD detectors and TorchDrift's are these statistics: a Kolmogorov-Smirnov test for each
coordinate with Bonferroni's correction (Rabanser et al., 2019), and the kernel maximum mean discrepancy with
a Gaussian kernel as wide as the median distance (Gretton et al., 2012). BBSD is the first on softmax outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from scipy.stats import kstwo

from check_data import CALIBRATION, Material
from driftloop.models.features import Features

Floats = npt.NDArray[np.float64]
MMD_REFERENCE = 1000
PERMUTATIONS = 100
_FLAGGED = (0.05, 0.95)


class Rival(ABC):
    """A drift detector that looks at windows."""

    name: str

    @abstractmethod
    def prepare(self, material: Material, features: Features) -> tuple[Any, ...]:
        """Return what the statistic needs, one row a sample in its first entry."""

    @abstractmethod
    def statistic(self, view: tuple[Any, ...], window: npt.NDArray[np.int64]) -> float:
        """Return the statistic of some of the samples; higher is farther from the reference."""

    def sample_scores(self, material: Material, features: Features) -> Floats | None:  # noqa: ARG002
        """Return a score for each sample, where the rival has one."""
        return None

    def p_values(self, material: Material, n: int, count: int, seed: int) -> list[float] | None:  # noqa: ARG002
        """Return the rival's own p-values for clean windows, where it has them."""
        return None


class KolmogorovSmirnov(Rival):
    """The largest Kolmogorov-Smirnov distance over the coordinates."""

    def __init__(self, name: str, coordinates: Callable[[Features], Floats]) -> None:
        self.name, self.coordinates = name, coordinates

    def prepare(self, material: Material, features: Features) -> tuple[Any, ...]:
        """Return where each coordinate stands in the calibration: shares below, and not above."""
        reference = np.sort(self.coordinates(material.calibration), axis=0)
        vectors = self.coordinates(features)
        below, upto = np.empty_like(vectors), np.empty_like(vectors)
        for column in range(vectors.shape[1]):
            below[:, column] = np.searchsorted(reference[:, column], vectors[:, column], "left")
            upto[:, column] = np.searchsorted(reference[:, column], vectors[:, column], "right")
        return below / len(reference), upto / len(reference)

    def statistic(self, view: tuple[Any, ...], window: npt.NDArray[np.int64]) -> float:
        """Return the largest distance of two distribution functions."""
        below, upto = (np.sort(side[window], axis=0) for side in view)
        steps = np.arange(1, len(window) + 1)[:, None] / len(window)
        # At a value shared by several, the window's function stands at the last of them.
        above = np.where(
            np.vstack([upto[1:] > upto[:-1], np.ones((1, upto.shape[1]), bool)]), steps - upto, 0
        )
        under = np.where(
            np.vstack([np.ones((1, upto.shape[1]), bool), below[1:] > below[:-1]]),
            below - (steps - 1 / len(window)),
            0,
        )
        return float(max(above.max(), under.max()))

    def p_values(self, material: Material, n: int, count: int, seed: int) -> list[float] | None:
        """Return Bonferroni's p-value, coordinates times the smallest."""
        view = self.prepare(material, material.pool)
        rng = np.random.default_rng([seed, n, 2])
        outside = np.arange(CALIBRATION, len(material.pool))
        effective = round(n * CALIBRATION / (n + CALIBRATION))
        statistics = [self.statistic(view, rng.choice(outside, n, replace=False)) for _ in range(count)]
        return [float(min(1.0, view[0].shape[1] * kstwo.sf(each, effective))) for each in statistics]


class MaximumMeanDiscrepancy(Rival):
    """The unbiased kernel two-sample statistic on embeddings, against 1,000 calibration samples."""

    name = "MMD on embeddings"

    def prepare(self, material: Material, features: Features) -> tuple[Any, ...]:
        """Return embeddings, their mean similarity to the reference, and the kernel's width."""
        reference = material.calibration.embeddings[:MMD_REFERENCE].astype(np.float64)
        gaps = _squares(reference, reference)
        width = float(np.median(gaps[np.triu_indices(len(reference), 1)]))
        vectors = features.embeddings.astype(np.float64)
        similar = np.exp(-_squares(vectors, reference) / (2 * width)).mean(axis=1)
        return vectors, similar, width, reference

    def statistic(self, view: tuple[Any, ...], window: npt.NDArray[np.int64]) -> float:
        """Return the statistic, up to the part that only the reference enters."""
        vectors, similar, width, _ = view
        inside = np.exp(-_squares(vectors[window], vectors[window]) / (2 * width))
        n = len(window)
        return float((inside.sum() - np.trace(inside)) / (n * (n - 1)) - 2 * similar[window].mean())

    def p_values(self, material: Material, n: int, count: int, seed: int) -> list[float] | None:
        """Return the share of permutations that reach the statistic, as alibi-detect does."""
        vectors, _, width, reference = self.prepare(material, material.pool)
        rng = np.random.default_rng([seed, n, 2])
        outside = np.arange(CALIBRATION, len(material.pool))
        found = []
        for _ in range(min(count, 300)):
            window = vectors[rng.choice(outside, n, replace=False)]
            pooled = np.concatenate([window, reference])
            kernel = np.exp(-_squares(pooled, pooled) / (2 * width)).astype(np.float32)
            np.fill_diagonal(kernel, 0)
            member = np.zeros((len(pooled), PERMUTATIONS + 1), dtype=np.float32)
            member[:n, 0] = 1
            for column in range(1, PERMUTATIONS + 1):
                member[rng.choice(len(pooled), n, replace=False), column] = 1
            values = _mmd(kernel, member, n)
            found.append(float(np.mean(values[1:] >= values[0])))
        return found


class Scanflow(Rival):
    """The Scanflow paper's detector: an autoencoder's error, unusual beyond its 5 and 95 % quantiles.

    A small convolutional autoencoder (16-8-8 channels) is trained on the reference; errors are scaled to
    [0, 1] within a batch, as in the paper's own code, and a sample outside the quantiles of the training
    errors is flagged. A window's statistic is the share that is flagged.
    """

    name = "Scanflow autoencoder"

    def __init__(self) -> None:
        self._fitted: tuple[int, Any, Floats] | None = None

    def prepare(self, material: Material, features: Features) -> tuple[Any, ...]:
        """Return the raw errors, and the training errors' quantiles after scaling."""
        return self.sample_scores(material, features), self._limits(material)

    def statistic(self, view: tuple[Any, ...], window: npt.NDArray[np.int64]) -> float:
        """Return the share of the window that is flagged."""
        low, high = view[1]
        scaled = _scaled(view[0][window])
        return float(np.mean((scaled < low) | (scaled > high)))

    def sample_scores(self, material: Material, features: Features) -> Floats:
        """Return each image's mean squared reconstruction error."""
        self._limits(material)
        assert self._fitted is not None  # noqa: S101
        return _errors(self._fitted[1], features.images)

    def _limits(self, material: Material) -> Floats:
        if self._fitted is None or self._fitted[0] != id(material):
            network = _train_autoencoder(material.reference.images)
            limits = np.quantile(_scaled(_errors(network, material.reference.images)), _FLAGGED)
            self._fitted = (id(material), network, limits)
        return self._fitted[2]


def _scaled(errors: Floats) -> Floats:
    return (errors - errors.min()) / max(float(np.ptp(errors)), 1e-12)


def _train_autoencoder(images: npt.NDArray[np.uint8]) -> Any:
    import torch
    from torch import nn

    torch.manual_seed(0)
    channels = images.shape[3]
    network = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, channels, 3, padding=1),
        nn.Sigmoid(),
    )
    pictures = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(3):
        for batch in torch.randperm(len(pictures)).split(128):
            loss = nn.functional.binary_cross_entropy(network(pictures[batch]), pictures[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()


def _errors(network: Any, images: npt.NDArray[np.uint8]) -> Floats:
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), 1000):
            part = np.ascontiguousarray(images[start : start + 1000])
            pictures = torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255
            parts.append(((network(pictures) - pictures) ** 2).mean(dim=(1, 2, 3)).numpy())
    return np.concatenate(parts).astype(np.float64)


def _squares(a: Floats, b: Floats) -> Floats:
    return np.maximum((a * a).sum(1)[:, None] - 2 * a @ b.T + (b * b).sum(1), 0)


def _mmd(kernel: npt.NDArray[np.float32], member: npt.NDArray[np.float32], n: int) -> Floats:
    m = len(kernel) - n
    similar = kernel @ member
    inside = (member * similar).sum(axis=0, dtype=np.float64)
    across = similar.sum(axis=0, dtype=np.float64) - inside
    outside = kernel.sum(dtype=np.float64) - inside - 2 * across
    return np.asarray(inside / (n * (n - 1)) + outside / (m * (m - 1)) - 2 * across / (n * m))


def _embeddings(features: Features) -> Floats:
    return features.embeddings.astype(np.float64)


def _softmax(features: Features) -> Floats:
    return np.asarray(softmax(features.logits.astype(np.float64), axis=1))


RIVALS: tuple[Rival, ...] = (
    KolmogorovSmirnov("KS on embeddings", _embeddings),
    KolmogorovSmirnov("BBSD (KS on softmax)", _softmax),
    MaximumMeanDiscrepancy(),
    Scanflow(),
)


def accuracy_rivals(
    calibration: Features, correct: npt.NDArray[np.bool_]
) -> dict[str, Callable[[Features], float]]:
    """Return estimates of accuracy by confidence alone.

    Average confidence; difference of confidences (Guillory et al., 2021); average thresholded confidence
    (Garg et al., 2022, arXiv 2201.04234).
    """
    known = _softmax(calibration).max(axis=1)
    accuracy = float(correct.mean())
    threshold = np.quantile(known, 1 - accuracy)
    return {
        "average confidence": lambda window: float(_softmax(window).max(axis=1).mean()),
        "difference of confidences": lambda window: float(
            accuracy - known.mean() + _softmax(window).max(axis=1).mean()
        ),
        "ATC": lambda window: float(np.mean(_softmax(window).max(axis=1) >= threshold)),
    }
