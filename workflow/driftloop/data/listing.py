"""Which pictures there are and what each shows, read from a folder a class, or from a list of labels."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from driftloop.data.inbox import SUFFIXES
from driftloop.data.pictures import regular
from driftloop.errors import DataError

_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_PATH_KEYS = ("path", "file", "filename", "file_name", "image")
_LABEL_KEYS = ("label", "class", "target", "category")
_LARGEST_LIST = 1 << 30


@dataclass(frozen=True)
class Labelled:
    """A picture and the name of its class."""

    path: Path
    label: str


def list_folder(folder: Path) -> list[Labelled]:
    """List the pictures of a folder that has one folder for each class, at any depth below it.

    Where the folder holds the parts of a published dataset (train, test, …), each with its classes, they
    are pooled; a part beside something else is refused, as its name is no class. Hidden files, other files
    and links to folders are passed over.

    Returns:
        By class, then by path: the same every time.

    Raises:
        DataError: there is no such folder, no picture, pictures lie outside the class folders, or a part lies
            beside what is none.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}. Name a folder that holds one folder of pictures for each class.")
    classes = _folders(folder)
    parts = [each for each in classes if each.name.lower() in _PARTS and _folders(each)]
    if odd := [each for each in classes if each not in parts] if parts else []:
        raise DataError(
            f"{parts[0]} holds folders, as the parts of a dataset do, but {odd[0]} beside it is no such "
            f"part. Name the part alone ({parts[0]}), or move the other away; if {parts[0].name} is a "
            "class, call its folder otherwise."
        )
    if parts:
        classes = [inner for part in parts for inner in _folders(part)]
    found = [
        Labelled(path, each.name)
        for each in sorted(classes, key=lambda each: (each.name, str(each)))
        for path in _pictures(each)
    ]
    loose = [path for path in _entries(folder) if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not found:
        seen = f"{len(loose)} pictures but no class folders" if loose else "no pictures"
        raise DataError(
            f"{folder} has {seen}. It needs one folder for each class, such as {folder}/cat/1.jpg; known "
            f"pictures: {', '.join(SUFFIXES)}. Or name a CSV file with the columns path and label."
        )
    if loose:
        raise DataError(
            f"{loose[0]} lies beside the class folders of {folder}, so nobody knows what it shows"
            f" ({len(loose)} such pictures). Move them into their class's folder, or away."
        )
    return found


def in_order(names: Iterable[str]) -> list[str]:
    """Return class names in the order of the labels: numbers as numbers, then texts by alphabet, each once.

    >>> in_order(["10", "2", "1", "other", "2"])
    ['1', '2', '10', 'other']
    """

    def place(name: str) -> tuple[bool, int, str]:
        number = re.fullmatch(r"-?[0-9]{1,18}", name) is not None
        return not number, int(name) if number else 0, name

    return sorted(set(names), key=place)


def list_file(path: Path, root: Path | None = None) -> list[Labelled]:
    """List the pictures that a CSV file, or JSON lines, names with their labels.

    A CSV file has a header; the columns (or JSON keys) are called path (or file, filename, image) and label
    (or class, target, category). A byte order mark and blank lines do no harm.

    Args:
        path: ends in .csv, .tsv, .jsonl or .ndjson.
        root: where relative paths start, and which no picture may lie outside; the list's folder by default.

    Raises:
        DataError: the list cannot be read, or a row is refused; the message names it.
    """
    base = (root or path.parent).resolve()
    found: dict[Path, str] = {}
    for at, row in _rows(path):
        named, label = _value(row, _PATH_KEYS, at), _value(row, _LABEL_KEYS, at)
        picture = _within(base, named, at)
        if found.setdefault(picture, label) != label:
            raise DataError(f"{at}: {named} is {label!r} here, but {found[picture]!r} further up.")
    if not found:
        raise DataError(f"{path} names no picture.")
    return [Labelled(picture, label) for picture, label in found.items()]


def list_pictures(path: Path) -> list[Path]:
    """List the pictures that a list names, with labels or without: a window's, in the list's order.

    Besides what `list_file` reads, a `.txt` file has one path a line.

    Raises:
        DataError: the list cannot be read, or a row is refused.
    """
    base = path.parent.resolve()
    found = [_within(base, _value(row, _PATH_KEYS, at), at) for at, row in _rows(path)]
    if not found:
        raise DataError(f"{path} names no picture.")
    return list(dict.fromkeys(found))


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield where a row stands, for messages, and the row."""
    try:
        if path.stat().st_size > _LARGEST_LIST:
            raise DataError(f"{path} is larger than 1 GiB; that is no list.")
        text = regular(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text ({error}).") from error
    if path.suffix.lower() == ".txt":
        rows: Iterator[tuple[int, Mapping[str, object]]] = (
            (number, {"path": line}) for number, line in enumerate(text.split("\n"), 1) if line.strip()
        )
    else:
        rows = (
            _json_rows(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv_rows(path, text)
        )
    return ((f"{path}, line {number}", row) for number, row in rows)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(row)} columns, but the header has {len(header)}."
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number} is not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number} is not a JSON object with a path and a label.")
        yield number, row


def _value(row: Mapping[str, object], keys: tuple[str, ...], at: str) -> str:
    for key in keys:
        if key in row:
            value = row[key]
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                return str(value).strip()
            raise DataError(f"{at}: {key} is {value!r}; it is a text.")
    raise DataError(f"{at}: there is no {keys[0]} (nor {', '.join(keys[1:])}); found {', '.join(row)}.")


def _within(base: Path, named: str, at: str) -> Path:
    """Return the file that a list names, which has to lie within the folder that it starts from."""
    if "\0" in named:
        raise DataError(f"{at}: {named!r} is no path.")
    try:
        path = (base / named).resolve()
    except (OSError, RuntimeError) as error:
        raise DataError(f"{at}: {named!r} is no path ({error}).") from error
    if not path.is_relative_to(base):
        raise DataError(
            f"{at}: {named} lies outside {base}. If that is meant, name the folder above both: dataset.root."
        )
    return path


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}).") from error


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the pictures below a folder, in the order of their paths; links to folders are not followed."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read ({error.strerror}).") from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(place) / name
