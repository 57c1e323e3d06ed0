"""A dataset on disk: one folder of arrays, with a `meta.json` whose digest stands for the content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.errors import DataError
from driftloop.files import check_array, digest_array, read_array, read_json, write_array, write_json


@dataclass(frozen=True)
class Dataset:
    """Images, their labels where they are known, and the names of the classes.

    Attributes:
        images: uint8 (N, H, W, C) with C 1 or 3. A read-only memory map when it was loaded from a disk.
        labels: int64 (N,) in [0, len(classes)), or None when nobody knows them.
        name: what the dataset is called.
        classes: the class names, in the order of the labels.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64] | None
    name: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise DataError(
                f"dataset {self.name}: images are {images.dtype} {images.shape}; "
                "they must be uint8 (N, H, W, C) with 1 or 3 channels."
            )
        if labels is None:
            return
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"dataset {self.name}: labels are {labels.dtype} {labels.shape}; "
                f"they must be int64 ({len(images)},), one for each image."
            )
        if labels.size and not (labels.min() >= 0 and labels.max() < len(self.classes)):
            raise DataError(
                f"dataset {self.name}: labels run from {labels.min()} to {labels.max()}; "
                f"with {len(self.classes)} classes they lie between 0 and {len(self.classes) - 1}."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def known_labels(self) -> npt.NDArray[np.int64]:
        """The labels, of a dataset that must have them.

        Raises:
            DataError: nobody knows them.
        """
        if self.labels is None:
            raise DataError(f"dataset {self.name} has no labels, and what it is needed for takes them.")
        return self.labels

    def take(self, index: npt.NDArray[np.integer[Any]]) -> Dataset:
        """Return the samples at `index`, in that order, as a dataset in memory."""
        labels = None if self.labels is None else self.labels[index]
        return Dataset(np.asarray(self.images[index]), labels, self.name, self.classes)


def save_dataset(folder: Path, dataset: Dataset) -> None:
    """Write `images.npy`, `labels.npy` (where labels are known) and, last, `meta.json`.

    A folder with a `meta.json` is whole: it is removed first and written after everything else.
    """
    (folder / "meta.json").unlink(missing_ok=True)
    (folder / "labels.npy").unlink(missing_ok=True)
    write_array(folder / "images.npy", dataset.images)
    if dataset.labels is not None:
        write_array(folder / "labels.npy", dataset.labels)
    meta = {
        "name": dataset.name,
        "classes": list(dataset.classes),
        "shape": list(dataset.images.shape),
        "sha256": digest_array(dataset.images),
        "labels_sha256": None if dataset.labels is None else digest_array(dataset.labels),
    }
    write_json(folder / "meta.json", meta)


def load_dataset(folder: Path, *, checked: bool = True) -> Dataset:
    """Open a dataset folder, its images memory-mapped.

    Args:
        folder: of the dataset.
        checked: hold the arrays against the digests in `meta.json`, which reads them once. Without it what
            comes back is good to be looked at, and not to decide by.

    Raises:
        DataError: a file is missing or damaged, or the arrays are not what `meta.json` promises.
    """
    meta = read_json(folder / "meta.json")
    try:
        name, classes, shape = str(meta["name"]), tuple(map(str, meta["classes"])), tuple(meta["shape"])
        digests = {"images": str(meta["sha256"]), "labels": str(meta["labels_sha256"])}
        labelled = meta["labels_sha256"] is not None
    except (KeyError, TypeError) as error:
        raise DataError(f"{folder / 'meta.json'} lacks {error}; it needs name, classes, shape.") from error
    images = read_array(folder / "images.npy", mmap=True)
    if images.shape != shape:
        raise DataError(f"{folder}: images.npy is {images.shape}, but meta.json promises {shape}.")
    labels = read_array(folder / "labels.npy") if labelled else None
    if checked:
        check_array(folder / "images.npy", images, digests["images"])
    if checked and labels is not None:
        check_array(folder / "labels.npy", labels, digests["labels"])
    return Dataset(images, labels, name, classes)


def content_digest(folder: Path) -> str:
    """Return the SHA-256 of a dataset folder's images, as its `meta.json` has it.

    Raises:
        DataError: there is no readable `meta.json`.
    """
    try:
        return str(read_json(folder / "meta.json")["sha256"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{folder / 'meta.json'} lacks {error}.") from error
