"""Chosen bands of a TIFF: channels of a microscope, a spectral camera's bands, pages that are one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from driftloop.data.codecs import TIFF
from driftloop.data.deep import WHOLE, Deep, depth_of, white_is_zero
from driftloop.errors import DataError

_MOST_PAGES = 10_000
_PALETTE = 3


def read_bands(stream: BinaryIO, name: str, bands: Sequence[int], most: int) -> Deep | Image.Image:
    """Return the chosen bands, counted from 0 through all samples of a page and then through the pages.

    Only the file's own pages are read: OME's metadata may name other files, and is not followed.

    Args:
        stream: the file.
        name: what messages call it.
        bands: one for grey, three for colour.
        most: so many pixels at most.

    Raises:
        DataError: it is no TIFF, lacks a band, or cannot be unpacked.
    """
    if stream.read(4) not in TIFF:
        raise DataError(
            f"{name} is no TIFF, and dataset.bands is set. Save it as TIFF, or as the others are."
        )
    stream.seek(0)
    if find_spec("tifffile") is None:
        raise DataError(f"{name}: dataset.bands needs tifffile: pip install 'driftloop[tiff]'.")
    tifffile: Any = import_module("tifffile")

    with tifffile.TiffFile(stream) as file:
        found = dict(_planes(file, name, bands, most))
        tags = {tag.code: tag.value for tag in file.pages[0].tags}
        if len(found) < len(set(bands)):
            n = sum(int(page.samplesperpixel) for page in file.pages)
            raise DataError(
                f"{name} has {n} bands, 0 to {n - 1}; dataset.bands asks for {max(bands)}. Choose among them."
            )
    planes = [found[band] for band in bands]
    if len({(plane.shape, plane.dtype) for plane in planes}) > 1:
        raise DataError(
            f"{name}: its bands {list(bands)} differ in size or type. Choose such as belong together."
        )
    values = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
    if values.dtype == np.uint8:
        return Image.fromarray(255 - values if white_is_zero(tags) else values)
    if values.dtype.kind not in "uif" or values.ndim - (len(planes) > 1) != 2:
        raise DataError(f"{name} has pixels of type {values.dtype}. Save it with 8 or 16 bits a band.")
    return Deep(values, depth_of(tags), WHOLE if values.dtype == np.uint16 else None, white_is_zero(tags))


def _planes(file: Any, name: str, bands: Sequence[int], most: int) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield each band that is asked for, with its number; of a page without any nothing is unpacked."""
    first = 0
    for number, page in enumerate(file.pages):
        if number > _MOST_PAGES or first > max(bands):
            return
        wanted = [band for band in bands if first <= band < first + page.samplesperpixel]
        if wanted:
            if page.imagewidth * page.imagelength * page.imagedepth > most:
                raise DataError(f"{name} claims too many pixels; at most {most:,} are read.")
            if page.photometric == _PALETTE:
                raise DataError(f"{name} has a palette and no bands. Save it as RGB.")
            pixels = _unpacked(page, name)
            if page.axes not in ("YX", "YXS", "SYX"):
                raise DataError(f"{name} has a page with the axes {page.axes}. Save flat pages alone.")
            last = {"YX": pixels[..., None], "SYX": np.moveaxis(pixels, 0, -1)}.get(page.axes, pixels)
            yield from ((band, last[..., band - first]) for band in dict.fromkeys(wanted))
        first += page.samplesperpixel


def _unpacked(page: Any, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(page.asarray())
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise DataError(
            f"{name} is packed in a way that needs one more package ({error}): pip install imagecodecs; "
            "or save it unpacked."
        ) from error
