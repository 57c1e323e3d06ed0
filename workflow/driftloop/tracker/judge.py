"""Which products still hold, judged by content; and the file times that say so to Snakemake.

Snakemake reruns what is older than its input. Before it plans, `settle` compares every record with the
present parameters and files, and sets the times: products that hold are all as new as the newest file
that they may depend on, all others are older than `params.yaml`, which every rule has as an input; nothing is
dated in the future, as after a clock that was ahead. Snakemake may then rerun a step for the sake of
something before it. The step leaves its products standing when nothing that it reads has changed after all
(`driftloop.tracker.provenance.make`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftloop import layout
from driftloop.errors import DataError
from driftloop.files import digest_file, read_json, write_json
from driftloop.tracker.dates import set_time
from driftloop.tracker.provenance import SUFFIX, Made, changes, read_made
from driftloop.tracker.run_lock import under_way

_KNOWN = Path(".driftloop") / "digests.json"
_PRODUCTS = tuple(f"{folder.as_posix()}/" for folder in layout.PRODUCTS)
_SECOND = 1_000_000_000
_SMALL = 1 << 20
"""Bytes up to which a file is always read."""
_READ = 1 << 30
"""Bytes of larger files that are read again in spite of what is known of them; see docs/faults.md."""


@dataclass(frozen=True)
class Place:
    """A step of the present stream: where its record lies, and the parameters that it would see."""

    record: Path
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Judgement:
    """What a step made, and why it no longer holds, in words; no reasons where it does."""

    made: Made
    reasons: tuple[str, ...]


class Digests:
    """Digests of files, which are read: a disk can damage one that keeps its size and its times.

    Of large files only so much is read. Beyond that, those that kept size, time and inode have the digest
    that is known, as Git takes them; the step that loads such a file looks at it then.

    Args:
        read: bytes of large files to be read.
    """

    def __init__(self, read: int = _READ) -> None:
        self._left = read
        self._known: dict[str, list[Any]] = {}
        try:
            known = dict(read_json(_KNOWN)).items()
            self._known = {path: each for path, each in known if isinstance(each, list) and len(each) == 4}
        except (DataError, TypeError, ValueError):
            pass  # nothing is known, so all is read
        self._asked: dict[str, tuple[list[int], str]] = {}
        self._dated: dict[int, int] = {}
        self._copies: dict[int, Path] = {}

    def __call__(self, path: str) -> str | None:
        """Return the SHA-256 of a file, or None where there is none."""
        if path not in self._asked:
            if not os.path.isfile(path):
                return None
            now = _mark(path)  # before it is read: what is written meanwhile shows
            *mark, digest = self._known.get(path, [None])
            size = now[0]
            believed = mark == now and size > max(_SMALL, self._left)
            if size > _SMALL and not believed:
                self._left -= size
            self._asked[path] = now, digest if believed else digest_file(Path(path))
        return self._asked[path][1]

    def date(self, path: str | Path, moment: int) -> None:
        """Set a file's time (ns), which changes nothing of what is known of it."""
        found = os.stat(path)
        if found.st_mtime_ns != moment or os.lstat(path).st_mtime_ns != moment:
            before = found.st_ino
            set_time(Path(path), moment, self._copies)
            now = os.stat(path).st_ino
            self._dated[now] = moment  # of all names that it has: models are linked
            if now != before and (asked := self._asked.get(str(path))):
                asked[0][-1] = now

    def save(self) -> None:
        """Keep what was asked for, but of files that were changed since."""
        known = {}
        for path, ((size, modified, inode), digest) in self._asked.items():
            mark = [size, self._dated.get(inode, modified), inode]
            if os.path.isfile(path) and _mark(path) == mark:
                known[path] = [*mark, digest]
        if known != self._known:
            write_json(_KNOWN, known)


def judge(places: Iterable[Place], digest: Digests) -> list[Judgement]:
    """Judge every step that has left a record."""
    records = ((read_made(place.record), place.params) for place in places)
    return [Judgement(made, tuple(changes(made, params, digest))) for made, params in records if made]


def settle(
    places: Sequence[Place],
    params: Path,
    decisions: Path,
    temporary: Iterable[Path] = (),
    *,
    keep: bool = True,
) -> list[Judgement]:
    """Set the times of all products by whether they hold; not while a run is under way.

    Args:
        places: all steps of the present stream.
        params: the file that every rule has as an input.
        decisions: the folder of ledgers; they are inputs, too.
        temporary: folders of products that are gone once they were used. No record vouches for what a run
            left there that ended too soon, so it goes: Snakemake misses it only where it is needed.
        keep: False for a plan, which makes and removes no file.

    Returns:
        How the records were judged; none while a run is under way.
    """
    if under_way():
        return []
    for folder in temporary if keep else ():
        shutil.rmtree(folder, ignore_errors=True)
    digest, began = Digests(), time.time_ns()
    judgements = judge(places, digest)
    good = {path for each in judgements if not each.reasons for path in each.made.outputs}
    read = {path for each in judgements for path in each.made.inputs}
    bad = {path for each in judgements for path in each.made.outputs} | _left(
        {p.record.parent for p in places}
    )
    now = time.time_ns()
    for source in (each for each in (params, *decisions.glob("*")) if each.stat().st_mtime_ns > now):
        digest.date(source, began)  # Snakemake wants products to be younger than what they are made from
    # What is signed while the files are read is newer than every product, so that none made without it stays.
    new = min(began, max(_times([params, *decisions.glob("*"), *good, *read])))
    old = params.stat().st_mtime_ns - _SECOND
    there = [*filter(os.path.isfile, good)]
    for path in there:
        digest.date(path, new)
    sound = {os.stat(path).st_ino for path in there}
    for path in filter(os.path.isfile, bad - good):
        found = os.stat(path)
        if found.st_ino in sound:
            continue  # a link to what holds; the manifest beside it is dated, which is enough
        digest.date(path, min(old, found.st_mtime_ns))
    if keep or _KNOWN.exists():
        digest.save()
    return judgements


def _left(homes: Iterable[Path]) -> set[str]:
    """Return all files beside and below the records: what no record vouches for is not believed."""
    return {
        f"{folder}/{name}"
        for home in homes
        for folder, _, names in os.walk(home.as_posix())
        for name in names
        if not name.endswith(SUFFIX)
    }


def unvouched(judgements: Iterable[Judgement]) -> list[str]:
    """Return the products that steps have read and whose own record is gone: they are made again."""
    made = [each.made for each in judgements]
    read = {path for each in made for path in each.inputs if path.startswith(_PRODUCTS)}
    lost = read.difference(*(each.outputs for each in made))
    return sorted(path for path in lost if os.path.isfile(path) and not path.endswith(SUFFIX))


def _times(paths: Iterable[str | Path]) -> list[int]:
    return [os.stat(path).st_mtime_ns for path in paths if os.path.isfile(path)]


def _mark(path: str) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ino]
