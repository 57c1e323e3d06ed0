"""Images that repairs learn from: held as bytes where they can be, and drawn as floats."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from driftloop.models.classifier import Classifier, to_float
from driftloop.models.predict import at_once
from driftloop.spill import is_large, release

Images = npt.NDArray[np.uint8]

_BATCH = 500


def hold(images: Images, device: torch.device) -> Tensor:
    """Put uint8 images (N, H, W, C) on a device, as they are."""
    return torch.from_numpy(np.array(images)).to(device)  # a copy: images may be a read-only memory map


class Streamed:
    """Images that are too many to be held: each draw reads them anew and sends them through the filters.

    Args:
        images: uint8 (N, H, W, C).
        filters: what they pass, in this order.
        device: where they go.
    """

    def __init__(self, images: Images, filters: Iterable[nn.Module], device: torch.device) -> None:
        self._images, self._filters, self.device = images, tuple(filters), device

    def __len__(self) -> int:
        return len(self._images)

    @torch.no_grad()
    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Return what `through_filters` would hold of some images."""
        chosen = rows if isinstance(rows, slice) else rows.cpu().numpy()
        held = hold(self._images[chosen], self.device)
        release(self._images)
        if not self._filters:
            return held
        x = to_float(held)
        for each in self._filters:
            x = each(x)
        return x


Held = Tensor | Streamed
"""Images to draw from: `held[rows]`, `len(held)`, `held.device`."""


def floats(held: Held) -> Tensor:
    """Return images that are held one way or the other as float (N, C, H, W) in [0, 1]."""
    if isinstance(held, Streamed):
        held = held[:]
    if held.dtype != torch.uint8:
        return held
    return to_float(held).clone(memory_format=torch.contiguous_format)  # as what comes out of filters is


def hold_or_stream(images: Images, device: torch.device) -> Held:
    """Hold uint8 images (N, H, W, C) as they are, or read them as they are drawn where they are many."""
    return Streamed(images, (), device) if is_large(images.nbytes) else hold(images, device)


@torch.no_grad()
def through_filters(classifier: Classifier, images: Images) -> Held:
    """Hold what a classifier's filters make of uint8 images (N, H, W, C), some at a time.

    Returns:
        float (N, C, H, W) in [0, 1]. Without filters uint8 (N, H, W, C), the images themselves. `floats`
        takes either. Where they are too many to be held, they come from `Streamed`.
    """
    device, wide = classifier.mean.device, torch.float32.itemsize if len(classifier.filters) else 1
    if is_large(images.nbytes * wide):
        return Streamed(images, classifier.filters, device)
    held = hold(images, device)
    if not len(classifier.filters):
        return held
    n, height, width, channels = held.shape
    seen = torch.empty(n, channels, height, width, device=held.device)
    step = at_once(_BATCH, height, width)
    for part, into in zip(torch.split(held, step), torch.split(seen, step), strict=True):
        x = to_float(part)
        for repair in classifier.filters:
            x = repair(x)
        into.copy_(x)
    return seen
