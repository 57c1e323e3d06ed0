"""A picture file as pixels of 8 bits: grey, colour, or colour with alpha, whatever the file holds."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from driftloop.data.codecs import CODECS, DICOM, HEAD, JPEG_XL, TIFF, Codec, make_ready, recognise
from driftloop.data.deep import ORIENTATION, Deep, Range, deep_pixels, to_eight_bits
from driftloop.errors import DataError

MAX_PIXELS = 50_000_000


@dataclass(frozen=True)
class Decoded:
    """A picture.

    Attributes:
        picture: upright, of mode `L`, `RGB` or `RGBA`.
        extremes: the lowest and highest value, where the file has more than 8 bits and does not say what is
            black and white.
        windowed: whether the file says how it is to be shown, as DICOM can.
    """

    picture: Image.Image
    extremes: Range | None = None
    windowed: bool = False


def decode(
    source: Path | BinaryIO,
    name: str,
    changes: Counter[str],
    *,
    levels: Range | None = None,
    bands: Sequence[int] | None = None,
    guess: bool = False,
) -> Decoded:
    """Read a picture.

    Args:
        source: the file.
        name: what messages call it.
        changes: counts what was done, by a sentence that follows the number.
        levels: what is black and white where a file of more than 8 bits does not say it.
        bands: which bands of a TIFF are taken, from 0: one for grey, three for colour. None for all.
        guess: whether what nobody says is taken from the picture itself: to look at it, never to use it.

    Raises:
        DataError: it cannot be read.
    """
    head = b""
    try:
        with warnings.catch_warnings(), ExitStack() as files:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Pillow and pydicom warn of what is odd but readable; that is noise here.
            warnings.filterwarnings("ignore", category=UserWarning)
            stream = files.enter_context(source.open("rb")) if isinstance(source, Path) else source
            stream.seek(0)
            head = stream.read(HEAD)
            stream.seek(0)
            codec = recognise(head)
            if codec is not None:
                make_ready(codec, name)
            if codec is DICOM:
                from driftloop.data.dicom import read_dicom

                found: Deep | Image.Image = read_dicom(stream, name, MAX_PIXELS)
            elif bands is not None:
                from driftloop.data.bands import read_bands

                found = read_bands(stream, name, bands, MAX_PIXELS)
            else:
                found = _open(stream, name, codec)
            if isinstance(found, Image.Image):
                return Decoded(_plain(found))
            given = found.extremes if guess and levels is None else levels
            picture = _upright(to_eight_bits(found, name, given, changes), found.orientation)
            return Decoded(picture, found.extremes, found.windowed)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"{name} claims too many pixels; at most {MAX_PIXELS:,} are read.") from error
    except UnidentifiedImageError as error:
        if bands is None and head[:4] in TIFF:
            raise DataError(
                f"{name} is a TIFF whose bands do not say what they are, or damaged. dataset.bands=[0] takes "
                "one of them as grey, three numbers take colour. Or save it anew, as PNG."
            ) from error
        raise DataError(f"{name} is not a readable picture. Save it anew, as PNG or JPEG.") from error
    except DataError:
        raise
    except Exception as error:  # Pillow raises almost anything on damaged bytes
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name} is not a readable picture ({why}). Save it anew, as PNG or JPEG.") from error


def _open(stream: BinaryIO, name: str, codec: Codec | None) -> Deep | Image.Image:
    orientation = 1
    if codec is JPEG_XL:
        from driftloop.data.jxl import orientation_of

        orientation = orientation_of(stream.read(1 << 16), name, MAX_PIXELS)
        stream.seek(0)
    formats = [each.pillow for each in CODECS if each.pillow and (codec is each or each.module is None)]
    Image.init()
    picture = Image.open(stream, formats=[each for each in formats if each in Image.OPEN])
    if picture.width * picture.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    # The second frame of a phone's MPO photo is a preview or a depth map.
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        hint = " If they are one picture's bands, say which: dataset.bands=[0,1,2]."
        raise DataError(
            f"{name} has {frames} frames. Save the one you mean by itself."
            f"{hint if picture.format == 'TIFF' else ''}"
        )
    if codec is JPEG_XL:
        _forget_exif(picture, orientation)
    deep = deep_pixels(picture, name, stream)
    return ImageOps.exif_transpose(picture) if deep is None else deep


def _forget_exif(picture: Image.Image, orientation: int) -> None:
    """Turn a JPEG XL as its header says: its library has done so, unless it was a JPEG once."""
    picture.info = {key: value for key, value in picture.info.items() if key not in ("exif", "xmp")}
    picture.getexif()[ORIENTATION] = orientation if getattr(picture, "jpeg", False) else 1


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    picture.getexif()[ORIENTATION] = orientation
    return ImageOps.exif_transpose(picture)


def _plain(picture: Image.Image) -> Image.Image:
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")
