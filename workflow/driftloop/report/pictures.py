"""Images that travel inside the page: small PNG files as `data:` addresses."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

LARGEST = 64
"""Pixels along an image's longer side. Larger images are made smaller before they go into the page."""


def data_url(image: npt.NDArray[np.uint8]) -> str:
    """Return an image, uint8 (H, W, C), as the address of a PNG that holds it.

    >>> data_url(np.zeros((28, 28, 1), dtype=np.uint8))[:22]
    'data:image/png;base64,'
    """
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.thumbnail((LARGEST, LARGEST))
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def affordable(shape: tuple[int, ...], windows: int, budget: int = 2_000_000) -> tuple[int, int]:
    """Return how many picks, and how many images before and after, each window may show in a small page.

    Args:
        shape: (H, W, C) of the images.
        windows: how many show any.
        budget: bytes for all images together, as if none could be compressed.

    >>> affordable((28, 28, 1), 2), affordable((32, 32, 3), 40)
    ((48, 10), (7, 2))
    """
    height, width, channels = shape
    size = 4 / 3 * min(height, LARGEST) * min(width, LARGEST) * channels
    images = budget / size / max(windows, 1)
    return min(48, int(0.6 * images)), min(10, int(0.2 * images))
