"""The Scanflow paper's idea (arXiv 2111.03003): distances in the latent space of a small autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from driftloop.checker.detector import Arrays, Detector, blocks, rows
from driftloop.checker.neighbours import NearestNeighbours
from driftloop.models.device import seeded
from driftloop.models.features import Features

_BATCH = 128
_LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class Autoencoder(Detector):
    """Distance to the nearest reference samples in an autoencoder's latent space.

    The encoder has the paper's 16, 8 and 8 channels and halves the image three times. The paper's code takes
    a sample's reconstruction error, scaled within its batch. This takes the distance of its latent code. So a
    sample's score depends on no other sample.

    Attributes:
        epochs: passes over the reference.
        k: neighbours that are averaged.
        limit: reference images that are learnt from and kept, drawn at random where there are more.
    """

    epochs: int = 3
    k: int = 2
    limit: int = 10_000

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}; 1 or more")

    def fit(self, reference: Features, rng: np.random.Generator) -> Arrays:
        """Train the autoencoder, and keep the reference's latent codes."""
        kept = np.sort(rng.permutation(len(reference))[: self.limit])
        images = np.asarray(reference.images[kept])
        seed = int(rng.integers(2**31))
        with seeded(seed, torch.device("cpu")):
            network = _train(images, self.epochs)
        weights = {f"weights/{name}": value.numpy() for name, value in network.state_dict().items()}
        codes = _encode(network, rows(reference, kept))
        return weights | dict(self._neighbours.fit(codes, rng))

    def score(self, state: Arrays, features: Features) -> npt.NDArray[np.float64]:
        """Return the mean distance of each latent code to the k nearest."""
        network = _Autoencoder(features.images.shape[3])
        prefix = "weights/"
        network.load_state_dict(
            {
                name.removeprefix(prefix): torch.from_numpy(np.array(array))
                for name, array in state.items()
                if name.startswith(prefix)
            }
        )
        return self._neighbours.score(state, _encode(network, features))

    @property
    def _neighbours(self) -> NearestNeighbours:
        return NearestNeighbours(k=self.k, limit=self.limit)


class _Autoencoder(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inward = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in ((channels, 16), (16, 8), (8, 8))
        )
        self.outward = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in ((8, 8), (8, 8), (8, 16), (16, channels))
        )

    def encode(self, x: Tensor) -> Tensor:
        for layer in self.inward:
            x = functional.max_pool2d(functional.relu(layer(x)), 2, ceil_mode=True)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the reconstructed pixels."""
        code, (height, width) = self.encode(x), x.shape[2:]
        for layer, shrink in zip(self.outward, (4, 2, 1), strict=False):
            code = functional.relu(layer(code))
            code = functional.interpolate(code, size=(-(-height // shrink), -(-width // shrink)))
        logits: Tensor = self.outward[-1](code)
        return logits


def _train(images: npt.NDArray[np.uint8], epochs: int) -> _Autoencoder:
    network, pictures = _Autoencoder(images.shape[3]), _tensor(images)
    optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    for _ in range(epochs):
        order = torch.randperm(len(pictures))
        for start in range(0, len(order), _BATCH):
            target = pictures[order[start : start + _BATCH]]
            loss = functional.binary_cross_entropy_with_logits(network(target), target)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network.eval()


@torch.inference_mode()
def _encode(network: _Autoencoder, features: Features) -> Features:
    """Return the features with latent codes in the place of the embeddings."""
    parts: list[npt.NDArray[Any]] = []
    for block, part in blocks(features):
        codes = network.encode(_tensor(part.images)).flatten(1).numpy()
        parts.append(codes[: block.stop - block.start])
    return Features(features.images, np.concatenate(parts), features.logits)


def _tensor(images: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255
