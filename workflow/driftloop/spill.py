"""Images that would take too much memory lie in a file without a name, and are read as they are needed.

They stay arrays: `numpy.memmap`, whose pages are given back once they were used. So a step's memory does not
grow with the images, only the machine's file cache does, which it takes back whenever it needs to.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]

LIMIT = 1 << 29
"""Bytes of images that are held in memory. More lie on disk."""
_PART = 1 << 26


def is_large(size: int) -> bool:
    """Tell whether so many bytes of images are too many for memory."""
    return size > LIMIT


def empty_images(shape: tuple[int, ...]) -> Images:
    """Return uint8 images to be filled: in memory, or in a temporary file where they are large.

    The file is in `TMPDIR`, or in /var/tmp, which is on a disk where /tmp may be in memory. It has no name
    and goes away with the array.
    """
    if not is_large(int(np.prod(shape, dtype=np.int64))):
        return np.empty(shape, dtype=np.uint8)
    usual = Path("/var/tmp")  # noqa: S108 (the file has no name)
    folder = usual if "TMPDIR" not in os.environ and os.access(usual, os.W_OK) else None
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)


def select(images: Images, rows: npt.NDArray[np.integer[Any]]) -> Images:
    """Return the images at sorted `rows`: a copy in memory, or on disk where it is large.

    An array that is mapped already and wanted as a whole is returned as it is.
    """
    shape = (len(rows), *images.shape[1:])
    if not is_large(int(np.prod(shape, dtype=np.int64))):
        return np.asarray(images[rows])
    if len(rows) == len(images) and _mapping(images) is not None:
        return images
    result = empty_images(shape)
    for part in parts(len(rows), images.shape[1:]):
        result[part] = images[rows[part]]
        release(images, result)
    return result


def parts(n: int, shape: tuple[int, ...], multiple: int = 1) -> Iterator[slice]:
    """Yield slices that cut n images (H, W, C) into parts of 64 MiB, whole multiples of `multiple`.

    Where so many are larger than that, parts have 16 MiB: what corrupts them takes some thirty times as much.
    """
    fitting = max(1, _PART // int(np.prod(shape)))
    step = fitting // multiple * multiple or max(1, fitting // 4)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def release(*arrays: npt.NDArray[Any]) -> None:
    """Give the pages of memory-mapped arrays back. What was written stays in the file."""
    for array in arrays:
        mapping = _mapping(array)
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: npt.NDArray[Any]) -> mmap.mmap | None:
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    return base
