"""One picture, made to fit the form that a model takes, by a stated policy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from driftloop.data.decode import decode
from driftloop.errors import DataError, ParameterError

FITS = ("refuse", "crop", "pad", "stretch")
BACKGROUNDS = ("white", "black")
INTERPOLATIONS = tuple(each.name.lower() for each in Image.Resampling)


@dataclass(frozen=True)
class Form:
    """What every picture is made into.

    Attributes:
        shape: (H, W, C), C 1 or 3.
        fit: what happens to a picture of another proportion. `refuse` leaves it out. `crop` scales it until
            it covers the wanted size and cuts the centre out. `pad` scales it until it fits inside, on
            black. `stretch` distorts it.
        background: what lies behind transparent pixels. None refuses them.
        interpolation: how pixels are resized, by Pillow's name. Always with antialiasing, but for `nearest`.
        crop: the share of each side that is kept, as torchvision and timm do it: the picture is resized to
            the wanted sides divided by it, and the centre is cut out. None cuts nothing but what `fit` says.
        levels: the values that become black and white where a picture has more than 8 bits and its file does
            not say them; of DICOM, also instead of the file's window. None: all that its type can hold.
        bands: which bands of a TIFF are taken, from 0: one for grey, three for colour. None for all.

    Raises:
        ParameterError: a value is out of range.
    """

    shape: tuple[int, int, int]
    fit: str = "refuse"
    background: str | None = None
    interpolation: str = "bicubic"
    crop: float | None = None
    levels: tuple[float, float] | None = None
    bands: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        height, width, channels = self.shape
        if min(height, width) < 8 or max(height, width) > 4096 or channels not in (1, 3):
            raise ParameterError(
                f"images of {height} x {width} with {channels} channels: the sides lie between 8 and 4096 "
                "pixels, and channels are 1 (grey) or 3 (colour)."
            )
        if self.fit not in FITS:
            raise ParameterError(f"fit is {self.fit!r}; it is one of {', '.join(FITS)}.")
        if self.background not in (None, *BACKGROUNDS):
            raise ParameterError(
                f"background is {self.background!r}; it is one of {', '.join(BACKGROUNDS)}, or null."
            )
        if self.interpolation not in INTERPOLATIONS:
            raise ParameterError(
                f"interpolation is {self.interpolation!r}; it is one of {', '.join(INTERPOLATIONS)}."
            )
        _check_reading(self.levels, self.bands)
        if self.crop is None:
            return
        if not isinstance(self.crop, int | float) or not 0.1 <= self.crop <= 1:
            raise ParameterError(
                f"crop is {self.crop!r}; it is the share of each side that is kept, from 0.1 to 1, or null."
            )
        if self.fit == "pad":
            raise ParameterError("fit is pad and crop is set; what is padded is not cut. Set crop: null.")

    def cut_off(self, width: int, height: int) -> float:
        """Return the share of a picture of this size that is cut off, from 0 to 1."""
        wanted = (self.shape[1], self.shape[0])
        if self.fit == "pad" or (self.crop is None and self.fit != "crop"):
            return 0.0
        if self.fit != "crop":
            return 1 - float(self.crop or 1) ** 2
        scale = max(wanted[0] / width, wanted[1] / height) / (self.crop or 1)
        return max(0.0, 1 - wanted[0] * wanted[1] / (scale * scale * width * height))


@dataclass(frozen=True)
class Look:
    """What a picture is before it is made to fit.

    Attributes:
        width: in pixels, upright.
        height: in pixels, upright.
        grey: whether it has no colour.
        transparent: whether something shows through.
        extremes: its lowest and highest value, where it has more than 8 bits and does not say its levels.
        windowed: whether it says how it is to be shown, as DICOM can.
    """

    width: int
    height: int
    grey: bool
    transparent: bool
    extremes: tuple[float, float] | None = None
    windowed: bool = False


def read_picture(
    source: Path | BinaryIO, name: str, form: Form, changes: Counter[str]
) -> npt.NDArray[np.uint8]:
    """Read a picture and make it fit.

    It is turned as its EXIF orientation says. More than 8 bits are brought to 8 by one scale for all pictures
    (`driftloop.data.deep`). Palette, CMYK and the like become RGB without colour profiles. Colour turns to
    grey (ITU-R 601 luma) or grey is repeated to colour. Sides are resized with antialiasing. What would need
    a guess is refused: animation, pixels of unknown range, and what `form` does not settle.

    Args:
        source: the file.
        name: what messages call it.
        form: what it is made into.
        changes: counts what was done, by a sentence that follows the number.

    Returns:
        uint8 of the form's shape.

    Raises:
        DataError: it cannot be read or made to fit.
    """
    height, width, channels = form.shape
    decoded = decode(source, name, changes, levels=form.levels, bands=form.bands)
    upright = _flatten(decoded.picture, name, form.background, changes)
    mode = "L" if channels == 1 else "RGB"
    if upright.mode != mode:
        changes[
            "pictures turned from colour to grey" if mode == "L" else "grey pictures repeated to colour"
        ] += 1
        upright = upright.convert(mode)
    if upright.size != (width, height) or form.crop is not None:
        upright = _resize(upright, name, form, changes)
    return np.asarray(upright, dtype=np.uint8).reshape(form.shape)


def look_at(
    source: Path | BinaryIO,
    name: str,
    levels: tuple[float, float] | None = None,
    bands: tuple[int, ...] | None = None,
) -> Look:
    """Read a picture and say what it is. `levels` and `bands` as in `Form`.

    Raises:
        DataError: it cannot be read.
    """
    decoded = decode(source, name, Counter(), levels=levels, bands=bands, guess=True)
    picture = decoded.picture
    transparent = picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255)
    if picture.mode == "L":
        grey = True
    else:
        red, green, blue = (np.asarray(band, np.int16) for band in picture.convert("RGB").split())
        grey = bool(max(np.abs(red - green).max(), np.abs(green - blue).max()) <= 2)
    return Look(picture.width, picture.height, grey, transparent, decoded.extremes, decoded.windowed)


def notes(changes: Counter[str]) -> tuple[str, ...]:
    """Return what was done to pictures, a line each."""
    return tuple(f"{count:,} {change}" for change, count in changes.items() if count)


def regular(path: Path) -> Path:
    """Return the path of a regular file. A pipe or a device would make its reader wait for ever.

    Raises:
        DataError: it is none.
    """
    try:
        is_regular = path.is_file()
    except (OSError, ValueError) as error:
        raise DataError(f"{path!s} cannot be read ({getattr(error, 'strerror', error)}).") from error
    if not is_regular:
        raise DataError(f"{path} is not a regular file." if path.exists() else f"{path} does not exist.")
    return path


def _check_reading(levels: object, bands: object) -> None:
    numbers = levels if isinstance(levels, tuple) else ()
    if levels is not None and not (
        len(numbers) == 2 and all(type(each) in (int, float) for each in numbers) and numbers[0] < numbers[1]
    ):
        raise ParameterError(
            f"levels is {levels!r}; it is the value that becomes black and the one that becomes white, "
            "such as [0, 4095], or null."
        )
    chosen = bands if isinstance(bands, tuple) else ()
    if bands is not None and not (
        len(chosen) in (1, 3) and all(type(each) is int and 0 <= each < 10_000 for each in chosen)
    ):
        raise ParameterError(f"bands is {bands!r}; it is [0] for grey, three such as [2, 1, 0], or null.")


def _flatten(picture: Image.Image, name: str, background: str | None, changes: Counter[str]) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    if picture.getchannel("A").getextrema() != (255, 255):
        if background is None:
            raise DataError(
                f"{name} has transparent pixels. Put it on the background you mean and save it again."
            )
        changes[f"pictures put on {background}"] += 1
        behind = Image.new("RGBA", picture.size, background)
        picture = Image.alpha_composite(behind, picture)
    return picture.convert("RGB")


def _resize(picture: Image.Image, name: str, form: Form, changes: Counter[str]) -> Image.Image:
    """Return the picture in the wanted size, its proportion dealt with as the form says."""
    size = form.shape[1], form.shape[0]
    wanted = f"{size[0]} x {size[1]}"
    method = Image.Resampling[form.interpolation.upper()]
    same = _same_proportion(picture.size, size)
    if form.fit == "refuse" and not same:
        raise DataError(
            f"{name} is {picture.width} x {picture.height} pixels; the model takes {wanted}, and "
            "stretching would distort it. Crop it, or set dataset.fit: crop, pad or stretch."
        )
    if form.crop is not None:
        changes[f"pictures cropped to {wanted}"] += 1
        return _cut_centre(picture, size, form.crop, method, whole=form.fit == "stretch")
    if same or form.fit == "stretch":
        changes[f"pictures resized to {wanted}"] += 1
        return picture.resize(size, method)
    if form.fit == "crop":
        changes[f"pictures cropped to {wanted}"] += 1
        return ImageOps.fit(picture, size, method)
    changes[f"pictures padded to {wanted}"] += 1
    return ImageOps.pad(picture, size, method)


def _cut_centre(
    picture: Image.Image, size: tuple[int, int], crop: float, method: Image.Resampling, *, whole: bool
) -> Image.Image:
    """Resize a picture to cover `size / crop` (`whole`: to be just that), and cut `size` out of its centre.

    Rounds as torchvision's Resize and CenterCrop do, so that a model sees what it was trained on.
    """
    # A little more, since 224 / (224 / 232) is not quite 232.
    across, down = (int(side / crop + 1e-6) for side in size)
    if not whole:
        if across * picture.height >= down * picture.width:
            down = max(down, int(across * picture.height / picture.width))
        else:
            across = max(across, int(down * picture.width / picture.height))
    resized = picture.resize((across, down), method)
    left, top = round((across - size[0]) / 2), round((down - size[1]) / 2)
    return resized.crop((left, top, left + size[0], top + size[1]))


def _same_proportion(size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Tell whether two proportions differ by no more than the rounding of a pixel."""
    scale = min(size[0] / wanted[0], size[1] / wanted[1])
    return max(abs(size[0] - scale * wanted[0]), abs(size[1] - scale * wanted[1])) <= max(1, scale)
