"""Views of an image that leave its class as it is: weak ones move it a little, strong ones change much.

A few labelled images teach more where each step shows them in another way. A network that answers a
strong view as it answers a weak one has learnt what does not matter (Sohn et al., arXiv 2001.07685).
No view imitates a suite of corruptions. Views are small turns, shears and stretches, another contrast and
brightness, a little blur, sharpness or noise, and a blanked square (the kinds of Cubuk et al., arXiv
1909.13719).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_SIDE = 28
"""Pixels a side for which a weak view moves an image by one pixel at most."""
_TURN, _STRETCH, _SHEAR, _MOVE = math.radians(15), 0.15, 0.15, 0.1
_CONTRAST, _BRIGHTNESS, _TINT = 0.4, 0.2, 0.2
_NOISE = 0.15
_OFTEN, _SELDOM, _BLANKED = 0.7, 0.25, 0.5
"""How often an image changes its tones, how often its sharpness or its noise, how often a part is blanked."""
_BLANK = 0.3
"""Side of the square that is blanked, of the image's."""


def weak_view(x: Tensor, generator: torch.Generator) -> Tensor:
    """Move float images (N, C, H, W), one at least, by a twenty-eighth of their size, each in its own way."""
    n, _, height, width = x.shape
    most = [max(1, round(size / _SIDE)) for size in (height, width)]
    padded = functional.pad(x, (most[1], most[1], most[0], most[0]), mode="replicate")
    rows, columns = (
        torch.arange(size) + torch.randint(0, 2 * move + 1, (n, 1), generator=generator)
        for size, move in zip((height, width), most, strict=True)
    )
    each = torch.arange(n, device=x.device)[:, None, None]
    moved = padded[each, :, rows.to(x.device)[:, :, None], columns.to(x.device)[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def strong_view(x: Tensor, generator: torch.Generator) -> Tensor:
    """Change float images (N, C, H, W) in [0, 1] much, each in its own way. The class stays.

    Args:
        x: one image at least, on any device.
        generator: on the CPU, so that every device sees the same choices.
    """
    x = _moved(x, generator)
    x = torch.where(_some(x, _OFTEN, generator), _other_tones(x, generator), x)
    x = torch.where(_some(x, _SELDOM, generator), _other_sharpness(x, generator), x)
    noise = torch.randn(x.shape, generator=generator).to(x) * _between(x, 0, _NOISE, generator)
    x = torch.where(_some(x, _SELDOM, generator), x + noise, x).clamp(0, 1)
    return _blanked(x, generator)


def _moved(x: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, shear, stretch and move images. What comes in over the edge repeats it."""
    turn, shear, stretch, squeeze, right, down = (
        _between(x, -most, most, generator).flatten()
        for most in (_TURN, _SHEAR, _STRETCH, _STRETCH / 2, 2 * _MOVE, 2 * _MOVE)
    )
    cos, sin, wide = turn.cos(), turn.sin(), stretch.exp()
    high = wide * squeeze.exp()
    rows = [cos * wide, (shear * cos - sin) * high, right, sin * wide, (shear * sin + cos) * high, down]
    places = functional.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(x.contiguous(), places, padding_mode="border", align_corners=False)


def _other_tones(x: Tensor, generator: torch.Generator) -> Tensor:
    """Change contrast and brightness, and of colours the tint."""
    mean = x.mean((1, 2, 3), keepdim=True)
    contrast = _between(x, -_CONTRAST, _CONTRAST, generator).exp()
    x = (x - mean) * contrast + mean + _between(x, -_BRIGHTNESS, _BRIGHTNESS, generator)
    if x.shape[1] > 1:
        x = x * _between(x, -_TINT, _TINT, generator, channels=x.shape[1]).exp()
    return x.clamp(0, 1)


def _other_sharpness(x: Tensor, generator: torch.Generator) -> Tensor:
    """Blur images, or sharpen them, by up to what a kernel of three by three takes away."""
    line = torch.tensor([0.25, 0.5, 0.25], device=x.device)
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    blurred = functional.conv2d(padded, kernel, groups=x.shape[1])
    return (x + (blurred - x) * _between(x, -1, 1, generator)).clamp(0, 1)


def _blanked(x: Tensor, generator: torch.Generator) -> Tensor:
    """Give a square of an image its mean tone (DeVries and Taylor, arXiv 1708.04552)."""
    n, _, height, width = x.shape
    side = max(1, round(_BLANK * min(height, width)))
    rows, columns = (
        (torch.arange(size) - torch.randint(1 - side, size, (n, 1), generator=generator)).to(x.device)
        for size in (height, width)
    )
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return torch.where(inside[:, None] & _some(x, _BLANKED, generator), x.mean((2, 3), keepdim=True), x)


def _between(x: Tensor, low: float, high: float, generator: torch.Generator, channels: int = 1) -> Tensor:
    """Draw a number for each image, or each of its channels: (N, channels, 1, 1)."""
    return (torch.rand(len(x), channels, 1, 1, generator=generator) * (high - low) + low).to(x)


def _some(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Draw a share of the images: bool (N, 1, 1, 1)."""
    return (torch.rand(len(x), 1, 1, 1, generator=generator) < share).to(x.device)
