"""Pixels of more than 8 bits, brought to 8 by one scale for all pictures, never by a picture's own range."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from driftloop.errors import DataError

Range = tuple[float, float]
WHOLE: Range = (0.0, 65535.0)
"""All that a word of 16 bits holds."""
_DARK = 8192
"""A picture of 16 bits that stays below is likely to have fewer bits in its words."""
ORIENTATION = 0x0112
"""EXIF's number for how a picture is to be turned."""

_PHOTOMETRIC, _BITS, _DESCRIPTION, _MOST, _MOST_TYPED = 262, 258, 270, 281, 341
_PLANAR, _APART = 284, 2
_OME_BITS = re.compile(r"SignificantBits=[\"'](\d{1,2})[\"']")


@dataclass(frozen=True)
class Deep:
    """Pixels as a file holds them.

    Attributes:
        values: WHOLE numbers or floats (H, W), or (H, W, C) with C 3 or 4.
        tagged: what is black and what is white, where the file says so.
        otherwise: what it is where neither the file nor the parameters say it. None where that is unknown.
        inverted: whether the lowest value is white.
        windowed: whether `otherwise` is how the file wants to be shown, so that much may lie beyond it.
        orientation: how it is to be turned, as EXIF has it.
    """

    values: npt.NDArray[Any]
    tagged: Range | None
    otherwise: Range | None
    inverted: bool = False
    windowed: bool = False
    orientation: int = 1

    @property
    def extremes(self) -> Range | None:
        """The lowest and the highest value, where levels have to be found for it."""
        if self.tagged is not None or self.windowed:
            return None
        return float(self.colours.min()), float(self.colours.max())

    @property
    def colours(self) -> npt.NDArray[Any]:
        """The values without an alpha channel."""
        return self.values[..., :3] if self.values.ndim == 3 else self.values


def to_eight_bits(deep: Deep, name: str, levels: Range | None, changes: Counter[str]) -> Image.Image:
    """Return the picture with 8 bits: black is 0, white is 255, what lies beyond is cut and counted.

    Raises:
        DataError: nobody says what is black and white, or a pixel is no number.
    """
    scale = deep.tagged or levels or deep.otherwise
    if scale is None:
        raise DataError(
            f"{name} has pixels of type {deep.values.dtype}, whose range is unknown. Say what is black and "
            "what is white, dataset.levels=[BLACK, WHITE], or save it with 8 bits."
        )
    black, white = scale
    if not np.isfinite(deep.colours).all():
        raise DataError(f"{name} has pixels that are no numbers. Mend it, or save it with 8 bits.")
    beyond = deep.colours.min() < black or deep.colours.max() > white
    if scale is deep.tagged and (black, white) != WHOLE:
        changes[f"pictures scaled from {black:g} to {white:g}, as their files say"] += 1
    if beyond and not (deep.windowed and scale is deep.otherwise):
        whose = "dataset.levels" if scale is levels else "what their files say"
        changes[f"pictures have values beyond {whose} ({black:g} to {white:g}), which are cut"] += 1
    if scale is WHOLE and levels is None and deep.tagged is None and deep.colours.max() < _DARK:
        changes["pictures of 16 bits are nearly black: dataset.levels says which value is white"] += 1
    levels_of_grey = (deep.values.astype(np.float64) - black) / ((white - black) or 1) * 255
    grey = np.rint(levels_of_grey).clip(0, 255).astype(np.uint8)
    return Image.fromarray(255 - grey if deep.inverted else grey)


def deep_pixels(picture: Image.Image, name: str, stream: BinaryIO) -> Deep | None:
    """Return the pixels of an opened picture that has more than 8 bits. None where it has no more.

    Args:
        picture: just opened from `stream`, not loaded yet.
        name: what messages call it.
        stream: the file. Pillow keeps one of the two bytes of 16-bit colour: it is read for each of them.

    Raises:
        DataError: they cannot be had.
    """
    tags: Mapping[int, Any] = picture.tag_v2 if picture.format == "TIFF" else {}  # type: ignore[attr-defined]
    raw, deep = _raw_mode(picture), _grey(picture, tags)
    bits = max(_numbers(tags.get(_BITS, 8)), default=8)
    if deep is None and bits > 8 and (tags.get(_PLANAR) == _APART or ";16" not in raw):
        # Pillow takes each byte of these for a pixel, or keeps but one of the two.
        raise DataError(
            f"{name} has its bands one after another, {bits:g} bits each. "
            "Say which they are: dataset.bands=[0,1,2]; or save it with 8 bits."
        )
    if deep is None and ";16" in raw:
        if picture.mode not in ("RGB", "RGBA") or raw.startswith("LA"):
            raise DataError(f"{name} has 16 bits and is {raw}. Save it as grey or RGB, or with 8 bits.")
        return _both_bytes(picture, raw, stream, depth_of(tags))
    # Asked for first, some formats would unpack their pixels for it.
    return deep and replace(deep, orientation=picture.getexif().get(ORIENTATION, 1))


def _grey(picture: Image.Image, tags: Mapping[int, Any]) -> Deep | None:
    if picture.mode.startswith("I;16"):
        known = depth_of(tags) or (WHOLE if picture.format == "HEIF" else None)
        return Deep(np.asarray(picture), known, WHOLE, white_is_zero(tags))
    if picture.mode == "I":
        # Pillow scales a PGM to 16 bits by its header's highest value.
        tagged = WHOLE if picture.format == "PPM" else None
        return Deep(
            np.asarray(picture), tagged, WHOLE if picture.format == "PNG" else None, white_is_zero(tags)
        )
    if picture.mode == "F":
        return Deep(np.asarray(picture), None, None, white_is_zero(tags))
    return None


def depth_of(tags: Mapping[int, Any]) -> Range | None:
    """Return black and white as a TIFF's tags have them. None where they say no more than the type does.

    That is BitsPerSample where it is no full word, OME's SignificantBits, or MaxSampleValue. The standard
    means the latter for statistics: only 2^n - 1 is a depth, anything else is one picture's own maximum.
    """
    bits = max(_numbers(tags.get(_BITS, 16)), default=16)
    if 8 < bits < 16:
        return 0.0, float(2**bits - 1)
    said = _OME_BITS.search(str(tags.get(_DESCRIPTION, ""))[:10_000])
    if said and 8 <= int(said[1]) <= 16:
        return 0.0, float(2 ** int(said[1]) - 1)
    most = max((n for tag in (_MOST, _MOST_TYPED) for n in _numbers(tags.get(tag, 0))), default=0)
    if most in [2**n - 1 for n in range(8, 16)]:
        return 0.0, float(most)
    return None


def white_is_zero(tags: Mapping[int, Any]) -> bool:
    """Tell whether a TIFF's lowest value is white. Pillow turns that round at 8 bits and fewer alone."""
    return bool(_numbers(tags.get(_PHOTOMETRIC, 1))[:1] == [0])


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, tuple | list) else [value]
    return [float(each) for each in values if isinstance(each, int | float)]


def _both_bytes(picture: Image.Image, raw: str, stream: BinaryIO, tagged: Range | None) -> Deep:
    """Return 16-bit colour, uint16 (H, W, C): Pillow's `;16B` keeps the first byte, `;16L` the second."""
    bands, orientation = [], 1
    for order in "BL":
        stream.seek(0)
        with Image.open(stream, formats=[str(picture.format)]) as again:
            again.tile = [tile._replace(args=_in_order(tile.args, order)) for tile in again.tile]
            bands.append(np.asarray(again).astype(np.uint16))
            orientation = again.getexif().get(ORIENTATION, 1)
    is_big = raw.endswith("B") or (raw.endswith("N") and sys.byteorder == "big")
    high, low = bands if is_big else reversed(bands)
    return Deep(high * np.uint16(256) + low, tagged, WHOLE, orientation=orientation)


def _raw_mode(picture: Image.Image) -> str:
    """Return how the bytes of an opened picture lie, by Pillow's name. Nothing where it does not say."""
    args = picture.tile[0].args if picture.tile else ""  # type: ignore[attr-defined]
    return str(args if isinstance(args, str) or not args else args[0])


def _in_order(args: Any, order: str) -> Any:
    if isinstance(args, str):
        return re.sub(";16[BLN]", f";16{order}", args)
    return (_in_order(args[0], order), *args[1:])
