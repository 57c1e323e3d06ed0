"""The images of a window that arrived, whatever it is: pictures, an archive of them, a list, an array."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from driftloop.data.inbox import LISTS, SUFFIXES
from driftloop.data.listing import list_pictures
from driftloop.data.pictures import Form, notes, read_picture, regular
from driftloop.data.read_images import read_stack
from driftloop.errors import DataError

_LARGEST_PICTURE = 1 << 28
_MOST_PICTURES = 1_000_000


@dataclass(frozen=True)
class Arrived:
    """The images of a window that arrived.

    Attributes:
        images: uint8 (N, H, W, C).
        names: N names, where each image came from.
        left_out: (name, reason) of those that cannot be used.
        notes: what was done to the others, a line each.
    """

    images: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def read_window(path: Path, form: Form) -> Arrived:
    """Read the images of a window, and leave out those that cannot be used.

    Arrays must fit exactly. The paths inside an archive are names and nothing more: nothing is unpacked.

    Raises:
        DataError: nothing in it can be used, or it is damaged as a whole.
    """
    if path.suffix.lower() == ".npy" or (path / "images.npy").is_file():
        stack = np.array(read_stack(regular(path if path.is_file() else path / "images.npy"), form.shape))
        if not len(stack):
            raise DataError(f"{path} holds no images.")
        return Arrived(stack, tuple(map(str, range(len(stack)))), (), ())
    images: list[npt.NDArray[np.uint8]] = []
    names: list[str] = []
    left_out: list[tuple[str, str]] = []
    changes: Counter[str] = Counter()
    with ExitStack() as stack_of_files:
        for name, opened in _pictures(path, stack_of_files):
            try:
                images.append(read_picture(opened(), name, form, changes))
                names.append(name)
            except DataError as error:
                left_out.append((name, str(error)))
    if not images:
        why = f": {left_out[0][1]}" if left_out else f"; known are {', '.join(SUFFIXES)} and images.npy."
        raise DataError(f"{path} holds no picture that can be used{why}")
    order = _order(path, names)
    return Arrived(
        np.stack([images[place] for place in order]),
        tuple(names[place] for place in order),
        tuple(left_out),
        notes(changes),
    )


def _order(path: Path, names: list[str]) -> list[int]:
    """Return the places of the pictures in their final order: in an archive by name, else as they came."""
    places = list(range(len(names)))
    return sorted(places, key=names.__getitem__) if _is_archive(path) else places


Open = Callable[[], Path | BinaryIO]


def _pictures(path: Path, files: ExitStack) -> Iterator[tuple[str, Open]]:
    """Yield each picture's name, and a function that opens it."""
    if not _is_archive(path):
        listed = _below(path) if path.is_dir() else list_pictures(path)
        for each in listed:
            yield str(each), partial(regular, each)
    else:
        yield from _members(path, files)


def _is_archive(path: Path) -> bool:
    return not path.is_dir() and not path.name.lower().endswith(LISTS)


def _below(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in files if _is_picture(name)]
    return sorted(found)


def _members(path: Path, files: ExitStack) -> Iterator[tuple[str, Open]]:
    """Yield the pictures of an archive in the order in which they lie there.

    To go back in a compressed tar is to unpack it anew.
    """
    try:
        if path.suffix.lower() == ".zip":
            archive = files.enter_context(zipfile.ZipFile(path))
            members: list[tuple[str, int, Any]] = [
                (each.filename, each.file_size, each) for each in archive.infolist()
            ]
            read: Callable[[Any], bytes] = archive.read
        else:
            tar = files.enter_context(tarfile.open(path))  # noqa: SIM115
            members = [(each.name, each.size, each) for each in tar.getmembers() if each.isreg()]
            read = partial(_read_member, tar)
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{path} is damaged or cut short ({error}).") from error
    if len(members) > _MOST_PICTURES:
        raise DataError(f"{path} claims {len(members):,} files; at most {_MOST_PICTURES:,} are read.")
    for name, size, member in members:
        if _is_picture(name):
            yield name, partial(_extract, path, name, size, partial(read, member))


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    return b"" if stream is None else stream.read()


def _extract(path: Path, name: str, size: int, read: Callable[[], bytes]) -> BytesIO:
    if size > _LARGEST_PICTURE:
        raise DataError(f"{path}: {name} claims {size:,} bytes; that is no picture.")
    try:
        return BytesIO(read())
    except Exception as error:  # zipfile and tarfile raise almost anything on damaged bytes
        raise DataError(f"{path}: {name} cannot be read ({error}).") from error


def _is_picture(name: str) -> bool:
    """Tell whether a path is one of a picture that is not hidden, nor in a folder that is."""
    hidden = any(part.startswith(".") and part not in (".", "..") for part in PurePosixPath(name).parts)
    return name.lower().endswith(SUFFIXES) and not hidden
