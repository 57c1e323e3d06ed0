"""The images of a window that arrived, whatever it is: pictures, an archive of them, a list, an array."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from driftloop.data.below import Passed, look_below, why_no_picture
from driftloop.data.inbox import LISTS
from driftloop.data.listing import list_pictures
from driftloop.data.packed import members
from driftloop.data.pictures import Form, notes, read_picture
from driftloop.data.read_images import read_stack
from driftloop.errors import DataError
from driftloop.inside import open_inside

_ARRAY = "images.npy"
_BESIDE = {"meta.json", "labels.npy"}
"""What a dataset's folder holds beside its images."""


@dataclass(frozen=True)
class Arrived:
    """The images of a window that arrived.

    Attributes:
        images: uint8 (N, H, W, C).
        names: N names, where each image came from.
        passed: what was left out.
        notes: what was done to the others, a line each.
    """

    images: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    passed: Passed
    notes: tuple[str, ...]


Open = Callable[[], BinaryIO]


def read_window(path: Path, form: Form) -> Arrived:
    """Read the images of a window, and leave out those that cannot be used.

    Arrays must fit exactly. The paths inside an archive are names and nothing more: nothing is unpacked. No
    link is followed, and nothing is read that is not a regular file of the window.

    Raises:
        DataError: nothing in it can be used, or it is damaged as a whole.
    """
    is_folder = path.is_dir() and not path.is_symlink()
    if path.suffix.lower() == ".npy" or (is_folder and (path / _ARRAY).is_file()):
        return _read_array(path, is_folder, form)
    images: list[npt.NDArray[np.uint8]] = []
    names: list[str] = []
    passed, changes = Passed(), Counter[str]()
    for name, opened in _pictures(path, is_folder, passed, changes):
        try:
            with closing(opened()) as stream:
                images.append(read_picture(stream, name, form, changes))
            names.append(name)
        except DataError as error:
            passed.note(name, _reason(name, error))
    if not images:
        raise DataError(f"{path} holds no picture that can be used. {' '.join(passed.lines()[:3])}".rstrip())
    order = _order(path, is_folder, names)
    return Arrived(
        np.stack([images[place] for place in order]),
        tuple(names[place] for place in order),
        passed,
        notes(changes),
    )


def _reason(name: str, error: DataError) -> str:
    """Return what is said of a picture without its name, which stands beside it, nor that of an open file."""
    said = re.sub(r" ?<\S*(?:Buffered|BytesIO|Temporary)[^>]*>", "", str(error))
    return (said.partition(f"{name} ")[2] or said).rstrip(".")


def _read_array(path: Path, is_folder: bool, form: Form) -> Arrived:
    array, passed = (path / _ARRAY if is_folder else path), Passed()
    with open_inside(path.parent, f"{path.name}/{_ARRAY}" if is_folder else path.name) as stream:
        stack = np.array(read_stack(array, form.shape, stream))
    if not len(stack):
        raise DataError(f"{path} holds no images.")
    for name, _ in look_below(path) if is_folder else ():
        if name not in {_ARRAY, *_BESIDE}:
            passed.note(str(path / name), f"lies beside {_ARRAY}, which is the window")
    return Arrived(stack, tuple(map(str, range(len(stack)))), passed, ())


def _order(path: Path, is_folder: bool, names: list[str]) -> list[int]:
    """Return the places of the pictures in their final order: in an archive by name, else as they came."""
    places = list(range(len(names)))
    listed = is_folder or path.name.lower().endswith(LISTS)
    return places if listed else sorted(places, key=names.__getitem__)


def _pictures(
    path: Path, is_folder: bool, passed: Passed, changes: Counter[str]
) -> Iterator[tuple[str, Open]]:
    """Yield each picture's name, and a function that opens it. Note what lies there beside them."""
    if is_folder:
        for name, reason in look_below(path):
            if reason is None:
                yield str(path / name), partial(open_inside, path.parent, f"{path.name}/{name}")
            else:
                passed.note(str(path / name), reason)
        return
    with open_inside(path.parent, path.name) as stream:
        if path.name.lower().endswith(LISTS):
            for name in list_pictures(path, stream, changes):
                yield str(path.parent / name), partial(open_inside, path.parent, name)
            return
        for name, opened in members(str(path), stream):
            if reason := why_no_picture(name):
                passed.note(name, reason)
            else:
                yield name, opened
