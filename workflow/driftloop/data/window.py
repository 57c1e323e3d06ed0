"""Windows of the simulated production stream, and the answers that only the scoring may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from driftloop.data.dataset import Dataset
from driftloop.errors import DataError, ParameterError

# What a random generator is for, so that no two of them are the same one.
_ORDER, _CORRUPTION, _POPULATION = range(3)


class Corrupt(Protocol):
    """How some images are corrupted: `functools.partial(driftloop.corruptions.corrupt, suite=...)`."""

    def __call__(
        self,
        images: npt.NDArray[np.uint8],
        *,
        corruption: str,
        severity: int | None,
        rng: np.random.Generator,
    ) -> npt.NDArray[np.uint8]:
        """Return corrupted copies of `images`, same shape and dtype."""


@dataclass(frozen=True)
class WindowSpec:
    """One window of the stream, as `params.yaml` describes it.

    Attributes:
        n: how many images the window holds.
        corruption: what happens to them. None for a clean window.
        severity: 1 to 5, or None for the corruption's own.
        share: the fraction of the images that is corrupted, 0 to 1.
    """

    n: int
    corruption: str | None = None
    severity: int | None = None
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ParameterError(f"window: n is {self.n}; a window holds at least 1 image.")
        if not 0 <= self.share <= 1:
            raise ParameterError(f"window: share is {self.share}; it lies between 0 and 1. Try 0.3.")
        if self.severity is not None and not 1 <= self.severity <= 5:
            raise ParameterError(f"window: severity is {self.severity}; it lies between 1 and 5.")


@dataclass(frozen=True)
class Answers:
    """What nobody knows in production: only the simulated reviewer and the scoring may look.

    Attributes:
        labels: int64 (n,), the true labels of the window's images.
        corrupted: bool (n,), which of the window's images were corrupted.
        population_labels: int64 (P,), the true labels of the rest of the window's population.
        corruption: its name, or None for a clean window.
        severity: as asked. None where the corruption's own was taken.
        share: the fraction of the images that was to be corrupted. 0 for a clean window.
        wrapped: whether the pool was used up, so that earlier windows have shown these images before.
    """

    labels: npt.NDArray[np.int64]
    corrupted: npt.NDArray[np.bool_]
    population_labels: npt.NDArray[np.int64]
    corruption: str | None
    severity: int | None
    share: float
    wrapped: bool


@dataclass(frozen=True)
class Window:
    """What arrives in production, and apart from it the answers.

    Attributes:
        images: uint8 (n, H, W, C).
        population: uint8 (P, H, W, C), the end of the pool, which no window ever shows, corrupted alike
            (same corruption, severity and share): the rest of the population that the window was drawn from.
        answers: the true labels and the rest of what production does not know.
    """

    images: npt.NDArray[np.uint8]
    population: npt.NDArray[np.uint8]
    answers: Answers


def window_indices(usable: int, sizes: Sequence[int], seed: int) -> tuple[npt.NDArray[np.int64], bool]:
    """Positions in the pool of the last of these windows, and whether the pool had to be used again.

    Windows take consecutive slices of the pool, which is in random order already. When the next window no
    longer fits, the pool starts again in a fresh order: no window holds an image twice.

    Args:
        usable: how many samples of the pool the windows may show.
        sizes: the sizes of the windows up to and with this one, in the order of the stream.
        seed: decides the fresh orders.

    Raises:
        ParameterError: a window is larger than the whole pool.

    >>> window_indices(10, [4, 3], seed=0)
    (array([4, 5, 6]), False)
    """
    lap, start, end = 0, 0, 0
    for size in sizes:
        if size > usable:
            raise ParameterError(
                f"window: n is {size}, but the production pool has {usable} images to show. "
                "Make the window smaller, or the production split larger."
            )
        lap, start = (lap, end) if end + size <= usable else (lap + 1, 0)
        end = start + size
    if not lap:
        return np.arange(start, end, dtype=np.int64), False
    order = np.random.default_rng([seed, _ORDER, lap]).permutation(usable)
    return order[start:end].astype(np.int64), True


def draw_window(
    pool: Dataset, spec: WindowSpec, *, before: Sequence[int], population: int, corrupt: Corrupt, seed: int
) -> Window:
    """Draw the next window of the stream from the production pool.

    The same pool, sizes before it, spec and seed give the same window. The corruptions of the windows before
    it do not matter.

    Args:
        pool: the production split with its labels, in random order.
        spec: the window.
        before: the sizes of the windows before this one, in the order of the stream.
        population: how many samples at the end of the pool no window shows.
        corrupt: applies one corruption to some images.
        seed: decides which images are corrupted, and how.

    Raises:
        ParameterError: the pool is too small for the window beside the population.
        DataError: the pool has no labels, or `corrupt` changed the images' form.
    """
    if pool.labels is None:
        raise DataError(f"dataset {pool.name}: a simulated window needs a pool with labels.")
    if not 0 <= population < len(pool):
        raise ParameterError(
            f"window: population is {population}; with {len(pool)} images in the production pool it lies "
            f"between 0 and {len(pool) - 1}."
        )
    usable = len(pool) - population
    index, wrapped = window_indices(usable, [*before, spec.n], seed)
    shown, hidden = pool.take(index), pool.take(np.arange(usable, len(pool)))
    images, corrupted = _corrupt_share(shown.images, spec, corrupt, [seed, _CORRUPTION, len(before)])
    rest, _ = _corrupt_share(hidden.images, spec, corrupt, [seed, _POPULATION, len(before)])
    answers = Answers(
        labels=pool.labels[index],
        corrupted=corrupted,
        population_labels=hidden.known_labels,
        corruption=spec.corruption,
        severity=spec.severity,
        share=spec.share if spec.corruption else 0.0,
        wrapped=wrapped,
    )
    return Window(images, rest, answers)


def _corrupt_share(
    images: npt.NDArray[np.uint8], spec: WindowSpec, corrupt: Corrupt, seed: list[int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Corrupt a random `share` of the images. The mask says which ones."""
    rng = np.random.default_rng(seed)
    corrupted = np.zeros(len(images), dtype=bool)
    if spec.corruption is None:
        return images, corrupted
    corrupted[rng.permutation(len(images))[: round(spec.share * len(images))]] = True
    if not corrupted.any():
        return images, corrupted
    changed = corrupt(images[corrupted], corruption=spec.corruption, severity=spec.severity, rng=rng)
    if changed.dtype != np.uint8 or changed.shape != images[corrupted].shape:
        raise DataError(
            f"corruption {spec.corruption} turned uint8 {images[corrupted].shape} into "
            f"{changed.dtype} {changed.shape}; it must keep the images' form."
        )
    result = images.copy()
    result[corrupted] = changed
    return result, corrupted
