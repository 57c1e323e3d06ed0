"""Which images need a repair: learnt from drifted images against those that must pass as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from driftloop.improver.imitate import Imitation
from driftloop.improver.pixels import Held, floats
from driftloop.spill import empty_images, parts, release, select

_BATCH = 500


def suspicion_network(channels: int) -> nn.Sequential:
    """Make a small network from images (N, C, H, W) to logits (N, 1): higher is more like the drift."""
    return nn.Sequential(
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


def must_pass(
    clean: npt.NDArray[np.uint8], earlier: Sequence[Imitation], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Return what no repair may touch, uint8 (N, H, W, C).

    An equal part of it is clean, and an equal part has gone through each drift that was repaired before.
    """
    passing, places = empty_images(clean.shape), np.arange(len(clean))
    for part in parts(len(clean), clean.shape[1:]):
        passing[part] = clean[part]
        release(clean, passing)
    for number, each in enumerate(earlier, start=1):
        rows = places[number :: len(earlier) + 1]
        twins = each.apply(select(clean, rows), rng)
        for part in parts(len(rows), clean.shape[1:]):
            passing[rows[part]] = twins[part]
            release(twins, passing)
    return passing


def detecting_loss(drifted: Tensor, passing: Tensor) -> Tensor:
    """Return how badly logits tell drifted images from those that must pass."""
    # log(1 + exp(-s)) for drifted ones, log(1 + exp(s)) for the others.
    return functional.softplus(-drifted).mean() + functional.softplus(passing).mean()


@torch.inference_mode()
def suspicions(suspect: Callable[[Tensor], Tensor], images: Held) -> Tensor:
    """Return the logits (N,) of images, held as bytes or floats, some at a time."""
    starts = range(0, len(images), _BATCH)
    return torch.cat([suspect(floats(images[start : start + _BATCH])) for start in starts])


def limit(scores: Tensor, touched: float) -> float:
    """Return the score that only a share `touched` of these (N,) exceeds."""
    return float(scores.sort().values[-1 - int(touched * len(scores))])
