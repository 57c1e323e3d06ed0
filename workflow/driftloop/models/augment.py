"""Augment a batch of images at random, all at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(
    images: Tensor, generator: torch.Generator, *, shift: int = 0, flip: bool = False, cutout: int = 0
) -> Tensor:
    """Shift, mirror and blacken uint8 images (N, H, W, C), each in its own way.

    Args:
        images: on any device.
        generator: on the CPU, so that every device sees the same choices.
        shift: each image is moved by up to so many pixels in each direction, over black.
        flip: half of the images are mirrored left to right.
        cutout: side of a square that is blackened at a random place (arXiv 1708.04552). 0 for none.
    """
    n, height, width, _ = images.shape
    device = images.device
    rows, columns = torch.arange(height).expand(n, -1), torch.arange(width).expand(n, -1)
    if flip:
        mirrored = torch.rand(n, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    if shift:
        images = functional.pad(images, (0, 0, shift, shift, shift, shift))
        rows = rows + torch.randint(0, 2 * shift + 1, (n, 1), generator=generator)
        columns = columns + torch.randint(0, 2 * shift + 1, (n, 1), generator=generator)
    if flip or shift:
        each = torch.arange(n, device=device)
        images = images[each[:, None, None], rows.to(device)[:, :, None], columns.to(device)[:, None, :]]
    if cutout:
        inside = _stripe(n, height, cutout, generator)[:, :, None]
        inside = inside & _stripe(n, width, cutout, generator)[:, None, :]
        images = images.masked_fill(inside[..., None].to(device), 0)
    return images


def _stripe(n: int, length: int, side: int, generator: torch.Generator) -> Tensor:
    start = torch.randint(1 - side, length, (n, 1), generator=generator)
    place = torch.arange(length)
    return (place >= start) & (place < start + side)
