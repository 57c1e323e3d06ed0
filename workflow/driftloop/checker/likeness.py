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
    """A corruption, and how much images corrupted that way are like those of the window.

    Attributes:
        name: of the corruption.
        explains: how much of what sets the window apart from clean images it explains: 1 less the distance
            that is left, as a share of that of clean images; 1 for all of it, below 0 where it leads away.
        examples: uint8 (M, H, W, C), the clean images corrupted that way.
    """

    name: str
    explains: float
    examples: Images


def rank_likeness(
    window: Images, clean: Images, names: Sequence[str], corrupt: Callable[[Images, str], Images]
) -> list[Likeness]:
    """Rank corruptions by how much clean images corrupted that way look like the window, likeliest first.

    What is compared are means of statistics that tell corruptions apart whatever the image shows: its
    histogram, its contrasts between neighbours, its brightness by place; distances are in standard deviations
    of clean images. It is a hint for a person, not a verdict: nothing is decided by it.

    Args:
        window: uint8 (N, H, W, C), strange samples of the window.
        clean: uint8 (M, H, W, C), samples of the reference; at least 2.
        names: the corruptions.
        corrupt: corrupts images in the named way.
    """
    usual = _statistics(clean)
    spread = usual.std(axis=0) + 0.01
    goal = _statistics(window).mean(axis=0)

    def distance(statistics: npt.NDArray[np.float64]) -> float:
        return float(np.sqrt((((statistics.mean(axis=0) - goal) / spread) ** 2).mean()))

    apart = max(distance(usual), 1e-9)
    ranked = []
    for name in names:
        corrupted = corrupt(clean, name)
        ranked.append(Likeness(name, 1 - distance(_statistics(corrupted)) / apart, corrupted))
    return sorted(ranked, key=lambda item: -item.explains)


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
