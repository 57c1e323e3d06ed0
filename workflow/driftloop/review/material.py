"""What the review shows, as the check prepared it: the one module that knows those files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop import layout
from driftloop.checker.previews import Preview
from driftloop.data.dataset import Dataset, content_digest, load_dataset
from driftloop.errors import DataError
from driftloop.estimate import Told
from driftloop.files import digest_array, digest_json, read_json
from driftloop.findings import drift
from driftloop.findings.drift import Drift
from driftloop.models.fixed import is_fixed
from driftloop.review.decision import NONE, UNSURE
from driftloop.review.ledger import Reported, reported
from driftloop.review.past import Past, load_past, seconds_of
from driftloop.review.previews import load_previews
from driftloop.trace import note_read, tracing

STRANGE = 0.05
"""A sample is called strange when at most this share of clean ones is as far from everything known."""


@dataclass(frozen=True)
class Pick:
    """One sample that the reviewer is asked about.

    Attributes:
        index: its place in the window.
        predicted: the class name that the incumbent gave it.
        confidence: the incumbent's probability of that class, in [0, 1].
        drift_score: how unlike the reference it is; larger is stranger.
        p_value: the share of clean samples at least as strange, in (0, 1].
        random: whether it was drawn at random from the window, and not chosen for being strange.
        nearest: places in the reference of the samples most like it, nearest first.
    """

    index: int
    predicted: str
    confidence: float
    drift_score: float
    p_value: float
    random: bool = False
    nearest: tuple[int, ...] = ()


@dataclass(frozen=True)
class ClassCount:
    """How many samples the model gives a class, and how many of them are strange."""

    name: str
    n: int
    strange: int


@dataclass(frozen=True)
class Material:
    """Everything that the review of one window shows.

    Attributes:
        window: the window's name.
        classes: class names in the order of the labels.
        images: uint8 (N, H, W, C), the whole window.
        content: SHA-256 of all the window's images.
        picks: the samples to ask about, most telling first.
        report: what the check found.
        suite: the suite of corruptions that the diagnosis is chosen from.
        counts: what the model makes of the whole window, by class.
        reference: what the model learned from, with true labels where they are known; None without one.
        past: earlier windows of the stream that were checked, oldest first.
        fixed: whether the incumbent is a program, whose answers alone can be corrected.
        now: what this window has come to so far, if it was answered before.
        clean_accuracy: the incumbent's, on clean test data, in [0, 1]; None where it is not known.
        training_seconds: how long the reference model took to train, a yardstick for repairs; None where
            that was not recorded.
        previews: how each corruption of the suite would look, likeliest first; empty where there are none.
        clean_side: how well a repair can be judged on clean images, in words, where that is not well.
        settling: whether labels alone are asked for, beside an answer that stands.
        signs: (N, 2), confidence and drift score of each sample; None where they are not known.
    """

    window: str
    classes: tuple[str, ...]
    images: npt.NDArray[np.uint8]
    content: str
    picks: tuple[Pick, ...]
    report: Drift
    suite: str = "mnist_c"
    counts: tuple[ClassCount, ...] = ()
    reference: Dataset | None = None
    past: tuple[Past, ...] = ()
    fixed: bool = False
    now: Past | None = None
    clean_accuracy: float | None = None
    training_seconds: float | None = None
    previews: tuple[Preview, ...] = ()
    clean_side: str = ""
    settling: bool = False
    signs: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        reserved = {NONE, UNSURE} & set(self.classes)
        if reserved:
            raise DataError(
                f"{self.window}: no class may be called {reserved.pop()}; the review uses it itself."
            )

    @property
    def drifted(self) -> bool:
        """Whether the check found drift."""
        return self.report.drifted

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """Corruptions to choose the diagnosis from, likeliest first as far as they were compared."""
        if self.previews:
            return tuple(item.name for item in self.previews)
        from driftloop.corruptions import SUITES

        return tuple(SUITES[self.suite])

    @property
    def story(self) -> tuple[Past, ...]:
        """Earlier windows, and last what this one has come to so far."""
        return (*self.past, *([self.now] if self.now else []))

    @cached_property
    def trained(self) -> tuple[Preview, ...]:
        """The filter that an earlier answer to these samples had trained, if any."""
        path = layout.candidate(self.window, "filter") / "previews.safetensors"
        return load_previews(path, about=self.images_digest)

    @property
    def filtered(self) -> tuple[Preview, ...]:
        """Filters to see the samples through: one that was trained, and the likeliest that were sketched."""
        return (*self.trained, *(item for item in self.previews if item.filtered is not None))

    def preview(self, diagnosis: str | None) -> Preview | None:
        """Return how a corruption would look, or None where nothing was prepared."""
        return next((item for item in self.previews if item.name == diagnosis), None)

    @cached_property
    def shown(self) -> frozenset[int]:
        """The indices of the samples that the reviewer is asked about."""
        return frozenset(pick.index for pick in self.picks)

    @cached_property
    def reported(self) -> Reported:
        """What of the report an answer is bound to."""
        return reported(self.report)

    @cached_property
    def images_digest(self) -> str:
        """SHA-256 of what is on screen: which samples, in which order, and their pixels."""
        index = np.array([pick.index for pick in self.picks], dtype=np.int64)
        pixels = digest_array(np.asarray(self.images[index]))
        return digest_json({"index": index.tolist(), "shape": list(self.images.shape[1:]), "pixels": pixels})

    def told(self, labels: Mapping[int, str]) -> Told | None:
        """Return what labels say of the model; None where no sample drawn at random has a class."""
        given = [pick for pick in self.picks if labels.get(pick.index) in self.classes]
        if not any(pick.random for pick in given):
            return None
        return Told(
            np.array([pick.index for pick in given]),
            np.array([labels[pick.index] == pick.predicted for pick in given]),
            np.array([pick.random for pick in given]),
            np.zeros((len(self.images), 0)) if self.signs is None else self.signs,
        )


def load_material(
    window: str,
    suite: str,
    before: Sequence[str] = (),
    *,
    parent: str | None = None,
    asked: Sequence[int] | None = None,
) -> Material:
    """Read what the check prepared for `window` in the project of the working directory.

    Args:
        window: its name.
        suite: the suite of corruptions to choose a diagnosis from.
        before: the windows that came before it, oldest first.
        parent: the owner of the incumbent, a window or `reference`.
        asked: the samples to ask about; by default those that the check picked.

    Raises:
        DataError: the window was not checked yet, or a file of it is damaged.
    """
    path = layout.drift(window)
    if not path.exists():
        raise DataError(f"{path} does not exist: {window} is not checked yet. Run: snakemake --cores all")
    folder, report = path.parent, Drift.read(path)
    dataset = load_dataset(layout.window(window))
    rows = read_samples(folder / "samples.csv")
    try:
        picked = report.picks if asked is None else [drift.Pick(index, random=True) for index in asked]
        picks = tuple(_pick(item, rows) for item in picked)
        counts = _count(rows, dataset.classes)
        signs = np.array([[float(row[name]) for name in ("confidence", "drift_score")] for row in rows])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: drift.json and samples.csv do not fit together ({error!r}).") from error
    if len(rows) != len(dataset):
        raise DataError(f"{folder}: samples.csv has {len(rows)} samples, but the window {len(dataset)}.")
    with tracing():  # of no effect on what is decided: no trace of this is kept
        hints: dict[str, Any] = {
            "reference": _reference(),
            "fixed": is_fixed(_of_incumbent(parent, "model") or {"network": {}}),
            "past": tuple(past for name in before if (past := load_past(name))),
            "now": load_past(window),
            "clean_accuracy": _of_incumbent(parent, "lineage").get("clean_accuracy"),
            "training_seconds": seconds_of(layout.model(layout.REFERENCE), "train-model"),
        }
    return Material(
        window=window,
        classes=dataset.classes,
        images=dataset.images,
        content=content_digest(layout.window(window)),
        picks=picks,
        report=report,
        suite=suite,
        counts=counts,
        # They show the picks of the check, in their order.
        previews=load_previews(folder / "previews.safetensors") if asked is None else (),
        settling=asked is not None,
        signs=signs,
        **hints,
    )


def read_samples(path: Path) -> list[dict[str, str]]:
    """Read the table of samples, whose rows stand in the window's order."""
    try:
        content = path.read_bytes()
        note_read(path, content)
        return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged ({error}).") from error


def _pick(item: drift.Pick, rows: Sequence[Mapping[str, str]]) -> Pick:
    row = rows[item.index]
    if int(row["index"]) != item.index:
        raise ValueError(f"row {item.index} is about sample {row['index']}")
    return Pick(
        index=item.index,
        predicted=row["predicted"],
        confidence=float(row["confidence"]),
        drift_score=float(row["drift_score"]),
        p_value=float(row["p_value"]),
        random=item.random,
        nearest=item.nearest,
    )


def _count(rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> tuple[ClassCount, ...]:
    given = Counter(row["predicted"] for row in rows)
    strange = Counter(row["predicted"] for row in rows if float(row["p_value"]) <= STRANGE)
    return tuple(ClassCount(name, given[name], strange[name]) for name in classes)


def _reference() -> Dataset | None:
    """Open what samples are shown beside; without it a review still goes on."""
    with suppress(DataError):
        return load_dataset(layout.split("train"), checked=False)
    return None


def _of_incumbent(owner: str | None, manifest: str) -> dict[str, Any]:
    """Read a manifest of the incumbent; without it a review still goes on, and knows less."""
    with suppress(DataError, TypeError, ValueError):
        return dict(read_json(layout.model(owner) / f"{manifest}.json")) if owner else {}
    return {}
