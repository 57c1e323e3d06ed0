"""What a corruption is: a function with five levels of constants, and the facts that a reviewer needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from driftloop.corruptions.raster import Floats
from driftloop.errors import ParameterError

Images = npt.NDArray[np.uint8]
Family = Literal["noise", "blur", "weather", "digital", "geometric", "occlusion"]

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """One corruption of a suite.

    Attributes:
        name: as the benchmark's files are called.
        family: what kind of thing happens to the image.
        function: takes float32 (N, H, W, C) in [0, 1], a generator and one level's constants. Returns
            the same shape, in any range.
        levels: the constants of severity 1 to 5.
        default_severity: what is used where none is named.
    """

    name: str
    family: Family
    function: Callable[..., Floats]
    levels: tuple[tuple[Any, ...], ...]
    default_severity: int

    @property
    def geometric(self) -> bool:
        """Whether pixels change places, so that no filter of pixel values can undo it."""
        return self.family == "geometric"

    def apply(self, images: Images, severity: int, rng: np.random.Generator) -> Images:
        """Corrupt uint8 images (N, H, W, C) at a severity from 1 to 5. `images` stays as it is.

        Raises:
            ParameterError: the severity is not one of 1 to 5.
        """
        if severity not in SEVERITIES:
            raise ParameterError(f"corruption {self.name}: severity is {severity!r}; it is 1, 2, 3, 4 or 5.")
        values = images.astype(np.float32) / np.float32(255)
        corrupted = self.function(values, rng, *self.levels[severity - 1])
        # Both benchmarks cut fractions off. The small term keeps rounding errors from costing a grey level.
        return (np.clip(corrupted, 0, 1) * np.float32(255) + np.float32(1e-3)).astype(np.uint8)


def define(
    name: str, family: Family, function: Callable[..., Floats], *levels: Any, default: int = 3
) -> Corruption:
    """Return a corruption. A level with a single constant is written without a tuple."""
    constants = tuple(level if isinstance(level, tuple) else (level,) for level in levels)
    return Corruption(name, family, function, constants, default)


def suite(*corruptions: Corruption) -> Mapping[str, Corruption]:
    """Return corruptions by name, in their order, read-only."""
    return MappingProxyType({corruption.name: corruption for corruption in corruptions})
