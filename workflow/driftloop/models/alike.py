"""The proof that a classifier answers alike for an image, whatever lies beside it, however often it is asked.

A drift is told from how answers differ. So a model may not draw by chance, change while it is asked, or let
the answer for an image depend on the others in its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import torch
from torch import Tensor

Seen = tuple[Tensor, Tensor]
"""Embeddings (N, D) and logits (N, K)."""
See = Callable[[Tensor], Seen]
"""Maps uint8 images (N, H, W, C) to what is seen."""

SAME = 1e-4
"""So much may an answer differ where the same is computed, in standard deviations of all answers."""
SAME_BUT_FOR_KERNELS = 2e-2
"""The same where batches are of another size: numbers of 16 bits are then rounded elsewhere."""
ALONE = 3
"""Images that are asked about alone."""


class Unlike(Enum):
    """How answers differ."""

    CHANCE = "it answers otherwise when it is asked about the same images again"
    NEIGHBOURS = "its answer for an image depends on the other images in the batch"


@torch.inference_mode()
def find_unlike(see: See, images: Tensor) -> Unlike | None:
    """Ask about images again, among others, alone and in halves. Say how the answers differ.

    Args:
        see: the classifier's.
        images: uint8 (N, H, W, C), two or more, real ones: what a model makes of noise proves little.
    """
    whole = see(images)
    rows = torch.arange(len(images))

    def differ(asked: Tensor, kept: Tensor, tolerance: float, place: Tensor | None = None) -> bool:
        found = see(asked)
        return not all(
            alike(one if place is None else one[place], of[kept], tolerance, spread=of)
            for one, of in zip(found, whole, strict=True)
        )

    if differ(images, rows, SAME):
        return Unlike.CHANCE
    for kept, others in ((rows[::2], torch.zeros_like(images)), (rows[1::2], 255 - images.roll(1, 0))):
        mixed = others.clone()
        mixed[kept] = images[kept]
        if differ(mixed, kept, SAME, kept):
            return Unlike.NEIGHBOURS
    half = len(images) // 2
    for part in (rows[:half], rows[half:], *rows[:ALONE].view(-1, 1)):
        if differ(images[part], part, SAME_BUT_FOR_KERNELS):
            return Unlike.NEIGHBOURS
    return Unlike.CHANCE if differ(images, rows, SAME) else None


def alike(one: Tensor, two: Tensor, tolerance: float = SAME, *, spread: Tensor | None = None) -> bool:
    """Whether two tensors are the same, but for a tolerance.

    Args:
        one: what was seen.
        two: what is to be the same.
        tolerance: in standard deviations.
        spread: what the standard deviation is taken of. `two` by default.
    """
    of = two if spread is None else spread
    scale = max(float(of.std()), 1e-3 * float(of.abs().max()), 1e-6)
    return one.shape == two.shape and bool(((one - two).abs() <= tolerance * scale).all())
