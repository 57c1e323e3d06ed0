"""Models that end in probabilities: it is seen on a trial, and their logarithm is taken for logits."""

from __future__ import annotations

import torch
from torch import Tensor


def are_probabilities(outputs: Tensor) -> bool:
    """Whether outputs (N, K) are probabilities of K classes, as far as they show it.

    >>> are_probabilities(torch.tensor([[0.25, 0.75]])), are_probabilities(torch.tensor([[1.0, -0.5]]))
    (True, False)
    """
    sums = outputs.sum(1)
    return bool((outputs >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-3)


def to_logits(probabilities: Tensor) -> Tensor:
    """Return logits (N, K) whose softmax the probabilities are."""
    return probabilities.clamp_min(1e-12).log()
