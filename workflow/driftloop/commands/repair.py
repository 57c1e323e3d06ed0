"""Edges that the repairs and their evaluation share: what there is to learn from, and where it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop import layout
from driftloop.checker.previews import Preview, thin
from driftloop.commands.classify import open_model, predicted_classes
from driftloop.data.dataset import Dataset, content_digest, load_dataset
from driftloop.files import read_json, write_json
from driftloop.improver.imitate import Imitation, imitate
from driftloop.improver.retrain import Samples
from driftloop.improver.reviewed import Reviewed, folds, one_of_each, read_reviewed
from driftloop.improver.train_filter import through_filters
from driftloop.models.classifier import Classifier
from driftloop.models.store import model_digest, save_model
from driftloop.review.material import load_material
from driftloop.review.previews import save_previews
from driftloop.tracker.lineage import Repair, load_lineage

_SHOWN = 10
"""Samples shown before and after a repair: one of each class, of so many classes at most."""


class Occasion:
    """The occasion of a repair: a drifted window, what was decided on it, and the incumbent.

    Args:
        window: its name.
        params: with `seed`, `corruptions` and the window's `parent`.
    """

    def __init__(self, window: str, params: dict[str, Any]) -> None:
        self.window = window
        self.parent = layout.model(params["stream"][window]["parent"])
        self.verdict = read_json(layout.results(window) / "verdict.json")
        self.repairs: tuple[Repair, ...] = load_lineage(self.parent).repairs
        self._seed, self._suite = params["seed"], params["corruptions"]

    @cached_property
    def incumbent(self) -> Classifier:
        """The model that is in production."""
        return open_model(self.parent)

    def split(self, name: str) -> Dataset:
        """One of the dataset's splits."""
        return load_dataset(layout.split(name))

    def reviewed(self) -> tuple[Samples, Samples]:
        """The window's reviewed samples: those that a repair may learn from, and those that judge it."""
        return self._halves(self.window)

    def earlier_reviewed(self) -> dict[str, tuple[Samples, Samples]]:
        """The same for each window whose repair the incumbent carries."""
        return {repair.window: self._halves(repair.window) for repair in self.repairs}

    def earlier_imitations(self) -> list[Imitation]:
        """How to do to clean images what happened to those windows."""
        return [Imitation.from_json(repair.imitation) for repair in self.repairs]

    def imitate(self) -> Imitation:
        """Read off the window how to do to clean images what happened to it."""
        diagnosis = self.verdict["diagnosis"]
        return imitate(
            self.incumbent,
            self.split("train").images,
            load_dataset(layout.window(self.window)).images,
            suite=self._suite,
            corruptions=[diagnosis] if diagnosis else None,
            seed=self._seed,
        )

    def save(self, candidate: Classifier, imitation: Imitation, repair: str) -> None:
        """Keep a candidate, and beside it how its drift was imitated."""
        home = layout.candidate(self.window, repair)
        write_json(home / "imitation.json", imitation.to_json())
        seen = [content_digest(folder) for folder in (layout.split("train"), layout.window(self.window))]
        save_model(home, candidate, parent=model_digest(self.parent), training_data=seen)

    def show(self, candidate: Classifier) -> None:
        """Keep what a candidate's filters make of the reviewed samples, for whoever reviews them again."""
        material = load_material(self.window, self._suite)
        images = material.images[[pick.index for pick in material.picks]]
        preview = Preview(
            name=self.verdict["diagnosis"] or "every kind",
            distance=0,
            examples=images[:0],
            filtered=thin(_through(candidate, images)),
        )
        path = layout.candidate(self.window, "filter") / "previews.safetensors"
        save_previews(path, [preview], about=material.images_digest)

    def _halves(self, window: str) -> tuple[Samples, Samples]:
        images = load_dataset(layout.window(window)).images
        learnt, judging = (Samples(images[half.index], half.labels) for half in halves(window, self._seed))
        return learnt, judging


def halves(window: str, seed: int) -> tuple[Reviewed, Reviewed]:
    """Which reviewed samples of a window repairs learn from, and which ones judge them.

    It follows from the verdict and the seed alone: what judged once never teaches.
    """
    arrived = load_dataset(layout.window(window))
    verdict = read_json(layout.results(window) / "verdict.json")
    labels = {int(index): label for index, label in verdict["labels"].items()}
    learnt, judging = folds(read_reviewed(labels, arrived.classes, len(arrived)), 2, seed)
    return learnt, judging


def join(samples: Sequence[Samples]) -> Samples:
    """Put labelled samples, one set at least, together."""
    images, labels = ([getattr(each, name) for each in samples] for name in ("images", "labels"))
    return Samples(np.concatenate(images), np.concatenate(labels))


def before_and_after(
    incumbent: Classifier, candidate: Classifier, samples: Samples
) -> tuple[npt.NDArray[np.uint8], dict[str, list[int]]]:
    """Choose a few reviewed samples, one of each class, that show what a candidate does.

    Returns:
        uint8 (2, k, H, W, C), k of them as they arrived and as they reach the network behind the candidate's
        filters; and the k classes that the reviewer, the incumbent and the candidate take them for.
    """
    chosen = one_of_each(samples.labels, _SHOWN)
    arrived = samples.images[chosen]
    filtered = _through(candidate, arrived)
    said = {
        "labels": samples.labels[chosen],
        "incumbent": predicted_classes(incumbent, arrived),
        "candidate": predicted_classes(candidate, arrived),
    }
    return np.stack([arrived, filtered]), {name: classes.tolist() for name, classes in said.items()}


def _through(candidate: Classifier, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images as they reach the network behind a classifier's filters, uint8 (N, H, W, C)."""
    pixels: npt.NDArray[np.uint8] = (
        through_filters(candidate, images).permute(0, 2, 3, 1).mul(255).round().byte().cpu().numpy()
    )
    return pixels
