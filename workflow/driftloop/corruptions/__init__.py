"""Image corruptions as pure functions of images, severity and a random generator.

>>> import numpy as np
>>> from driftloop.corruptions import SUITES, corrupt
>>> images = np.zeros((2, 28, 28, 1), dtype=np.uint8)
>>> noisy = corrupt(images, "mnist_c", "impulse_noise", severity=4, rng=0)
>>> noisy.shape, noisy.dtype
((2, 28, 28, 1), dtype('uint8'))
>>> SUITES["mnist_c"]["rotate"].geometric
True
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

import numpy as np

from driftloop.corruptions.cifar10_c import CIFAR10_C
from driftloop.corruptions.corruption import SEVERITIES, Corruption, Images
from driftloop.corruptions.mnist_c import MNIST_C
from driftloop.errors import DataError, ParameterError

__all__ = ["CHUNK", "SEVERITIES", "SUITES", "Corruption", "corrupt", "find_corruption"]

SUITES: Mapping[str, Mapping[str, Corruption]] = MappingProxyType(
    {"mnist_c": MNIST_C, "cifar10_c": CIFAR10_C}
)

CHUNK = 1024
"""Images at once: what they need in between stays near the processor, and memory bounded.

Images can be corrupted in parts of whole chunks, and the random numbers are the same."""


def corrupt(
    images: Images,
    suite: str,
    corruption: str,
    severity: int | None = None,
    rng: np.random.Generator | int = 0,
) -> Images:
    """Return corrupted copies of images.

    Args:
        images: uint8 (N, H, W, C), H and W at least 8, C 1 or 3. They stay as they are.
        suite: a key of `SUITES`. Fashion-MNIST, like MNIST, uses `mnist_c`.
        corruption: a key of that suite.
        severity: 1 to 5. None takes the corruption's default.
        rng: where random numbers come from, or a seed. The same seed gives the same images.

    Returns:
        uint8, of the same shape.

    Raises:
        ParameterError: there is no such suite, corruption or severity.
        DataError: the images are not of that form.
    """
    chosen = find_corruption(suite, corruption)
    if images.dtype != np.uint8 or images.ndim != 4 or not _fits(*images.shape[1:]):
        raise DataError(
            f"corruption {corruption}: images are {images.dtype} {images.shape}; "
            "they must be uint8 (N, H, W, C), at least 8 x 8, with 1 or 3 channels."
        )
    severity = chosen.default_severity if severity is None else severity
    rng = np.random.default_rng(rng)
    result = np.empty(images.shape, dtype=np.uint8)
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        result[part] = chosen.apply(np.ascontiguousarray(images[part]), severity, rng)
    return result


def find_corruption(suite: str, corruption: str) -> Corruption:
    """Return one corruption of a suite.

    Raises:
        ParameterError: there is no such suite or corruption. The message lists those there are.
    """
    if suite not in SUITES:
        raise ParameterError(_no_such("corruption suite", suite, list(SUITES)))
    if corruption not in SUITES[suite]:
        raise ParameterError(_no_such(f"corruption in {suite}", corruption, list(SUITES[suite])))
    return SUITES[suite][corruption]


def _fits(height: int, width: int, channels: int) -> bool:
    return min(height, width) >= 8 and channels in (1, 3)


def _no_such(kind: str, name: str, allowed: list[str]) -> str:
    close = get_close_matches(name, allowed, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"There is no {kind} {name!r}.{hint} There are: {', '.join(allowed)}."
