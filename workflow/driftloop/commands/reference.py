"""Once: fetch the dataset, split it, train the reference model, fit its detector."""

from __future__ import annotations

from typing import Any

from driftloop import layout
from driftloop.commands.console import progress, say
from driftloop.commands.step import step
from driftloop.files import write_json


@step("fetch-dataset", reads=("dataset",))
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


@step("split-dataset", reads=("seed", "split.calibration", "split.test", "split.production"))
def split_dataset(params: dict[str, Any]) -> None:
    """Split the dataset into train, calibration, test and production: disjoint random permutations."""
    from driftloop.data.dataset import load_dataset, save_dataset
    from driftloop.data.split import split_indices

    dataset = load_dataset(layout.RAW)
    for name, index in split_indices(len(dataset), params["split"], params["seed"]).items():
        save_dataset(layout.split(name), dataset.take(index))
        say(f"{name}: {len(index):,} images.")


@step("train-model", reads=("seed", "network", "train"))
def train_model(params: dict[str, Any]) -> None:
    """Train the reference model and measure it on the clean test split."""
    from driftloop.commands.classify import correct
    from driftloop.data.dataset import content_digest, load_dataset
    from driftloop.models.store import save_model
    from driftloop.models.train import TrainSettings, train_classifier
    from driftloop.tracker.lineage import Lineage, save_lineage

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
    clean = correct(classifier, load_dataset(layout.split("test")))
    home = layout.model(layout.REFERENCE)
    digest = save_model(home, classifier, training_data=[content_digest(layout.split("train"))])
    save_lineage(home, Lineage(owner=layout.REFERENCE, model=digest, clean_accuracy=float(clean.mean())))
    epochs = [{"loss": epoch.loss, "accuracy": epoch.accuracy} for epoch in history]
    write_json(layout.results(layout.REFERENCE) / "training.json", {"epochs": epochs})
    say(f"reference model: accuracy {clean.mean():.4f} on {len(clean):,} clean images.")


@step("fit-detector", reads=("seed", "detector.method", "detector.reference"))
def fit_detector(params: dict[str, Any]) -> None:
    """Fit the detector to what the reference model makes of clean data."""
    from driftloop.checker.store import save_detector
    from driftloop.commands.classify import open_model
    from driftloop.commands.detect import fit_clean
    from driftloop.models.store import model_digest

    home = layout.model(layout.REFERENCE)
    save_detector(home, fit_clean(open_model(home), params), model=model_digest(home))
