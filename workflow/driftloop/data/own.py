"""A user's own images as a dataset: a folder a class, a list of labels, arrays, or a dataset in Python."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.data.below import Passed
from driftloop.data.contract import FORM_OPTIONS, DatasetSource, Report
from driftloop.data.dataset import Dataset
from driftloop.data.listing import Labelled, in_order, list_file, list_folder
from driftloop.data.pictures import Form, notes, read_picture, regular
from driftloop.errors import DataError, ParameterError
from driftloop.files import read_array
from driftloop.params.validate import did_you_mean

_MOST_LEFT_OUT = 0.5
_NUMBER = re.compile("-?[0-9]+")


class Pictures(DatasetSource):
    """Pictures of any size and kind that are made to fit one form.

    Args:
        size: (H, W) of the images, or one number for a square.
        channels: 1 (grey) or 3 (colour).
        fit: what happens to a picture of another proportion: `crop`, `pad`, `stretch`, or `refuse`,
            which leaves it out. See `driftloop.data.pictures.Form`. Windows are treated in the same way.
        background: what lies behind transparent pixels: `white`, `black`, or None, which leaves them out.
        interpolation: how pixels are resized: `nearest`, `box`, `bilinear`, `hamming`, `bicubic`, `lanczos`.
        crop: the share of each side that is kept of every picture, such as 0.875 for a model that was trained
            on 224 pixels out of 256. None cuts nothing but what `fit` says.
        levels: [black, white], the values that these are where pictures have more than 8 bits and do not say
            it themselves. None stands for all that their type can hold.
        bands: which bands of TIFFs are taken, from 0: [0] for grey, three for colour.
        classes: the class names in the order of the labels. By default numbers as numbers, texts by alphabet.

    Raises:
        ParameterError: a value is out of range.
    """

    name = "own images"

    def __init__(
        self,
        *,
        size: int | Sequence[int],
        channels: int = 3,
        classes: Sequence[str] | None = None,
        **form: Any,
    ) -> None:
        if unknown := sorted(form.keys() - set(FORM_OPTIONS)):
            known = ("size", "channels", "classes", *FORM_OPTIONS)
            raise ParameterError(f"dataset: unknown key {unknown[0]!r}.{did_you_mean(unknown[0], known)}")
        self.form = form_from({"size": size, "channels": channels, **form})
        for option in FORM_OPTIONS:
            setattr(self, option, getattr(self.form, option))
        self.classes = _as_typed(classes or ())

    @abstractmethod
    def pictures(self, passed: Passed, changes: Counter[str]) -> Iterator[tuple[Path | BytesIO, str, str]]:
        """Yield for each picture its file, what to call it, and its class.

        Args:
            passed: notes what lies there and is not taken.
            changes: counts what else is worth telling, by a sentence that follows the number.
        """

    def some(self, most: int) -> npt.NDArray[np.uint8]:
        """Read the first pictures that can be used and differ."""
        found: dict[bytes, npt.NDArray[np.uint8]] = {}
        for source, name, _ in self.pictures(Passed(), Counter()):
            with suppress(DataError):
                path = regular(source) if isinstance(source, Path) else source
                image = read_picture(path, name, self.form, Counter())
                found.setdefault(image.tobytes(), image)
            if len(found) == most:
                break
        if not found:
            raise DataError(f"{self.name}: none of its pictures can be used.")
        return np.stack(list(found.values()))

    def fetch(self, report: Report) -> Dataset:
        """Read all pictures. Those that cannot be read or made to fit are left out and told.

        Raises:
            DataError: there are none, most cannot be read, a class is unknown, or there is only one.
        """
        changes: Counter[str] = Counter()
        passed = Passed()
        refused: list[str] = []
        images: list[npt.NDArray[np.uint8]] = []
        labels: list[str] = []
        for source, name, label in self.pictures(passed, changes):
            try:
                path = regular(source) if isinstance(source, Path) else source
                images.append(read_picture(path, name, self.form, changes))
                labels.append(label)
            except DataError as error:
                refused.append(str(error))
        for note in [*(f"{each}." for each in notes(changes)), *passed.lines()]:
            report(f"{self.name}: {note}")
        if len(refused) > _MOST_LEFT_OUT * (len(images) + len(refused)):
            raise DataError(
                f"{self.name}: {len(refused):,} of {len(images) + len(refused):,} pictures cannot be used. "
                f"The first: {refused[0]}"
            )
        if refused:
            report(f"{self.name}: {len(refused):,} pictures left out. The first: {refused[0]}")
        if not images:
            raise DataError(f"{self.name} has no picture.")
        classes = class_names(labels, self.classes, self.name)
        codes = {name: code for code, name in enumerate(classes)}
        coded = np.array([codes[label] for label in labels], dtype=np.int64)
        return distinct(Dataset(np.stack(images), coded, self.name, classes), report)


class ImageFolder(Pictures):
    """A folder that holds one folder of pictures for each class. See `driftloop.data.listing.list_folder`.

    Args:
        folder: relative to the project, or absolute.
        options: see `Pictures`.
    """

    def __init__(self, *, folder: str, **options: Any) -> None:
        super().__init__(**options)
        self.folder = Path(folder).expanduser()
        self.name = self.folder.resolve().name

    def pictures(self, passed: Passed, changes: Counter[str]) -> Iterator[tuple[Path, str, str]]:  # noqa: ARG002
        """Yield every picture of every class."""
        yield from _each(list_folder(self.folder, passed))


class ImageList(Pictures):
    """Pictures that a CSV file or JSON lines name. See `driftloop.data.listing.list_file`.

    Args:
        file: relative to the project, or absolute.
        root: the folder in which all pictures lie. The file's own by default.
        options: see `Pictures`.
    """

    def __init__(self, *, file: str, root: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.file = Path(file).expanduser()
        self.root = None if root is None else Path(root).expanduser()
        self.name = self.file.stem

    def pictures(self, passed: Passed, changes: Counter[str]) -> Iterator[tuple[Path, str, str]]:  # noqa: ARG002
        """Yield every picture that the list names."""
        yield from _each(list_file(self.file, self.root, changes))


class Arrays(DatasetSource):
    """Images and labels as arrays: an `.npz` file, or a folder with `images.npy` and `labels.npy`.

    Images are uint8 (N, H, W) or (N, H, W, C) with C 1 or 3. Labels are whole numbers, or texts.

    Args:
        file: the `.npz` file, with arrays called images and labels, or the folder.
        classes: the class names in the order of the labels, which then count from 0, unless the names are
            numbers themselves. By default the numbers or texts that occur.

    Raises:
        ParameterError: a class is named twice, or by what is no text.
    """

    def __init__(self, *, file: str, classes: Sequence[str] | None = None) -> None:
        self.file = Path(file).expanduser()
        self.name = self.file.stem
        self.classes = _as_typed(classes or ())

    def fetch(self, report: Report) -> Dataset:
        """Read both arrays, without pickles.

        Raises:
            DataError: they are missing, damaged, or of another form.
        """
        images, labels = self.read()
        if images.ndim not in (3, 4):
            raise DataError(
                f"{self.file}: images have shape {images.shape}; it is (N, H, W) or (N, H, W, C)."
            )
        if images.ndim == 3:
            images = images[..., None]
        if labels.ndim != 1 or len(labels) != len(images):
            raise DataError(f"{self.file}: {len(images)} images have labels of shape {labels.shape}.")
        if labels.dtype.kind not in "USiu":
            raise DataError(f"{self.file}: labels are {labels.dtype}; they are whole numbers or texts.")
        if labels.dtype.kind in "iu" and self.classes and not all(map(_NUMBER.fullmatch, self.classes)):
            classes, coded = self.classes, labels.astype(np.int64)  # which have to count from 0
        else:
            found, places = np.unique(_as_text(labels, self.file), return_inverse=True)
            classes = class_names(found.tolist(), self.classes, self.name)
            codes = {name: code for code, name in enumerate(classes)}
            coded = np.array([codes[each] for each in found.tolist()], dtype=np.int64)[places]
        report(f"{self.name}: {len(images):,} images from {self.file}.")
        return distinct(Dataset(np.ascontiguousarray(images), coded, self.name, classes), report)

    def read(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the two arrays as they are stored."""
        if self.file.is_dir():
            return read_array(self.file / "images.npy"), read_array(self.file / "labels.npy")
        stored = read_npz(self.file, ("images", "labels"))
        return stored["images"], stored["labels"]


class PythonDataset(Pictures):
    """A dataset as torchvision has them: `len(dataset)`, `dataset[i]` → (PIL image, class number), `classes`.

    Args:
        dataset: `_target_` of its class, and its arguments.
        options: see `Pictures`. `classes` is needed where the dataset does not say them.
    """

    def __init__(self, *, dataset: Mapping[str, Any], **options: Any) -> None:
        from driftloop.params.instantiate import instantiate

        super().__init__(**options)
        self.dataset: Any = instantiate(dataset, object, where="params.yaml: dataset.dataset")
        self.name = type(self.dataset).__name__
        self.classes = self.classes or tuple(map(str, getattr(self.dataset, "classes", ())))
        if not self.classes:
            raise ParameterError(
                f"dataset: {self.name} does not say its classes: list them, dataset.classes."
            )

    def pictures(self, passed: Passed, changes: Counter[str]) -> Iterator[tuple[BytesIO, str, str]]:  # noqa: ARG002
        """Yield every picture, through PNG, so that all are read in one way."""
        for index in range(len(self.dataset)):
            try:
                picture, label = self.dataset[index]
                name, stream = f"{self.name}[{index}]", BytesIO()
                picture.save(stream, "PNG")
                if not 0 <= int(label) < len(self.classes):
                    raise IndexError(f"the class number is {label}")
                yield stream, name, self.classes[int(label)]
            except (TypeError, ValueError, AttributeError, IndexError, OSError) as error:
                raise DataError(
                    f"{self.name}[{index}] is no pair of a PIL image and a class number from 0 to "
                    f"{len(self.classes) - 1} ({error})."
                ) from error


@dataclass(frozen=True)
class Kind:
    """A way to bring one's own images, and what `driftloop init` writes for it."""

    target: str
    key: str


def kind_of(path: Path) -> Kind:
    """Say which source reads a path.

    Raises:
        DataError: none does.
    """
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".jsonl", ".ndjson"):
        return Kind("driftloop.data.own.ImageList", "file")
    if suffix == ".npz" or (path.is_dir() and (path / "images.npy").is_file()):
        return Kind("driftloop.data.own.Arrays", "file")
    if path.is_dir():
        return Kind("driftloop.data.own.ImageFolder", "folder")
    if not path.exists():
        raise DataError(f"{path} does not exist. Name a folder, a list or an array of labelled images.")
    raise DataError(
        f"{path} is none of a folder with one folder a class, a .csv or .jsonl list of paths and labels, an "
        ".npz file with images and labels, or a folder with images.npy and labels.npy."
    )


def read_npz(path: Path, wanted: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of an `.npz` file, without pickles.

    Raises:
        DataError: the file is missing or damaged, or lacks an array.
    """
    try:
        with np.load(regular(path), allow_pickle=False) as stored:
            if lacking := [name for name in wanted if name not in stored.files]:
                raise DataError(
                    f"{path} lacks the array {lacking[0]}; it has {', '.join(stored.files) or 'none'}."
                )
            return {name: stored[name] for name in wanted}
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile raise almost anything on damaged bytes
        raise DataError(f"{path} is not a readable .npz file ({error}).") from error


def distinct(dataset: Dataset, report: Report) -> Dataset:
    """Return a dataset with one of each image, so that none can both teach and judge.

    Of an image that has two labels nothing is kept, since one of them is wrong.

    Raises:
        DataError: nothing is left.
    """
    digests = [sha256(image.tobytes()).digest() for image in dataset.images]
    labels = np.zeros(len(dataset), np.int64) if dataset.labels is None else dataset.labels
    found: dict[bytes, set[int]] = {}
    for digest, label in zip(digests, labels.tolist(), strict=True):
        found.setdefault(digest, set()).add(label)
    first = {digest: place for place, digest in reversed(list(enumerate(digests)))}
    kept = sorted(place for digest, place in first.items() if len(found[digest]) == 1)
    if contradicted := len(first) - len(kept):
        report(f"{dataset.name}: {contradicted:,} images have two labels each, and are left out.")
    if copies := len(dataset) - len(first):
        report(f"{dataset.name}: {copies:,} images are copies of others, and are left out.")
    if not kept:
        raise DataError(
            f"{dataset.name}: of {len(dataset):,} images none is left. Give each image one label, and rerun."
        )
    return dataset if len(kept) == len(dataset) else dataset.take(np.array(kept, dtype=np.int64))


def _as_typed(classes: Sequence[Any]) -> tuple[str, ...]:
    """Return class names as somebody typed them: YAML makes truth values of yes, no, on and off.

    Raises:
        ParameterError: a class is named twice, or by what is no text and no whole number.
    """
    if odd := [each for each in classes if not isinstance(each, str) and type(each) is not int]:
        raise ParameterError(
            f"dataset.classes: {odd[0]!r} is no text. Put names that YAML reads otherwise in quotes: "
            "['yes', 'no', '007', '1.0']"
        )
    names = tuple(map(str, classes))
    if len(set(names)) != len(names):
        raise ParameterError("dataset.classes names a class twice.")
    return names


def _as_text(labels: npt.NDArray[Any], file: Path) -> npt.NDArray[np.str_]:
    try:
        return labels.astype(str)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: labels are bytes that are no ASCII text; save them as texts.") from error


def class_names(labels: Sequence[str], known: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the class names: those that are known, or those that occur, as `in_order` has them.

    Raises:
        DataError: a label is not among the known ones, or there is only one class.
    """
    found = in_order(labels)
    if known and (strange := [label for label in found if label not in known]):
        raise DataError(f"{name}: {strange[0]!r} is not among dataset.classes ({', '.join(known)}).")
    classes = tuple(known or found)
    if len(classes) < 2:
        raise DataError(f"{name} has one class, {', '.join(classes)}; a classifier needs two or more.")
    return classes


def _each(listed: Sequence[Labelled]) -> Iterator[tuple[Path, str, str]]:
    return ((item.path, str(item.path), item.label) for item in listed)


def form_from(spec: Mapping[str, Any]) -> Form:
    """Return the form that `Pictures` makes of its arguments, or of these and others.

    Raises:
        ParameterError: a value is out of range.
    """
    height, width = sides(spec["size"])
    options = {key: spec[key] for key in FORM_OPTIONS if key in spec}
    for key in ("levels", "bands"):
        if isinstance(options.get(key), Sequence):
            options[key] = tuple(options[key])
    return Form((height, width, spec.get("channels", 3)), **{"fit": "crop", **options})


def sides(size: int | Sequence[int]) -> tuple[int, int]:
    """Return (H, W) of `dataset.size`.

    Raises:
        ParameterError: it is neither a number nor a pair of them.
    """
    both = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, Sequence) else ()
    if len(both) != 2 or not all(type(side) is int for side in both):
        raise ParameterError(f"dataset.size is {size!r}; it is one number, or [height, width] in pixels.")
    return both[0], both[1]
