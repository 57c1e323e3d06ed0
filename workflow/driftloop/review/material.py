"""What the review shows, as the check prepared it: the one module that knows those files."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop import layout
from driftloop.corruptions import SUITES
from driftloop.data.dataset import load_dataset
from driftloop.errors import DataError
from driftloop.files import digest_array, digest_json, read_json
from driftloop.review.ledger import NONE, UNSURE


@dataclass(frozen=True)
class Estimate:
    """A share in [0, 1] with its interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Pick:
    """One sample that the reviewer is asked about.

    Attributes:
        index: its place in the window.
        predicted: the class name that the incumbent gave it.
        confidence: the incumbent's probability of that class, in [0, 1].
        drift_score: how unlike the reference it is; larger is stranger.
        p_value: the share of clean samples at least as strange, in (0, 1].
        reason: why the check picked it.
    """

    index: int
    predicted: str
    confidence: float
    drift_score: float
    p_value: float
    reason: str = ""


@dataclass(frozen=True)
class Material:
    """Everything that the review of one window shows.

    Attributes:
        window: the window's name.
        classes: class names in the order of the labels.
        images: uint8 (N, H, W, C), the whole window.
        picks: the samples to ask about, most telling first.
        report: the drift report, as its file holds it.
        diagnoses: families of corruption to choose the diagnosis from, likeliest first.
        reference: uint8 (M, H, W, C), or None where the check named no nearest reference samples.
        nearest: pick index to indices into `reference`, nearest first.
    """

    window: str
    classes: tuple[str, ...]
    images: npt.NDArray[np.uint8]
    picks: tuple[Pick, ...]
    report: Mapping[str, Any]
    diagnoses: tuple[str, ...] = ()
    reference: npt.NDArray[np.uint8] | None = None
    nearest: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        reserved = {NONE, UNSURE} & set(self.classes)
        if reserved:
            raise DataError(
                f"{self.window}: a class is called {reserved.pop()!r}, which the review needs itself."
            )

    @property
    def drifted(self) -> bool:
        """Whether the check found drift."""
        return bool(self.report["drifted"])

    @cached_property
    def shown(self) -> frozenset[int]:
        """The indices of the samples that the reviewer is asked about."""
        return frozenset(pick.index for pick in self.picks)

    @cached_property
    def report_digest(self) -> str:
        """SHA-256 of the report's content."""
        return digest_json(dict(self.report))

    @cached_property
    def images_digest(self) -> str:
        """SHA-256 of what is on screen: which samples, in which order, and their pixels."""
        index = np.array([pick.index for pick in self.picks], dtype=np.int64)
        pixels = digest_array(np.asarray(self.images[index]))
        return digest_json({"index": index.tolist(), "shape": list(self.images.shape[1:]), "pixels": pixels})

    def share(self, name: str) -> Estimate | None:
        """Return the report's estimate called `name`, or None where it has none."""
        value = self.report.get(name)
        return None if value is None else Estimate(value["estimate"], value["low"], value["high"])


def load_material(window: str, suite: str) -> Material:
    """Read what the check prepared for `window` in the project of the working directory.

    Args:
        window: its name.
        suite: the suite of corruptions to choose a diagnosis from.

    Raises:
        DataError: the window was not checked yet, or a file of it is damaged.
    """
    folder = layout.results(window)
    if not (folder / "drift.json").exists():
        raise DataError(
            f"{folder / 'drift.json'} does not exist: {window} is not checked yet. Run: snakemake --cores all"
        )
    report = read_json(folder / "drift.json")
    dataset = load_dataset(layout.window(window))
    rows = _read_samples(folder / "samples.csv")
    try:
        picks = tuple(_pick(item, rows, dataset.classes) for item in report["picks"])
        nearest = {int(key): tuple(map(int, value)) for key, value in (report.get("nearest") or {}).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: drift.json and samples.csv do not fit together ({error!r}).") from error
    if any(not 0 <= pick.index < len(dataset) for pick in picks):
        raise DataError(
            f"{folder}: drift.json names samples that the window's {len(dataset)} images do not have."
        )
    return Material(
        window=window,
        classes=dataset.classes,
        images=dataset.images,
        picks=picks,
        report=report,
        diagnoses=_diagnoses(report, suite),
        reference=_reference() if nearest else None,
        nearest=nearest,
    )


def _read_samples(path: Path) -> dict[int, dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {int(row["index"]): row for row in csv.DictReader(stream)}
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error!r}).") from error


def _pick(item: Mapping[str, Any], rows: Mapping[int, Mapping[str, str]], classes: tuple[str, ...]) -> Pick:
    index = int(item["index"])
    row = rows[index]
    predicted = row["predicted"]
    return Pick(
        index=index,
        predicted=predicted if predicted in classes else classes[int(predicted)],
        confidence=float(row["confidence"]),
        drift_score=float(row["drift_score"]),
        p_value=float(row["p_value"]),
        reason=str(item.get("reason", "")),
    )


def _diagnoses(report: Mapping[str, Any], suite: str) -> tuple[str, ...]:
    """Corruptions to choose from: those that the check ranked first, then the rest of the suite."""
    ranked = [str(name) for name in report.get("families") or ()]
    return tuple(dict.fromkeys([*ranked, *SUITES[suite]]))


def _reference() -> npt.NDArray[np.uint8] | None:
    folder = layout.split("train")
    return load_dataset(folder).images if (folder / "meta.json").exists() else None
