"""The formats in which image datasets are published, read without trusting them and without pickles."""

from __future__ import annotations

import gzip
import json
import math
import tarfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from driftloop.errors import DataError

_CHUNK_BYTES = 1 << 20
_IDX_UINT8 = 0x08


def unpack(archive: Path, wanted: Collection[str], folder: Path, max_bytes: int = 1 << 28) -> None:
    """Copy the wanted files of a tar archive into `folder`, by their bare names.

    Nothing in the archive decides where a byte is written. Directories, links and the paths of members are
    ignored. So a hostile path reaches nothing. Of two members with one name the first counts.

    Args:
        archive: a tar file, compressed or not.
        wanted: the names of the files, without folders.
        folder: where they go. It exists.
        max_bytes: the largest file that is believed.

    Raises:
        DataError: the archive is damaged or cut short, lacks a file, or holds one that is too large.
    """
    missing = set(wanted)
    try:
        with tarfile.open(archive) as members:
            for member in members:
                name = PurePosixPath(member.name).name
                stream = members.extractfile(member) if member.isreg() and name in missing else None
                if stream is None:
                    continue
                if member.size > max_bytes:
                    raise DataError(
                        f"{archive.name}: {name} claims {member.size} bytes; that cannot be right."
                    )
                missing.remove(name)
                with (folder / name).open("wb") as copy:
                    while chunk := stream.read(_CHUNK_BYTES):
                        copy.write(chunk)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{archive.name} is damaged or cut short ({error}).") from error
    if missing:
        raise DataError(f"{archive.name} lacks {', '.join(sorted(missing))}.")


def read_idx(path: Path, shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Read a file in the IDX format of MNIST (http://yann.lecun.com/exdb/mnist), gzipped or not.

    Args:
        path: the file. A name that ends in `.gz` is unzipped, never further than `shape` needs.
        shape: what the file must hold.

    Returns:
        uint8 of that shape.

    Raises:
        DataError: the file is missing, damaged, of another type or shape, or too short or long.
    """
    size = math.prod(shape)
    header_size = 4 + 4 * len(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(header_size + size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    expected = bytes([0, 0, _IDX_UINT8, len(shape)]) + np.array(shape, dtype=">u4").tobytes()
    if content[:header_size] != expected:
        raise DataError(f"{path} is not an IDX file of uint8 {tuple(shape)}.")
    if len(content) != header_size + size:
        state = "too long" if len(content) > header_size + size else "cut short"
        raise DataError(f"{path} is {state}: {tuple(shape)} takes {size} bytes after the header.")
    return np.frombuffer(content, dtype=np.uint8, offset=header_size).reshape(shape)


def read_rows_of_png(path: Path, n: int, side: int) -> npt.NDArray[np.uint8]:
    """Read a PNG sheet in which each row of pixels is one square colour image.

    Returns:
        uint8 (n, side, side, 3).

    Raises:
        DataError: the file is missing or damaged, or the sheet is not RGB of side x side by n pixels.
    """
    try:
        with Image.open(path, formats=["PNG"]) as sheet:
            if sheet.mode != "RGB" or sheet.size != (side * side, n):
                raise DataError(
                    f"{path} is {sheet.mode} of {sheet.width} x {sheet.height} pixels; "
                    f"it must be RGB of {side * side} x {n}."
                )
            return np.asarray(sheet).reshape(n, side, side, 3)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error


def read_label_list(path: Path, n: int) -> npt.NDArray[np.uint8]:
    """Read a JSON list of n labels as uint8 (n,).

    Raises:
        DataError: the file is missing, or is not a list of n whole numbers from 0 to 255.
    """
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    if not (
        isinstance(labels, list)
        and len(labels) == n
        and all(type(label) is int and 0 <= label <= 255 for label in labels)
    ):
        raise DataError(f"{path} must be a list of {n} labels from 0 to 255.")
    return np.array(labels, dtype=np.uint8)


def read_cifar_batch(path: Path, n: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read a batch of CIFAR-10's binary version: per image one label byte, then 3 planes of 32 x 32.

    The format is described at https://www.cs.toronto.edu/~kriz/cifar.html.

    Returns:
        Images, uint8 (n, 32, 32, 3), and labels, uint8 (n,).

    Raises:
        DataError: the file is missing, too short or too long.
    """
    row = 1 + 3 * 32 * 32
    try:
        size = path.stat().st_size
        content = np.fromfile(path, dtype=np.uint8) if size == n * row else None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    if content is None:
        raise DataError(f"{path} has {size} bytes; {n} images take {n * row}.")
    content = content.reshape(n, row)
    return content[:, 1:].reshape(n, 3, 32, 32).transpose(0, 2, 3, 1), content[:, 0]
