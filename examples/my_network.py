"""A network of your own, in two halves, so that the check can look between them. In params.yaml.

network: {_target_: my_network.Small, width: 32}
"""

from __future__ import annotations

from torch import Tensor, nn

from driftloop.models.networks import Network


class Small(Network):
    """Two convolutions and a linear layer; `channels` and `classes` follow from the data."""

    def __init__(self, channels: int, classes: int, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.last = nn.Linear(4 * width, classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to embeddings (N, D)."""
        return self.body(x)

    def head(self, embedding: Tensor) -> Tensor:
        """Map embeddings to logits (N, K)."""
        return self.last(embedding)
