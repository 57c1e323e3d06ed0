"""A filter of your own: it cleans images before the classifier sees them. In params.yaml.

filter: {_target_: my_filter.Smooth, steps: 400, batch_size: 64, learning_rate: 0.004}
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from driftloop.improver.filters import Filter


class Smooth(Filter):
    """One wide convolution that restores, and one number that suspects; driftloop trains both."""

    def __init__(self, channels: int, width: int = 5) -> None:
        super().__init__()
        self.clean = nn.Conv2d(channels, channels, width, padding=width // 2)
        self.rough = nn.Parameter(torch.tensor([20.0, -1.0]))

    def suspect(self, x: Tensor) -> Tensor:
        """Return how corrupted images (N, C, H, W) look: logits (N,)."""
        jumps = (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3))
        return self.rough[0] * jumps + self.rough[1]

    def restore(self, x: Tensor) -> Tensor:
        """Return the clean images as logits: their sigmoid is the value of each pixel."""
        return self.clean(2 * x - 1)
