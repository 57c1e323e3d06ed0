"""A person's own images, read into the form that a model takes, by a policy that invents no pixel."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from driftloop.errors import DataError
from driftloop.files import read_array

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpg", ".jpeg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_PIXELS = 50_000_000


@dataclass(frozen=True)
class NamedImages:
    """Images, and where each one came from.

    Attributes:
        images: uint8 (N, H, W, C).
        names: N names: the path of a picture, or the path of an array with the position in it.
        notes: what was done to them or left out, one line each; worth telling the person.
    """

    images: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_images(paths: Iterable[Path], shape: tuple[int, int, int]) -> NamedImages:
    """Read pictures, folders of pictures and `.npy` arrays as images of one shape.

    A folder stands for the pictures right inside it, in the order of their names, or for its `images.npy`
    when it has one (a window or a dataset). Arrays have to fit exactly. Pictures are made to fit: turned
    as their EXIF orientation says; 16-bit grey scaled to 8 bits; palette, CMYK and the like converted to
    RGB without colour profiles; colour turned to grey (ITU-R 601 luma) or grey repeated to colour;
    resized with antialiasing when the sides have the right proportion. What would need a guess is refused:
    transparency, animation, another proportion, floating-point pixels.

    Args:
        paths: pictures, folders and arrays.
        shape: (H, W, C) of the wanted images, C 1 or 3.

    Raises:
        DataError: nothing is there, or something cannot be read or made to fit.
    """
    images: list[npt.NDArray[np.uint8]] = []
    names: list[str] = []
    changes: dict[str, int] = {}
    for path in _expand(paths, changes):
        if path.suffix == ".npy":
            array = _read_npy(path, shape)
            names += [f"{path}[{position}]" for position in range(len(array))]
        else:
            array = _read_picture(path, shape, changes)[None]
            names.append(str(path))
        images.append(array)
    if not names:
        raise DataError("there are no images to read. Give pictures, a folder of pictures, or .npy arrays.")
    notes = tuple(f"{count} {change}" for change, count in changes.items())
    return NamedImages(np.concatenate(images), tuple(names), notes)


def _expand(paths: Iterable[Path], changes: dict[str, int]) -> Iterator[Path]:
    """Replace folders by what stands in them; refuse what is no regular file."""
    for path in paths:
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else None
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}).") from error
        if inside is None:
            yield _regular(path)
        elif (path / "images.npy").is_file():
            yield path / "images.npy"
        else:
            pictures = [file for file in inside if file.suffix.lower() in SUFFIXES]
            if not pictures:
                raise DataError(
                    f"there is no picture right inside {path}; known are "
                    f"{', '.join(SUFFIXES)} and images.npy."
                )
            _count(changes, f"other files or folders in {path} left out", len(inside) - len(pictures))
            yield from map(_regular, pictures)


def _regular(path: Path) -> Path:
    try:
        is_regular = path.is_file()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    if not is_regular:
        # A pipe or a device would make the reader wait for ever.
        raise DataError(f"{path} is not a regular file." if path.exists() else f"{path} does not exist.")
    return path


def _count(changes: dict[str, int], change: str, count: int = 1) -> None:
    if count:
        changes[change] = changes.get(change, 0) + count


def _read_npy(path: Path, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    array = read_array(path, mmap=True)
    if array.dtype == np.uint8 and array.ndim == 3 and shape[2] == 1:
        array = array[..., None]
    if array.dtype != np.uint8 or array.shape[1:] != shape:
        raise DataError(
            f"{path} is {array.dtype} {array.shape}; the model takes uint8 (N, {', '.join(map(str, shape))})."
        )
    return np.array(array)


def _read_picture(path: Path, shape: tuple[int, int, int], changes: dict[str, int]) -> npt.NDArray[np.uint8]:
    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Pillow warns of what is odd but readable; that is noise here.
            warnings.filterwarnings("ignore", category=UserWarning)
            with Image.open(path, formats=FORMATS) as picture:
                _refuse_unclear(path, picture)
                upright = _eight_bits(path, ImageOps.exif_transpose(picture), picture.format)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"{path} claims too many pixels; at most {MAX_PIXELS:,} are read.") from error
    except DataError:
        raise
    except Exception as error:  # Pillow raises almost anything on damaged bytes
        raise DataError(f"{path} is not a readable picture ({error}).") from error
    if upright.mode != mode:
        _count(
            changes,
            "pictures turned from colour to grey" if mode == "L" else "grey pictures repeated to colour",
        )
        upright = upright.convert(mode)
    if upright.size != (width, height):
        _refuse_proportion(path, upright.size, (width, height))
        _count(changes, f"pictures resized to {width} x {height}")
        upright = upright.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(upright, dtype=np.uint8).reshape(shape)


def _refuse_unclear(path: Path, picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    # The second frame of a phone's MPO photo is a preview or a depth map.
    if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":
        raise DataError(
            f"{path} has {getattr(picture, 'n_frames', 1)} frames. Save the one you mean by itself."
        )


def _eight_bits(path: Path, picture: Image.Image, form: str | None) -> Image.Image:
    """Return the picture as 8-bit grey (`L`) or colour (`RGB`)."""
    if picture.mode in ("F", "I") and not (picture.mode == "I" and form == "PNG"):
        raise DataError(
            f"{path} has pixels of type {picture.mode}, whose range is unknown. Save it with 8 bits."
        )
    if picture.mode.startswith("I"):
        levels = np.asarray(picture).astype(np.float64)
        return Image.fromarray(np.rint(levels / 257).astype(np.uint8))
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):
            raise DataError(
                f"{path} has transparent pixels. Put it on the background you mean and save it again."
            )
        return rgba.convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _refuse_proportion(path: Path, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Refuse sides whose proportion is off by more than the rounding of a pixel."""
    scale = min(size[0] / wanted[0], size[1] / wanted[1])
    if max(abs(size[0] - scale * wanted[0]), abs(size[1] - scale * wanted[1])) > max(1, scale):
        raise DataError(
            f"{path} is {size[0]} x {size[1]} pixels; the model takes {wanted[0]} x {wanted[1]}, and "
            "stretching would distort it. Crop it to that proportion."
        )
