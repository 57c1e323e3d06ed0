"""Once: fetch the dataset, split it, train the reference model, fit its detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftloop import layout
from driftloop.commands.console import progress, say
from driftloop.commands.step import step
from driftloop.errors import ModelError
from driftloop.files import write_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from driftloop.models.classifier import Classifier
    from driftloop.models.train import Epoch


@step("fetch-dataset", reads=("dataset",), home="data/raw")
def fetch_dataset(params: dict[str, Any]) -> None:
    """Fetch the dataset and check it against its published digests."""
    from driftloop.data.contract import DatasetSource
    from driftloop.data.dataset import save_dataset
    from driftloop.params.instantiate import instantiate

    source = instantiate(params["dataset"], DatasetSource, where="params.yaml: dataset")
    with progress("fetching"):
        dataset = source.fetch(say)
    save_dataset(layout.RAW, dataset)
    say(f"{dataset.name}: {len(dataset):,} images of {len(dataset.classes)} classes.")


@step(
    "split-dataset", reads=("seed", "split.calibration", "split.test", "split.production"), home="data/splits"
)
def split_dataset(params: dict[str, Any]) -> None:
    """Split the dataset into train, calibration, test and production: disjoint random permutations."""
    from driftloop.data.dataset import load_dataset, save_dataset
    from driftloop.data.split import split_indices

    dataset = load_dataset(layout.RAW)
    for name, index in split_indices(len(dataset), params["split"], params["seed"]).items():
        save_dataset(layout.split(name), dataset.take(index))
        say(f"{name}: {len(index):,} images.")


@step("train-model", reads=("seed", "network", "model", "train"), home="models/reference")
def train_model(params: dict[str, Any]) -> None:
    """Train the reference model, or take the one that is given, and measure it on the clean test split."""
    from driftloop.commands.classify import predicted_classes
    from driftloop.data.dataset import content_digest, load_dataset
    from driftloop.models.store import save_model
    from driftloop.tracker.lineage import Lineage, save_lineage

    classifier, history = _adopt(params) if params["model"] else _train(params)
    test = load_dataset(layout.split("test"))
    predicted = predicted_classes(classifier, test.images, "scoring")
    clean = predicted == test.known_labels
    home = layout.model(layout.REFERENCE)
    seen = [] if params["model"] else [content_digest(layout.split("train"))]
    digest = save_model(home, classifier, training_data=seen)
    save_lineage(home, Lineage(owner=layout.REFERENCE, model=digest, clean_accuracy=float(clean.mean())))
    epochs = [{"loss": epoch.loss, "accuracy": epoch.accuracy} for epoch in history]
    write_json(layout.results(layout.REFERENCE) / "training.json", {"epochs": epochs})
    _log_training(epochs)
    say(f"reference model: accuracy {clean.mean():.4f} on {len(clean):,} clean images.")
    if params["model"]:
        _doubt(predicted, test.known_labels, classifier.classes)


def _doubt(predicted: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], classes: tuple[str, ...]) -> None:
    """Say what is strange about a model from elsewhere: another order of its outputs, or no skill at all."""
    from driftloop.models.order import better_order
    from driftloop.params.yaml_text import render_yaml

    accuracy, chance = float((predicted == labels).mean()), 1 / len(classes)
    say(f"Its outputs are taken to be, in this order: {', '.join(classes)}.")
    if other := better_order(predicted, labels, classes):
        say(
            ("Its outputs seem to stand in another order.", "bold yellow"),
            f" With that order its accuracy is {other.accuracy:.4f} instead of {accuracy:.4f}. If it was "
            f"trained so, write below dataset in params.yaml:\n  classes: {render_yaml(list(other.classes))}",
        )
    elif accuracy < chance + 0.1 * (1 - chance):
        say(
            ("That is hardly better than chance.", "bold yellow"),
            " Are model.mean and model.std what the model takes? Another order of its outputs is said by "
            "dataset.classes, but none was found that is much better.",
        )


def _log_training(epochs: Sequence[dict[str, float]]) -> None:
    """Log the epochs through DVCLive where DVC is installed. The images of the rules do without."""
    from importlib.util import find_spec

    if not epochs or find_spec("dvclive") is None:
        return
    from dvclive.live import Live

    try:
        with Live("logs/dvclive", save_dvc_exp=False, dvcyaml=None, report=None) as live:
            for epoch in epochs:
                for name, value in epoch.items():
                    live.log_metric(name, value)
                live.next_step()
    except Exception as error:  # such as Git without a commit. A log stops no training
        say(f"The training is not logged for DVC ({error}); nothing else needs that log.")


def _train(params: dict[str, Any]) -> tuple[Classifier, Sequence[Epoch]]:
    from driftloop.data.dataset import load_dataset
    from driftloop.models.train import TrainSettings, train_classifier

    data = load_dataset(layout.split("train"))
    with progress("training") as advance:
        classifier, history = train_classifier(
            data.images,
            data.known_labels,
            network=params["network"],
            classes=data.classes,
            settings=TrainSettings(**params["train"]),
            seed=params["seed"],
            progress=advance,
        )
    if not math.isfinite(history[-1].loss):
        raise ModelError(
            f"the training has diverged: its loss is {history[-1].loss}. Lower train.learning_rate, which is "
            f"{params['train']['learning_rate']}."
        )
    return classifier, history


def _adopt(params: dict[str, Any]) -> tuple[Classifier, Sequence[Epoch]]:
    """Take a model that was trained elsewhere."""
    from driftloop.data.dataset import load_dataset
    from driftloop.models.device import default_device
    from driftloop.models.outside import adopt

    data, given = load_dataset(layout.split("train")), params["model"]
    adopted = adopt(
        Path(given["file"]).expanduser(),
        network=params["network"],
        mean=given["mean"],
        std=given["std"],
        images=data.images,
        classes=data.classes,
        output=given.get("output"),
    )
    for note in adopted.notes:
        say(f"{given['file']}: {note}.")
    if adopted.classifier.network.fixed:
        say(f"{given['file']} is a program: retraining corrects its answers, its weights stay.")
    return adopted.classifier.to(default_device()), ()


@step("fit-detector", reads=("seed", "detector.method", "detector.reference"), home="models/reference")
def fit_detector(params: dict[str, Any]) -> None:
    """Fit the detector to what the reference model makes of clean data."""
    from driftloop.checker.store import save_detector
    from driftloop.commands.classify import open_model
    from driftloop.commands.detect import fit_clean
    from driftloop.models.store import model_digest

    home = layout.model(layout.REFERENCE)
    save_detector(home, fit_clean(open_model(home), params), model=model_digest(home))
