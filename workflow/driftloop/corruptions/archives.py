"""Ready-made corrupted images: MNIST-C and CIFAR-10-C as their authors publish them.

A user who has one, as the archive or unpacked, can take its images instead of `corrupt`'s. Nothing is
written, so a path inside an archive can reach nothing, and arrays with pickled objects are refused.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from driftloop.corruptions import find_corruption
from driftloop.corruptions.corruption import SEVERITIES, Images
from driftloop.errors import DataError, ParameterError

Labels = npt.NDArray[np.int64]
Part = Literal["train", "test"]

_MAX_BYTES = 1 << 28  # of one file. The largest published one has 154 MB
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # an encrypted zip, or one packed in a way that Python does not know
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)
_BLOCK = 10_000  # images of one severity in a file of CIFAR-10-C


@dataclass(frozen=True)
class _Layout:
    """Where a benchmark keeps the images and labels of one corruption, below its `folder`."""

    folder: str
    images: str
    labels: str


_LAYOUTS = {
    "mnist_c": _Layout("mnist_c", "{corruption}/{part}_images.npy", "{corruption}/{part}_labels.npy"),
    "cifar10_c": _Layout("CIFAR-10-C", "{corruption}.npy", "labels.npy"),
}


def read_archive(
    path: Path, suite: str, corruption: str, severity: int | None = None, part: Part = "test"
) -> tuple[Images, Labels]:
    """Return the images, uint8 (N, H, W, C), and labels, int64 (N,), of one corruption.

    Args:
        path: a folder, or a .tar (also compressed) or .zip of it. In a folder the files lie at its top or in
            the subfolder of the benchmark's name; in an archive at any depth.
        suite: `mnist_c`, with the layout `mnist_c/{corruption}/{part}_{images,labels}.npy`, or `cifar10_c`,
            with `CIFAR-10-C/{corruption}.npy` of 10,000 images for each severity, and `labels.npy`.
        corruption: one of the suite's.
        severity: 1 to 5 for `cifar10_c`. MNIST-C has one severity of each corruption, its default.
        part: `train` or `test`. CIFAR-10-C has only `test`.

    Raises:
        ParameterError: there is no such suite, corruption or severity.
        DataError: the images are missing or not in the layout.
    """
    chosen = find_corruption(suite, corruption)
    severity = chosen.default_severity if severity is None else severity
    if severity not in SEVERITIES:
        raise ParameterError(f"corruption {corruption}: severity is {severity!r}; it is 1, 2, 3, 4 or 5.")
    if suite == "mnist_c" and severity != chosen.default_severity:
        raise DataError(
            f"MNIST-C has {corruption} at severity {chosen.default_severity} only, not {severity}. "
            "Leave the archive out to have it made."
        )
    if suite == "cifar10_c" and part != "test":
        raise DataError(
            f"CIFAR-10-C has only test images, no {part}. Leave the archive out to have them made."
        )
    layout = _LAYOUTS[suite]
    names = (name.format(corruption=corruption, part=part) for name in (layout.images, layout.labels))
    images, labels = (_read(path, layout.folder, name) for name in names)
    if suite == "cifar10_c":
        block = slice((severity - 1) * _BLOCK, severity * _BLOCK)
        images, labels = images[block], labels[block]
    return _checked(path, corruption, images, labels)


def _checked(
    path: Path, corruption: str, images: npt.NDArray[Any], labels: npt.NDArray[Any]
) -> tuple[Images, Labels]:
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise DataError(
            f"{path}: {corruption} is {images.dtype} {images.shape}; images are uint8 (N, H, W, C)."
        )
    if not len(images) or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {corruption} has {len(images)} images and labels {labels.dtype} {labels.shape}; "
            "there must be one whole number for each image."
        )
    return np.array(images), labels.astype(np.int64)


def _read(path: Path, folder: str, name: str) -> npt.NDArray[Any]:
    """Read one `.npy`; from a folder only the pages that are used are read."""
    try:
        if path.is_dir():
            return _read_from_folder(path, folder, name)
        with _open_member(path, name) as stream:
            return np.load(io.BytesIO(stream.read()), allow_pickle=False)  # type: ignore[no-any-return]
    except _DAMAGE as error:
        raise DataError(f"{path}: {name} cannot be read ({error}).") from error


def _read_from_folder(path: Path, folder: str, name: str) -> npt.NDArray[Any]:
    for place in (path / name, path / folder / name):
        if place.is_file():
            return np.load(place, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    raise DataError(f"{path} has no {name}, nor {folder}/{name}.")


@contextmanager
def _open_member(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open the file of an archive whose path ends in `name`."""
    if not path.exists():
        raise DataError(f"{path} does not exist; it is a folder, or a .tar or .zip of it.")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
            with archive.open(_choose(path, sizes, name)) as stream:
                yield stream
        return
    with tarfile.open(path) as archive:
        members = {member.name: member for member in archive if member.isreg()}
        chosen = members[_choose(path, {key: member.size for key, member in members.items()}, name)]
        with archive.extractfile(chosen) or io.BytesIO() as stream:  # None is for what is no regular file
            yield stream


def _choose(path: Path, sizes: dict[str, int], name: str) -> str:
    wanted = PurePosixPath(name).parts
    found = [key for key in sizes if PurePosixPath(key).parts[-len(wanted) :] == wanted]
    if not found:
        raise DataError(f"{path} has no {name}.")
    if sizes[found[0]] > _MAX_BYTES:
        raise DataError(f"{path}: {name} claims {sizes[found[0]]} bytes; that cannot be right.")
    return found[0]
