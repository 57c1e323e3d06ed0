"""A network whose last layer is corrected: all that can be repaired of a program that nobody can retrain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from driftloop.models.networks import Network
from driftloop.params.instantiate import instantiate

TARGET = f"{__name__}.Refitted"


class Refitted(Network):
    """A network with a linear layer on its embeddings, whose output is added to its logits.

    It is added as far as an embedding looks like the drift's, which a second layer tells. So other images are
    hardly changed, and another drift can be corrected behind this one.

    Args:
        channels: of the images.
        classes: how many.
        network: `_target_` and arguments of the network that is corrected.
        embedding: numbers in its embedding.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, channels: int, classes: int, network: Mapping[str, Any], embedding: int) -> None:
        super().__init__()
        self.inner = instantiate(network, Network, where="network", channels=channels, classes=classes)
        self.fixed = self.inner.fixed
        self.register_buffer("centre", torch.zeros(embedding))
        self.register_buffer("scale", torch.ones(embedding))
        self.gate, self.correction = nn.Linear(embedding, 1), nn.Linear(embedding, classes)
        # Until it is fitted, it corrects nothing.
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map normalised float images (N, C, H, W) to embeddings (N, D) and logits (N, K)."""
        embedding, logits = self.inner.see(x)
        return embedding, logits + self.corrected_by(embedding)

    def corrected_by(self, embedding: Tensor) -> Tensor:
        """Return what is added to the logits of embeddings (N, D): (N, K)."""
        standard = self.standardise(embedding)
        added: Tensor = torch.sigmoid(self.gate(standard)) * self.correction(standard)
        return added

    def standardise(self, embedding: Tensor) -> Tensor:
        """Map embeddings (N, D) to what both layers take."""
        return (embedding - self.centre) / self.scale

    def embed(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to embeddings (N, D)."""
        return self.inner.embed(x)

    def head(self, embedding: Tensor) -> Tensor:
        """Map embeddings (N, D) to logits (N, K)."""
        return self.inner.head(embedding) + self.corrected_by(embedding)
