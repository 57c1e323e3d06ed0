"""Edges that run a classifier: on the best device there is, under a progress bar."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from driftloop.commands.console import progress
from driftloop.data.pictures import Form
from driftloop.errors import DriftloopError
from driftloop.models.classifier import Classifier
from driftloop.models.device import default_device
from driftloop.models.features import Features
from driftloop.models.predict import predict
from driftloop.models.store import load_model


class Labelled(Protocol):
    """Images with the labels that are known for them: a dataset, or reviewed samples."""

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        """uint8 (N, H, W, C)."""

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """int64 (N,)."""


def open_model(folder: Path) -> Classifier:
    """Load a model folder onto the GPU where there is one. See `driftloop.models.store.load_model`."""
    return load_model(folder, default_device())


def own_form(shape: tuple[int, int, int]) -> Form:
    """Return how pictures are made to fit: as this project's windows are, or with no guess outside one."""
    from driftloop.data.contract import form_of
    from driftloop.params.load import read_params

    with suppress(DriftloopError, KeyError, TypeError, AttributeError):
        return form_of(read_params()["dataset"], shape)
    return Form(shape)


def see(classifier: Classifier, images: npt.NDArray[np.uint8], what: str = "predicting") -> Features:
    """Run a classifier over images (N, H, W, C)."""
    with progress(what) as advance:
        return predict(classifier, images, progress=advance)


def predicted_classes(
    classifier: Classifier, images: npt.NDArray[np.uint8], what: str = "predicting"
) -> npt.NDArray[np.int64]:
    """The class that a classifier takes each image (N, H, W, C) for, int64 (N,)."""
    logits = see(classifier, images, what).logits
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


def correct(classifier: Classifier, samples: Labelled, what: str = "scoring") -> npt.NDArray[np.bool_]:
    """Which of some labelled samples a classifier gets right, bool (N,)."""
    right: npt.NDArray[np.bool_] = predicted_classes(classifier, samples.images, what) == samples.labels
    return right
