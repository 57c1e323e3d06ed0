"""Filters: what removes a corruption from an image before the classifier sees it, and lets others pass."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional


class Filter(nn.Module, ABC):
    """A repair with a gate of its own: an image that does not look corrupted passes bit by bit unchanged.

    A user's own filter derives from this class. Its constructor takes `channels` (1 or 3) by keyword and
    has defaults for everything else. `driftloop.improver.train_filter` trains both halves and sets
    `threshold`.
    """

    threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Until it is trained, a filter acts on nothing.
        self.register_buffer("threshold", torch.tensor(float("inf")))

    @abstractmethod
    def suspect(self, x: Tensor) -> Tensor:
        """Return how corrupted images (N, C, H, W) in [0, 1] look: logits (N,), higher is worse."""

    @abstractmethod
    def restore(self, x: Tensor) -> Tensor:
        """Return the clean images as logits (N, C, H, W): their sigmoid is the value of each pixel.

        Logits, because a loss on values behind a sigmoid has no gradient left where the sigmoid saturates.
        """

    def acts(self, x: Tensor) -> Tensor:
        """Tell which images (N, C, H, W) in [0, 1] the filter changes: bool (N,)."""
        return self.suspect(x) > self.threshold

    def forward(self, x: Tensor) -> Tensor:
        """Restore those images (N, C, H, W) in [0, 1] that need it."""
        acts = self.acts(x)
        if not torch.compiler.is_compiling() and not acts.any():
            return x
        return torch.where(acts[:, None, None, None], torch.sigmoid(self.restore(x)), x)


class GatedDenoiser(Filter):
    """A small U-shaped network that restores (Ronneberger et al., arXiv 1505.04597), and a smaller gate.

    Every layer looks at one image only (GroupNorm, no BatchNorm): what becomes of an image does not
    depend on the others beside it.

    Args:
        channels: of the images.
        width: channels at full resolution; they double at each halving of the size.
    """

    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        self.inward = nn.ModuleList(
            [
                _block(channels, width),
                _block(width, 2 * width, stride=2),
                _block(2 * width, 4 * width, stride=2),
            ]
        )
        self.deep = _block(4 * width, 4 * width)
        self.outward = nn.ModuleList([_block(6 * width, 2 * width), _block(3 * width, width)])
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        self.gate = nn.Sequential(
            nn.Conv2d(channels, 12, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Conv2d(24, 32, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(128, 1),
        )

    def suspect(self, x: Tensor) -> Tensor:
        """Return how corrupted images (N, C, H, W) in [0, 1] look: logits (N,), higher is worse."""
        scores: Tensor = self.gate(2 * x - 1)
        return scores[:, 0]

    def restore(self, x: Tensor) -> Tensor:
        """Return the clean images as logits (N, C, H, W)."""
        y = 2 * x - 1
        levels = []
        for block in self.inward:
            y = block(y)
            levels.append(y)
        y = self.deep(levels.pop())
        for block in self.outward:
            beside = levels.pop()
            y = functional.interpolate(y, size=beside.shape[-2:], mode="nearest")
            y = block(torch.cat([y, beside], dim=1))
        logits: Tensor = self.last(y)
        return logits


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, stride=stride, bias=False),
        nn.GroupNorm(4, outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.GroupNorm(4, outputs),
        nn.ReLU(),
    )
