"""Edges that the repairs and their evaluation share: what there is to learn from, and where it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop import layout
from driftloop.checker.copies import find_copies
from driftloop.checker.previews import Preview, thin
from driftloop.commands.classify import open_model, predicted_classes
from driftloop.data.dataset import Dataset, content_digest, load_dataset
from driftloop.files import write_json
from driftloop.findings.drift import Drift
from driftloop.findings.evaluation import Strip
from driftloop.findings.verdict import Verdict
from driftloop.improver.imitate import Imitation, imitate
from driftloop.improver.lesson import Samples
from driftloop.improver.pixels import floats, through_filters
from driftloop.improver.reviewed import Parts, Reviewed, one_of_each, part, read_reviewed
from driftloop.models.classifier import Classifier
from driftloop.models.store import model_digest, save_model
from driftloop.review.material import load_material, read_samples
from driftloop.review.previews import save_previews
from driftloop.tracker.lineage import Repair, load_lineage

_SHOWN = 10
"""Samples shown before and after a repair: one of each class, of so many classes at most."""
_IMITATED = 2000
"""Clean held-out images to which each earlier drift is done."""


class Occasion:
    """The occasion of a repair: a drifted window, what was decided on it, and the incumbent.

    Args:
        window: its name.
        params: with `seed`, `corruptions` and the window's `parent`.
    """

    def __init__(self, window: str, params: dict[str, Any]) -> None:
        self.window = window
        self.parent = layout.model(params["stream"][window]["parent"])
        self.verdict = Verdict.of(window)
        self.repairs: tuple[Repair, ...] = load_lineage(self.parent).repairs
        self._seed, self._suite = params["seed"], params["corruptions"]

    @cached_property
    def incumbent(self) -> Classifier:
        """The model that is in production."""
        return open_model(self.parent)

    def split(self, name: str) -> Dataset:
        """One of the dataset's splits."""
        return load_dataset(layout.split(name))

    @cached_property
    def arrived(self) -> Dataset:
        """The window's images."""
        return load_dataset(layout.window(self.window))

    @cached_property
    def picks(self) -> dict[int, bool]:
        """The samples that the check picked, and whether each was drawn at random."""
        return Drift.of(self.window).picked

    @cached_property
    def reviewed(self) -> Reviewed:
        """The samples to which the reviewer gave a class."""
        return reviewed_of(self.window)

    @cached_property
    def parts(self) -> Parts:
        """The window's samples, by what they are for."""
        return parts_of(self.window)

    @cached_property
    def different(self) -> npt.NDArray[np.int64]:
        """The window's different pictures, each where it comes first: no copy of what teaches judges."""
        return find_copies(self.arrived.images).first

    @property
    def aligned_on(self) -> npt.NDArray[np.int64]:
        """The samples by whose looks a network is aligned; they may only speak against it."""
        strange = [index for index, random in self.picks.items() if not random]
        return np.union1d(np.array(strange, np.int64), self.parts.unlabelled)

    def samples(self, reviewed: Reviewed) -> Samples:
        """Some of the window's reviewed samples, with their images."""
        return Samples(self.arrived.images[reviewed.index], reviewed.labels)

    def earlier_taught(self) -> Samples | None:
        """What taught the repairs that the incumbent carries, or None where there were none."""
        taught = [
            Samples(load_dataset(layout.window(repair.window)).images[reviewed.index], reviewed.labels)
            for repair in self.repairs
            if len(reviewed := parts_of(repair.window).taught)
        ]
        return join(taught) if taught else None

    def earlier_drifts(self) -> dict[str, Samples]:
        """For each window whose repair the incumbent carries: its drift, done to clean held-out images.

        They stand for it in numbers that a review cannot give, so that a small loss shows.
        """
        clean = self.split("test")
        rows = np.arange(min(len(clean), _IMITATED))
        images, labels = np.asarray(clean.images[rows]), clean.known_labels[rows]
        return {
            repair.window: Samples(imitation.apply(images, np.random.default_rng(self._seed)), labels)
            for repair, imitation in zip(self.repairs, self.earlier_imitations(), strict=True)
        }

    def earlier_imitations(self) -> list[Imitation]:
        """How to do to clean images what happened to those windows."""
        return [Imitation.from_json(repair.imitation) for repair in self.repairs]

    def imitate(self) -> Imitation:
        """Read off the window how to do to clean images what happened to it."""
        diagnosis = self.verdict.diagnosis
        return imitate(
            self.incumbent,
            self.split("train").images,
            self.arrived.images,
            suite=self._suite,
            corruptions=[diagnosis] if diagnosis else None,
            seed=self._seed,
        )

    def save(
        self, candidate: Classifier, imitation: Imitation, repair: str, learnt: npt.NDArray[np.int64]
    ) -> None:
        """Keep a candidate, and beside it how its drift was imitated and which samples it has learnt from."""
        home = layout.candidate(self.window, repair)
        write_json(layout.learnt(self.window, repair), learnt.tolist())
        write_json(home / "imitation.json", imitation.to_json())
        seen = [content_digest(folder) for folder in (layout.split("train"), layout.window(self.window))]
        save_model(home, candidate, parent=model_digest(self.parent), training_data=seen)

    def show(self, candidate: Classifier) -> None:
        """Keep what a new filter makes of the reviewed samples, for whoever reviews them again."""
        material = load_material(self.window, self._suite)
        images = material.images[[pick.index for pick in material.picks]]
        preview = Preview(
            name=self.verdict.diagnosis or "every kind",
            distance=0,
            examples=images[:0],
            filtered=thin(_through(candidate, images)),
        )
        path = layout.candidate(self.window, "filter") / "previews.safetensors"
        shown = [preview] if self.adds_filter(candidate) else []
        save_previews(path, shown, about=material.images_digest)

    def adds_filter(self, candidate: Classifier) -> bool:
        """Whether a candidate has a filter that the incumbent has not; one that is aligned has none."""
        return len(candidate.filters) > len(self.incumbent.filters)


def parts_of(window: str) -> Parts:
    """Which samples of a window repairs learn from.

    It follows from the verdict, from how the check picked the samples, and from what the incumbent answered.
    """
    arrived = load_dataset(layout.window(window))
    predicted = [row["predicted"] for row in read_samples(layout.results(window) / "samples.csv")]
    answers = np.array([arrived.classes.index(name) for name in predicted], np.int64)
    first = find_copies(arrived.images).first
    return part(reviewed_of(window), Drift.of(window).picked, len(arrived), first, answers=answers)


def reviewed_of(window: str) -> Reviewed:
    """Return the samples of a window to which the reviewer gave a class."""
    arrived = load_dataset(layout.window(window))
    return read_reviewed(Verdict.of(window).labels, arrived.classes, len(arrived))


def join(samples: Sequence[Samples]) -> Samples:
    """Put labelled samples, one set at least, together."""
    images, labels = ([getattr(each, name) for each in samples] for name in ("images", "labels"))
    return Samples(np.concatenate(images), np.concatenate(labels))


def before_and_after(
    incumbent: Classifier, candidate: Classifier, samples: Samples, *, taught: bool
) -> tuple[npt.NDArray[np.uint8], Strip]:
    """Choose a few reviewed samples, one of each class, that show what a candidate does.

    Returns:
        uint8 (2, k, H, W, C), k of them as they arrived and as they reach the network behind the candidate's
        filters; and the k classes that the reviewer, the incumbent and the candidate take them for.
    """
    chosen = one_of_each(samples.labels, _SHOWN)
    arrived = samples.images[chosen]
    filtered = _through(candidate, arrived)
    labels = samples.labels[chosen]
    before, after = (predicted_classes(model, arrived) for model in (incumbent, candidate))
    strip = Strip(tuple(labels.tolist()), tuple(before.tolist()), tuple(after.tolist()), taught)
    return np.stack([arrived, filtered]), strip


def _through(candidate: Classifier, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images as they reach the network behind a classifier's filters, uint8 (N, H, W, C)."""
    reaching = floats(through_filters(candidate, images)).permute(0, 2, 3, 1)
    pixels: npt.NDArray[np.uint8] = reaching.mul(255).round().byte().cpu().numpy()
    return pixels
