"""Images that are named on the command line, read into the form that a model takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from driftloop.data.codecs import SUFFIXES
from driftloop.data.pictures import Form, notes, read_picture, regular
from driftloop.errors import DataError
from driftloop.files import read_array


@dataclass(frozen=True)
class NamedImages:
    """Images, and where each one came from.

    Attributes:
        images: uint8 (N, H, W, C).
        names: N names: the path of a picture, or the path of an array with the position in it.
        notes: what was done to them, one line each. Worth telling the person.
        left_out: what is wrong with each picture of a folder that cannot be used.
    """

    images: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def read_images(paths: Iterable[Path], form: Form) -> NamedImages:
    """Read pictures, folders of pictures and `.npy` arrays as images of one form.

    A folder stands for the pictures right inside it, in the order of their names and without hidden ones, or
    for its `images.npy` when it has one (a window or a dataset). Arrays have to fit exactly. Pictures are
    made to fit, see `driftloop.data.pictures.read_picture`. What would need a guess is refused: animation,
    floating-point pixels, and, where the form does not say what becomes of them, transparency and another
    proportion. A picture that was not named itself, but its folder, is left out instead.

    Args:
        paths: pictures, folders and arrays.
        form: of the wanted images.

    Raises:
        DataError: nothing is there, or something cannot be read or made to fit.
    """
    images: list[npt.NDArray[np.uint8]] = []
    names: list[str] = []
    left_out: list[str] = []
    changes: Counter[str] = Counter()
    for path, named in _expand(paths, changes):
        try:
            if path.suffix.lower() == ".npy":
                array = read_stack(path, form.shape)
                names += [f"{path}[{position}]" for position in range(len(array))]
            else:
                array = read_picture(regular(path), str(path), form, changes)[None]
                names.append(str(path))
        except DataError as error:
            if named:
                raise
            left_out.append(str(error))
            continue
        images.append(array)
    if not names:
        raise DataError(
            left_out[0]
            if left_out
            else "there are no images to read. Give pictures, a folder of pictures, or .npy arrays."
        )
    # One array alone stays in its file.
    every = images[0] if len(images) == 1 else np.concatenate(images)
    return NamedImages(every, tuple(names), notes(changes), tuple(left_out))


def read_stack(
    path: Path, shape: tuple[int, int, int], stream: BinaryIO | None = None
) -> npt.NDArray[np.uint8]:
    """Read a `.npy` array of images of exactly this shape, or of one such image. It is memory-mapped.

    Args:
        path: of the array.
        shape: (H, W, C) of an image.
        stream: the opened file, where it was opened already.

    Raises:
        DataError: it is missing, damaged, or of another shape or type.
    """
    array: npt.NDArray[np.uint8] = read_array(path, mmap=True, stream=stream)
    if array.dtype == np.uint8:
        if array.shape == shape:
            return array[None]
        if array.shape[1:] == shape:
            return array
        if shape[2] == 1 and array.shape[1:] == shape[:2]:
            return array[..., None]
        if shape[2] == 1 and array.shape == shape[:2]:
            return array[None, ..., None]
    sides = ", ".join(map(str, shape))
    raise DataError(
        f"{path} is {array.dtype} {array.shape}; the model takes uint8 (N, {sides}), or one image ({sides})."
    )


def _expand(paths: Iterable[Path], changes: Counter[str]) -> Iterator[tuple[Path, bool]]:
    """Replace folders by what stands in them. Yield with each file whether it was named itself."""
    for path in paths:
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else None
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}).") from error
        if inside is None:
            yield regular(path), True
        elif (path / "images.npy").is_file():
            yield path / "images.npy", True
        else:
            inside = [file for file in inside if not file.name.startswith(".")]
            pictures = [file for file in inside if file.suffix.lower() in SUFFIXES]
            if not pictures:
                hint = f" Folders in it are not looked into; name them: {path}/*"
                raise DataError(
                    f"there is no picture right inside {path}; known are "
                    f"{', '.join(SUFFIXES)} and images.npy.{hint if any(map(Path.is_dir, inside)) else ''}"
                )
            changes[f"other files or folders in {path} left out"] += len(inside) - len(pictures)
            yield from ((picture, False) for picture in pictures)
