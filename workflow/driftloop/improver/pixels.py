"""Images that repairs learn from: held as bytes where they can be, and drawn as floats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from driftloop.models.classifier import Classifier, to_float
from driftloop.models.predict import at_once

Images = npt.NDArray[np.uint8]

_BATCH = 500


def hold(images: Images, device: torch.device) -> Tensor:
    """Put uint8 images (N, H, W, C) on a device, as they are."""
    return torch.from_numpy(np.array(images)).to(device)  # a copy: images may be a read-only memory map


def floats(held: Tensor) -> Tensor:
    """Return images that are held one way or the other as float (N, C, H, W) in [0, 1]."""
    if held.dtype != torch.uint8:
        return held
    return to_float(held).clone(memory_format=torch.contiguous_format)  # as what comes out of filters is


@torch.no_grad()
def through_filters(classifier: Classifier, images: Images) -> Tensor:
    """Hold what a classifier's filters make of uint8 images (N, H, W, C), some at a time.

    Returns:
        float (N, C, H, W) in [0, 1]; without filters uint8 (N, H, W, C), the images themselves. `floats`
        takes either.
    """
    held = hold(images, classifier.mean.device)
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
