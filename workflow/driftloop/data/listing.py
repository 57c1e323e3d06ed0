"""Which pictures there are and what each shows, read from a folder a class, or from a list of labels."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

from driftloop.data.below import MOST, Passed, look_below
from driftloop.data.codecs import SUFFIXES
from driftloop.errors import DataError
from driftloop.inside import open_inside

_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_PATH_KEYS = ("path", "file", "filename", "file_name", "image")
_LABEL_KEYS = ("label", "class", "target", "category")
_TABLES = (".csv", ".tsv")
_LONGEST_LINE = 1 << 18
_MOST_ROWS = 5_000_000
AGAIN = "rows name a picture that is named before, and count for nothing"


@dataclass(frozen=True)
class Labelled:
    """A picture and the name of its class."""

    path: Path
    label: str


def list_folder(folder: Path, passed: Passed) -> list[Labelled]:
    """List the pictures of a folder that has one folder for each class, at any depth below it.

    Where the folder holds the parts of a published dataset (train, test, …), each with its classes, they
    are pooled. A part beside something else is refused, as its name is no class. Links are followed.

    Args:
        folder: the folder.
        passed: notes hidden files and those that are no pictures.

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
        for path in _pictures(each, passed)
    ]
    beside = [path for path in _entries(folder) if not path.is_dir()]
    loose = [path for path in beside if path.suffix.lower() in SUFFIXES and path.is_file()]
    for path in (each for each in beside if each not in loose):
        passed.note(str(path), "lies beside the class folders")
    if not found:
        seen = f"{len(loose)} pictures but no class folders" if loose else "no pictures that are read"
        raise DataError(
            f"{folder} has {seen}. {' '.join([*passed.lines()[:3], ''])}It needs one folder for each class, "
            f"such as {folder}/cat/1.jpg; known pictures: {', '.join(SUFFIXES)}. Or name a CSV file with the "
            "columns path and label."
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


def list_file(path: Path, root: Path | None, changes: Counter[str]) -> list[Labelled]:
    """List the pictures that a CSV file, or JSON lines, names with their labels.

    A CSV file has a header. The columns (or JSON keys) are called path (or file, filename, image) and label
    (or class, target, category). A byte order mark and blank lines do no harm.

    Args:
        path: ends in .csv, .tsv, .jsonl or .ndjson.
        root: where relative paths start, and which no picture may lie outside. None for the list's folder.
        changes: counts what is worth telling, by a sentence that follows the number.

    Raises:
        DataError: the list cannot be read, or a row is refused. The message names it.
    """
    base = (root or path.parent).resolve()
    found: dict[str, str] = {}
    pictures: dict[Path, str] = {}
    with open_inside(path.resolve().parent, path.resolve().name) as stream:
        for number, row in _rows(path, stream):
            at = f"{path}, line {number}"
            named, label = _value(row, _PATH_KEYS, at), _value(row, _LABEL_KEYS, at)
            if named not in found:
                found[named] = pictures.setdefault(_within(base, named, at), label)
            else:
                changes[AGAIN] += 1
            if found[named] != label:
                raise DataError(f"{at}: {named} is {label!r} here, but {found[named]!r} further up.")
    if not found:
        raise DataError(f"{path} names no picture.")
    changes[AGAIN] += len(found) - len(pictures)
    return [Labelled(picture, label) for picture, label in pictures.items()]


def list_pictures(path: Path, stream: BinaryIO, changes: Counter[str]) -> list[str]:
    """List the pictures that a list names, with labels or without: a window's, in the list's order.

    Besides what `list_file` reads, a `.txt` file has one path a line.

    Args:
        path: of the list.
        stream: the opened list.
        changes: counts what is worth telling, by a sentence that follows the number.

    Returns:
        Paths relative to the list's folder, none of which leads out of it by its name.

    Raises:
        DataError: the list cannot be read, or a row is refused.
    """
    found: dict[str, str] = {}
    rows = 0
    for number, row in _rows(path, stream):
        at = f"{path}, line {number}"
        named = _value(row, _PATH_KEYS, at)
        rows += 1
        if named not in found:
            found[named] = _below(path.parent, named, at)
            if len(found) > MOST:
                raise DataError(f"{path} names more than {MOST:,} pictures. Cut it into several windows.")
    if not found:
        raise DataError(f"{path} names no picture.")
    pictures = list(dict.fromkeys(found.values()))
    changes[AGAIN] += rows - len(pictures)
    return pictures


def _rows(path: Path, stream: BinaryIO) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Yield a row's line, for messages, and the row. Only one row is in memory at a time."""
    kind = path.suffix.lower()
    # Line ends in quotes belong to a cell.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="" if kind in _TABLES else "\n")
    lines = _lines(path, text)
    try:
        if kind == ".txt":
            yield from ((number, {"path": line}) for number, line in enumerate(lines, 1) if line.strip())
        else:
            yield from (_json_rows if kind in (".jsonl", ".ndjson") else _csv_rows)(path, lines)
    finally:
        with suppress(ValueError):  # it is closed already
            text.detach()


def _lines(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines of a list; of a long one that it cannot be one."""
    try:
        for number in count(1):
            line = text.readline(_LONGEST_LINE)
            if not line:
                return
            if len(line) == _LONGEST_LINE or number > _MOST_ROWS:
                what = f"line {number} is longer" if number <= _MOST_ROWS else f"{number:,} lines are more"
                raise DataError(f"{path} is no list: {what} than one has.")
            yield line
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text ({error}).") from error


def _csv_rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.reader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
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


def _json_rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in enumerate(lines, start=1):
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


def _below(base: Path, named: str, at: str) -> str:
    """Return the path that a list names, relative to its folder. It must not lead out of that folder."""
    start = base.absolute() if Path(named).is_absolute() else Path()
    path = Path(os.path.normpath(named))
    if "\0" in named or ".." in path.parts or not path.is_relative_to(start) or path == start:
        raise DataError(
            f"{at}: {named!r} does not lie in {base}. Put a window's pictures in its list's folder."
        )
    below = path.relative_to(start).as_posix()
    return named if below == named else below


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}).") from error


def _pictures(folder: Path, passed: Passed) -> Iterator[Path]:
    """Yield the pictures below a folder, in the order of their paths."""
    for name, reason in look_below(folder, follow=True):
        if reason is None:
            yield folder / name
        else:
            passed.note(str(folder / name), reason)
