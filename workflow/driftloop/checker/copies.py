"""Copies in a window, found by their pixels: each picture weighs once, but for a feed that is frozen.

An uploader that sends again what it sent gives no new evidence: five of each picture say what one of each
says. A camera that freezes sends one picture again and again, which is not how a window comes about: there
each one counts. The two are told apart by how often a picture comes beside the others.

A picture may be frozen and look like any other. So a frozen feed has a test of its own, by a permutation:
mix the window's n samples with m others of the same production. That all c copies of a picture are among
the n by chance has the probability C(n, c) / C(n + m, c), which is exact at every size.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from driftloop.models.features import in_parts

_OFTEN = 5
"""A picture that comes more than so many times as often as is usual in its window is frozen."""
_MUCH = 0.25
"""The share of a window from which a frozen picture is an alarm by itself: a retried upload is no drift."""


@dataclass(frozen=True)
class Copies:
    """Which samples of a window are copies of others.

    Attributes:
        n: samples in the window.
        first: int64 (D,), places of the D different pictures, each where it comes first, in order.
        weighed: int64 (W,), places of the samples that the tests count, in order: the different pictures, and
            all copies of those that are frozen.
        frozen: how often the most frequent frozen picture comes. 0 where none is frozen.
        stuck: the place where that picture comes first. 0 where none is frozen.
    """

    n: int
    first: npt.NDArray[np.int64]
    weighed: npt.NDArray[np.int64]
    frozen: int
    stuck: int

    def chance(self, others: int) -> float:
        """Return the p-value of the frozen picture: that all its copies are in this window by chance.

        Args:
            others: images of the same production beside the window's, at least 1, without that picture.

        Returns:
            In [0, 1]. 1 where no picture is frozen, or it is less than a quarter of the window.
        """
        n, c, whole = self.n, self.frozen, self.n + others
        if not c or c < _MUCH * n:
            return 1.0
        return float(
            np.exp(gammaln(n + 1) - gammaln(n - c + 1) + gammaln(whole - c + 1) - gammaln(whole + 1))
        )

    @property
    def count(self) -> int:
        """How many samples are copies of an earlier one."""
        return self.n - len(self.first)


def find_copies(images: npt.NDArray[np.uint8]) -> Copies:
    """Find samples that are the same to the pixel.

    The usual number is the median of how often the different pictures come. Once, where there are no more
    than five of them, as in a feed that froze before the window began.

    Args:
        images: uint8 (N, H, W, C). May be a memory map.

    >>> images = np.arange(8, dtype=np.uint8).repeat(3).reshape(-1, 1, 1, 1)
    >>> sent_thrice = find_copies(images)
    >>> sent_thrice.count, len(sent_thrice.weighed), sent_thrice.frozen
    (16, 8, 0)
    >>> frozen = find_copies(np.concatenate([images, images[:1].repeat(30, axis=0)]))
    >>> frozen.count, len(frozen.weighed), frozen.frozen
    (46, 40, 33)
    """
    digests = [
        blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        for part in in_parts(images)
        for image in part
    ]
    places: dict[bytes, int] = {}
    picture = np.array([places.setdefault(digest, len(places)) for digest in digests], dtype=np.int64)
    _, first, times = np.unique(picture, return_index=True, return_counts=True)
    usual = np.median(times) if len(times) > _OFTEN else 1
    frozen = times > _OFTEN * usual
    is_first = np.zeros(len(picture), dtype=bool)
    is_first[first] = True
    return Copies(
        n=len(picture),
        first=first.astype(np.int64),
        weighed=np.flatnonzero(is_first | frozen[picture]),
        frozen=int(times[frozen].max(initial=0)),
        stuck=int(first[np.argmax(times)]) if frozen.any() else 0,
    )
