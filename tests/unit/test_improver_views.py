"""Views of digits and of photographs: each other than the next, and still of the same class."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_digits, load_sample_images
from torch import Tensor

from driftloop.improver.views import strong_view, weak_view


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def digits(n: int = 200) -> Tensor:
    levels = torch.from_numpy(load_digits().images[:n, None] / 16).float()
    return torch.nn.functional.interpolate(levels, size=28, mode="bilinear")


def photographs() -> Tensor:
    both = [torch.from_numpy(image[:96, :128].copy()) for image in load_sample_images().images]
    return torch.stack(both).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("images", [digits(40), photographs(), digits(1)], ids=["grey", "colour", "one"])
@pytest.mark.parametrize("view", [weak_view, strong_view])
def test_a_view_is_an_image_of_the_same_form(view: Callable[..., Tensor], images: Tensor) -> None:
    first, again = view(images, seeded()), view(images, seeded())
    assert first.shape == images.shape
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert torch.equal(first, again)
    assert not torch.equal(view(images, seeded()), view(images, torch.Generator().manual_seed(1)))


def test_a_weak_view_moves_a_digit_by_a_pixel_at_most() -> None:
    images = digits(40)
    moved = weak_view(images, seeded())[:, :, 1:-1, 1:-1]
    shifts = [images[:, :, 1 + y : 27 + y, 1 + x : 27 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    assert torch.stack([(moved == each).flatten(1).all(1) for each in shifts]).any(0).all()


def test_a_strong_view_is_still_nearer_to_its_own_digit_than_to_most_others() -> None:
    images = digits()
    changed = strong_view(images, seeded()).flatten(1)
    distances = torch.cdist(changed - changed.mean(1, keepdim=True), images.flatten(1))
    own = distances.diagonal()[:, None]
    assert float((distances < own).float().mean()) < 0.15
    assert float((changed - images.flatten(1)).abs().mean()) > 0.05
