"""Files that are never half-written, and the digests that say what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from driftloop.errors import DataError, ModelError
from driftloop.trace import note_read, note_write

_CHUNK_BYTES = 1 << 24
_LARGEST_MANIFEST = 1 << 24
_LONGEST_HEADER = 1 << 16


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it when the block ends well.

    Readers see the old file or the whole new one, also after a crash: the bytes are flushed to the
    disk before the rename. When the block raises, `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # As an ordinary file would be made, not for its owner alone. Some writers make the file anew.
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        note_write(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(root: Path) -> None:
    """Remove the temporary files that killed processes left below a folder in which nobody writes now."""
    for path in root.rglob(".*"):
        if re.fullmatch(r"\..+\.[a-z0-9_]{8}(\.\w+)?", path.name) and path.is_file():
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN and infinities are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: the file is missing, or is not JSON.
    """
    try:
        content = path.read_bytes()
        note_read(path, content)
        return json.loads(content)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON ({error}).") from error


def read_manifest(path: Path, what: str, *, version: int, fields: Iterable[str]) -> dict[str, Any]:
    """Read the manifest of a stored model, detector or the like, and check its form.

    Args:
        path: of the manifest.
        what: what its folder is to be, for messages.
        version: of the format that this driftloop reads.
        fields: what it must have besides `format`.

    Raises:
        ModelError: it is missing, is not JSON, is of another format version, or lacks a field.
    """
    if not path.is_file():
        raise ModelError(f"{path.parent} is no {what} folder: it has no {path.name}.")
    if path.stat().st_size > _LARGEST_MANIFEST:
        raise ModelError(f"{path} has {path.stat().st_size:,} bytes; that cannot be right.")
    try:
        meta = read_json(path)
    except DataError as error:
        raise ModelError(str(error)) from error
    found = meta.get("format") if isinstance(meta, dict) else None
    if found != version:
        raise ModelError(f"{path}: format is {found!r}; this driftloop reads format {version}.")
    if lacking := sorted(set(fields) - meta.keys()):
        raise ModelError(f"{path} lacks {', '.join(lacking)}.")
    return dict(meta)


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as `.npy`, atomically and without pickles."""
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)


def read_array(path: Path, *, mmap: bool = False, stream: BinaryIO | None = None) -> npt.NDArray[Any]:
    """Read a `.npy` file, memory-mapped read-only when `mmap`.

    A trace notes only what is read whole: a mapped array has a manifest that holds its digest.

    Args:
        path: of the file.
        mmap: leave the array in the file.
        stream: the opened file, where it was opened already.

    Raises:
        DataError: the file is missing, cut short, or holds pickled objects.
    """
    try:
        with path.open("rb") if stream is None else nullcontext(stream) as opened:
            _refuse_long_header(opened)
            array = _map(opened) if mmap else np.load(opened, allow_pickle=False)
        if not isinstance(array, np.ndarray):  # an .npz archive under another name
            raise ValueError("it is an archive of arrays")
        if not mmap:
            note_read(path, path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except DataError:
        raise
    except Exception as error:  # numpy raises almost anything on damaged bytes
        raise DataError(f"{path} is not a readable .npy file ({error}).") from error
    return array


def _refuse_long_header(stream: BinaryIO) -> None:
    """Refuse a header that claims to be long: numpy would read up to 4 GiB before it looks at it."""
    start = stream.read(12)
    length = int.from_bytes(start[8:], "little")
    if start[:6] == b"\x93NUMPY" and start[6:7] != b"\1" and length > _LONGEST_HEADER:
        raise ValueError("its header is too long")
    stream.seek(0)


def _map(stream: BinaryIO) -> npt.NDArray[Any]:
    """Map an array into memory: as `numpy.load` does, which takes no opened file for it."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    return np.memmap(stream, dtype, "r", stream.tell(), shape, "F" if is_fortran else "C")


_sound: set[tuple[Path, int, int, int, str]] = set()
"""Arrays that this process has found to be what they should, by path, size, time, inode and digest."""


def check_array(path: Path, array: npt.NDArray[Any], sha256: str) -> None:
    """Refuse an array that is not the one that the manifest beside its file was written for.

    That is looked at once in a process, as long as the file keeps its size and its times.

    Args:
        path: where it was read.
        array: as it was read.
        sha256: what the manifest says, as of `digest_array`.

    Raises:
        DataError: its elements have another digest.
    """
    found = path.stat()
    key = (path.absolute(), found.st_size, found.st_mtime_ns, found.st_ino, sha256)
    if key not in _sound and digest_array(array) != sha256:
        raise DataError(
            f"{path} is not the file that the manifest beside it was written for: digests differ. "
            "To have it made anew, remove it and run: snakemake --cores all"
        )
    _sound.add(key)


def check_file(path: Path, sha256: str, manifest: Path) -> None:
    """Refuse a file that is not the one that its manifest was written for.

    Raises:
        ModelError: it is missing, or its digest is another one.
    """
    if not path.is_file():
        raise ModelError(f"{path} does not exist.")
    if digest_file(path) != sha256:
        raise ModelError(f"{path} is not the file that {manifest} was written for: digests differ.")


def link_file(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, atomically. A copy where the file system has no hard links."""
    with atomic(target) as temporary:
        temporary.unlink()
        try:
            temporary.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, temporary)


def digest_array(array: npt.NDArray[Any]) -> str:
    """SHA-256 of an array's elements in C order, as 64 hexadecimal digits.

    >>> digest_array(np.zeros((2, 3), dtype=np.uint8))[:12]
    'b0f66adc8364'
    """
    sha = hashlib.sha256()
    rows = max(1, _CHUNK_BYTES // max(1, array[:1].nbytes)) if array.ndim else 1
    for start in range(0, len(array), rows):
        sha.update(np.ascontiguousarray(array[start : start + rows]).data)
    return sha.hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces).

    >>> digest_json({"b": 1, "a": [2]}) == digest_json({"a": [2], "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
