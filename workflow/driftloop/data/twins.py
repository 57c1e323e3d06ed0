"""Ready-made corrupted images in the place of a corruption."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from driftloop.errors import DataError

Images = npt.NDArray[np.uint8]


class Twins:
    """Clean images and their ready-made corrupted twins, in the same order. A `window.Corrupt`.

    MNIST-C and CIFAR-10-C keep the order of the published datasets, while a window's images are shuffled.
    The digest of each clean image joins the two, so that nobody has to carry positions along.

    Args:
        clean: uint8 (M, H, W, C), such as the published test images in their order.
        corrupted: uint8 of the same shape, from `driftloop.corruptions.archives.read_archive`.

    Raises:
        DataError: the shapes differ.

    >>> clean = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    >>> Twins(clean, clean + 100)(clean[[2, 0]]).ravel().tolist()
    [102, 100]
    """

    def __init__(self, clean: Images, corrupted: Images) -> None:
        if clean.shape != corrupted.shape:
            raise DataError(
                f"the clean images are {clean.shape}, but their ready-made twins {corrupted.shape}; "
                "the archive belongs to another dataset."
            )
        self._corrupted = corrupted
        self._position = {_digest(image): position for position, image in enumerate(clean)}

    def covers(self, images: Images) -> npt.NDArray[np.bool_]:
        """Say which of these clean images have a twin: bool (N,)."""
        return np.array([_digest(image) in self._position for image in images], dtype=bool)

    def __call__(self, images: Images, **_: object) -> Images:
        """Return the corrupted twins of clean images. Corruption, severity and generator are settled.

        Raises:
            DataError: some images have no twin.
        """
        lacking = int((~self.covers(images)).sum())
        if lacking:
            raise DataError(
                f"the archive has no twin of {lacking} of {len(images)} images. Draw the window from images "
                "that it covers, or leave the archive out to have them made."
            )
        return self._corrupted[[self._position[_digest(image)] for image in images]]


def _digest(image: Images) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
