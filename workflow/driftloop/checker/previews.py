"""What a reviewer can be shown before deciding: how each corruption looks, and what a filter would undo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.checker.likeness import rank_likeness

Images = npt.NDArray[np.uint8]
SMALLEST_SIDE = 8
"""Corruptions are not defined for smaller images."""

_SIDE = 64
_COMPARED = 128
_PAIRS = 256
_EXAMPLES = 12
_SKETCHED = 3


@dataclass(frozen=True)
class Preview:
    """One corruption, as it may be shown beside a window's samples.

    Attributes:
        name: of the corruption.
        distance: how far usual images corrupted that way are from the strange ones, see `rank_likeness`.
        examples: uint8 (k, h, w, C), the first k reference images corrupted that way, thinned out.
        filtered: uint8 (P, h, w, C), the picked samples through a sketch of a filter against it, thinned
            out. None where none was sketched.
        removed: the share of the squared difference that the corruption makes to usual images, and that
            the sketch takes out of those it did not learn from. At most 1. None where none was sketched.
    """

    name: str
    distance: float
    examples: Images
    filtered: Images | None = None
    removed: float | None = None


def make_previews(
    picked: Images,
    strange: Sequence[int],
    reference: Images,
    names: Sequence[str],
    corrupt: Callable[[Images, str], Images],
    *,
    undoable: Callable[[str], bool],
    seed: int,
) -> list[Preview]:
    """Return every corruption, likeliest first. With a sketched filter the likeliest that one can undo.

    Args:
        picked: uint8 (P, H, W, C), the samples that the reviewer is asked about.
        strange: places among them of those that were picked for being strange.
        reference: uint8 (N, H, W, C), images as the model knows them.
        names: the corruptions.
        corrupt: corrupts images in the named way.
        undoable: whether a filter can undo the named one.
        seed: of the sketches.

    Returns:
        Nothing where no sample is strange, or images are too small to be corrupted.
    """
    if not len(strange) or len(reference) < 2 or min(picked.shape[1:3]) < SMALLEST_SIDE:
        return []
    picked, reference = thin(picked), thin(reference[:_PAIRS])
    previews = []
    sketched = 0
    for like in rank_likeness(picked[list(strange)], reference[:_COMPARED], names, corrupt):
        filtered, removed = None, None
        if sketched < _SKETCHED and undoable(like.name):
            filtered, removed = _try_filter(picked, reference, corrupt(reference, like.name), seed)
            sketched += 1
        previews.append(Preview(like.name, like.distance, like.examples[:_EXAMPLES], filtered, removed))
    return previews


def thin(images: Images) -> Images:
    """Leave rows and columns out until no side is above 64: what noise does to a pixel stays as it is.

    Of elongated images the short side stays long enough to be corrupted.
    """
    step = max(1, min(-(-max(images.shape[1:3]) // _SIDE), min(images.shape[1:3]) // SMALLEST_SIDE))
    return np.ascontiguousarray(images[:, ::step, ::step])


def _try_filter(picked: Images, clean: Images, corrupted: Images, seed: int) -> tuple[Images, float]:
    """Sketch a filter from four fifths of the pairs. Return the picks through it, and what it removes."""
    from driftloop.checker.sketch import sketch_filter  # loads scipy, which the review has no time for

    known = max(1, 4 * len(clean) // 5)
    sketch = sketch_filter(corrupted[:known], clean[:known], seed=seed)
    before = _error(corrupted[known:], clean[known:])
    after = _error(sketch(corrupted[known:]), clean[known:])
    return sketch(picked), 1 - after / max(before, 1e-9)


def _error(images: Images, clean: Images) -> float:
    return float(np.square(images.astype(np.float32) - clean).mean())
