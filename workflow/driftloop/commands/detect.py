"""Edges that the fitting of a detector shares: the reference's, and the one after each promotion."""

from __future__ import annotations

from typing import Any

from driftloop import layout
from driftloop.checker.exposure import expose
from driftloop.checker.fitted import FittedDetector, fit_detector
from driftloop.commands.classify import see
from driftloop.data.dataset import load_dataset
from driftloop.models.classifier import Classifier


def fit_clean(classifier: Classifier, params: dict[str, Any]) -> FittedDetector:
    """Fit a detector to clean data as a classifier sees them.

    The reference is the beginning of the train split, which is in random order: the positions of nearest
    reference samples are positions in that split.
    """
    train, calibration = load_dataset(layout.split("train")), load_dataset(layout.split("calibration"))
    most = params["detector"]["reference"]
    return fit_detector(
        see(classifier, train.images[:most], "embedding the reference"),
        see(classifier, calibration.images, "embedding the calibration"),
        spec=params["detector"]["method"],
        classes=train.known_labels[:most],
        exposure=expose(
            calibration.images,
            calibration.known_labels,
            lambda images: see(classifier, images, "embedding damaged images"),
            seed=params["seed"],
        ),
        seed=params["seed"],
    )
