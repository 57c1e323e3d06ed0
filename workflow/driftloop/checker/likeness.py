"""Which corruption a window looks like: clean images are corrupted in each way, and compared with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]

_BINS = 8


@dataclass(frozen=True)
class Likeness:
    """A corruption, and how far images corrupted that way are from those of the window.

    Attributes:
        name: of the corruption.
        distance: between the means of simple image statistics, in standard deviations of clean images.
            0 for the same.
        examples: uint8 (M, H, W, C), the clean images corrupted that way.
    """

    name: str
    distance: float
    examples: Images


def rank_likeness(
    window: Images, clean: Images, names: Sequence[str], corrupt: Callable[[Images, str], Images]
) -> list[Likeness]:
    """Rank corruptions by how much clean images corrupted that way look like the window, likeliest first.

    The comparison takes means of statistics that tell corruptions apart in any image: its histogram, its
    contrasts between neighbours, its brightness by place. It is a hint for a person, not a verdict: nothing
    is decided by it.

    Args:
        window: uint8 (N, H, W, C), strange samples of the window.
        clean: uint8 (M, H, W, C), samples of the reference. At least 2.
        names: the corruptions.
        corrupt: corrupts images in the named way.
    """
    usual = _statistics(clean)
    spread = usual.std(axis=0) + 0.01
    goal = _statistics(window).mean(axis=0)
    ranked = []
    for name in names:
        corrupted = corrupt(clean, name)
        gap = (_statistics(corrupted).mean(axis=0) - goal) / spread
        ranked.append(Likeness(name, float(np.sqrt((gap**2).mean())), corrupted))
    return sorted(ranked, key=lambda item: item.distance)


def _statistics(images: Images) -> npt.NDArray[np.float64]:
    """Return (N, F): for each image its histogram, mean steps between neighbours, and brightness by place."""
    grey = images.mean(axis=-1) / 255
    n = len(grey)
    levels = np.minimum((grey * _BINS).astype(int), _BINS - 1)
    histogram = np.stack([(levels == level).mean(axis=(1, 2)) for level in range(_BINS)], axis=1)
    steps = [np.abs(np.diff(grey, k, axis=axis)) for k in (1, 2) for axis in (1, 2)]
    texture = np.stack([part(step, axis=(1, 2)) for step in steps for part in (np.mean, np.max)], axis=1)
    rows, columns = (np.array_split(np.arange(size), 4) for size in grey.shape[1:])
    places = np.stack(
        [grey[:, row][:, :, column].mean(axis=(1, 2)) for row in rows for column in columns], axis=1
    )
    return np.concatenate([histogram, texture, places, grey.reshape(n, -1).std(axis=1)[:, None]], axis=1)
