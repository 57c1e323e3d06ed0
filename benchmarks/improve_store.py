"""What the repair benchmark has measured: one file for each dataset and seed, which a later run goes on from.

The files are kept with the code, so that a measurement of many hours can be made on several machines. Each
figure carries digests of the code that decides it and of the model that it began with: a cell of other code
is measured anew, and so is one whose neighbours began with another model than it did.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from driftloop.files import read_json, write_json

Classes = npt.NDArray[np.int64]


def kept_in(folder: Path) -> list[tuple[str, int]]:
    """Return the datasets and seeds of which a folder has a file."""
    names = [path.stem.rpartition("-") for path in sorted(folder.glob("[!.]*-*.json"))]
    return [(dataset, int(seed)) for dataset, _, seed in names]


class Agreement(NamedTuple):
    """How two models' answers to the same samples compare: how many samples of each kind."""

    both_right: int
    better: int
    """The candidate alone is right."""
    worse: int
    """The incumbent alone is right."""
    wrong_alike: int
    wrong_apart: int

    @classmethod
    def between(cls, incumbent: Classes, candidate: Classes, labels: Classes) -> Agreement:
        """Compare predicted classes with the true ones: int64 (N,) each."""
        before, after = incumbent == labels, candidate == labels
        alike = incumbent == candidate
        kinds = [before & after, ~before & after, before & ~after, ~before & alike, ~(before | after | alike)]
        return cls(*(int(kind.sum()) for kind in kinds))

    @property
    def accuracy(self) -> float:
        """The candidate's, in [0, 1]."""
        return (self.both_right + self.better) / sum(self)

    def answers(self) -> tuple[Classes, Classes, Classes]:
        """Return incumbent's and candidate's answers, and labels, that agree like this: int64 (N,) each."""
        incumbent, candidate = np.repeat([[0, 1, 0, 1, 1], [0, 0, 1, 1, 2]], list(self), axis=1)
        return incumbent, candidate, np.zeros(sum(self), np.int64)


@dataclass(frozen=True)
class Cell:
    """One method on one corruption under one seed: what came out, and of what.

    Attributes:
        drift: answers to unseen images of the drift, beside those of the model before the repair.
        clean: answers to clean images, likewise.
        seconds: that the repair took, on whatever else the machine did.
        code: digest of the code and parameters that decide the cell.
        model: digest of the weights before the repair.
        machine: where it was measured, in words.
    """

    drift: Agreement
    clean: Agreement
    seconds: float
    code: str
    model: str
    machine: str


class Store:
    """The file of one dataset and seed. It is read anew before each write, and written whole.

    Several processes may put cells into it at once.
    """

    def __init__(self, folder: Path, dataset: str, seed: int) -> None:
        self.path = folder / f"{dataset}-{seed}.json"

    def cells(self, corruption: str) -> dict[str, Cell]:
        """Return what was measured on a corruption, by method."""
        return {method: _cell(row) for method, row in self._read()["cells"].get(corruption, {}).items()}

    def put(self, corruption: str, method: str, cell: Cell) -> None:
        """Keep a cell, and drop those of the corruption that began with another model."""
        with self._changed() as everything:
            others = everything["cells"].get(corruption, {}).items()
            kept = {name: row for name, row in others if row["model"] == cell.model}
            everything["cells"][corruption] = kept | {method: asdict(cell)}

    def sequence(self, way: str) -> dict[str, Any] | None:
        """Return the sequence that was repaired in one way, or None."""
        found: dict[str, Any] | None = self._read()["sequences"].get(way)
        return found

    def put_sequence(self, way: str, run: dict[str, Any]) -> None:
        """Keep a sequence."""
        with self._changed() as everything:
            everything["sequences"][way] = run

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Any]]:
        """Yield what the file holds, to be changed and written back before another process may do so."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            everything = self._read()
            yield everything
            write_json(self.path, everything)
        finally:
            os.close(folder)

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"cells": {}, "sequences": {}}
        return dict(read_json(self.path))


def _cell(row: dict[str, Any]) -> Cell:
    return Cell(**row | {"drift": Agreement(*row["drift"]), "clean": Agreement(*row["clean"])})
