"""Aligning on scikit-learn's digits: a drift gets statistics of its own, clean images keep theirs."""

import runpy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from driftloop.errors import DataError, ModelError
from driftloop.improver.align import TARGET, align, unaligned
from driftloop.improver.imitate import Imitation
from driftloop.improver.lesson import Lesson
from driftloop.improver.retrain import RetrainSettings, retrain
from driftloop.improver.train_filter import FilterSettings
from driftloop.models.classifier import Classifier, ClassifierSpec
from driftloop.models.export import export_model
from driftloop.models.networks import Network
from driftloop.models.predict import predict
from driftloop.models.store import load_model, save_model
from driftloop.params.named_class import allow
from driftloop.review.decision import repairs_of

shared = runpy.run_path(str(Path(__file__).with_name("test_improver.py")))
FOG, LINES, TURN = (shared[name] for name in ("FOG", "LINES", "TURN"))
Samples, accuracy, digits, drifted, incumbent, same, weights = (
    shared[name]
    for name in ("Samples", "accuracy", "digits", "drifted", "incumbent", "same", "weights")
)  # fmt: skip
UNNAMED = Imitation("mnist_c", {("impulse_noise", 3): 0.9, ("fog", 5): 0.1})
SETTINGS = FilterSettings(steps=60, batch_size=32, learning_rate=0.01, touched=0.005)


def aligned_to(how: Imitation, classifier: Classifier, **more: object) -> Classifier:
    parts = digits()
    window = drifted(how).images[:100]
    settings = more.pop("settings", SETTINGS)
    lesson = Lesson(parts["train"], window=window, calibration=parts["calibration"].images, **more)
    return align(classifier, lesson, settings=settings, seed=0)


@cache
def aligned() -> Classifier:
    return aligned_to(FOG, incumbent())


def test_it_wins_back_what_fog_took_and_leaves_the_weights_alone():
    before = weights(incumbent())
    others = Samples(drifted(FOG).images[100:], drifted(FOG).labels[100:])
    clean, lost = accuracy(incumbent(), digits()["test"]), accuracy(incumbent(), others)
    assert lost < clean - 0.15
    assert accuracy(aligned(), others) - lost > 0.5 * (clean - lost)
    assert same(before, weights(incumbent()))
    network = aligned().network
    for one, other in zip(network.usual.parameters(), network.aligned.parameters(), strict=True):
        assert torch.equal(one, other)


def test_clean_images_get_the_very_answers_that_they_got():
    images = digits()["test"].images
    before, after = (predict(each, images).logits for each in (incumbent(), aligned()))
    assert (before == after).all(axis=1).mean() > 0.97


def test_a_partly_drifted_window_gives_the_statistics_of_what_has_drifted():
    fog, clean = drifted(FOG), digits()["train"].images
    window = np.concatenate([fog.images[:60], clean[-240:]])
    parts = digits()
    lesson = Lesson(parts["train"], window=window, calibration=parts["calibration"].images)
    mixed = align(incumbent(), lesson, settings=SETTINGS, seed=0)
    others = Samples(fog.images[60:], fog.labels[60:])
    assert accuracy(mixed, others) > accuracy(incumbent(), others) + 0.1


def test_it_acts_on_its_drift_where_what_came_before_had_no_name():
    candidate = aligned_to(FOG, incumbent(), imitation=FOG, earlier=[UNNAMED])
    assert accuracy(candidate, drifted(FOG)) > accuracy(incumbent(), drifted(FOG)) + 0.1


def test_it_stacks_survives_the_disk_and_can_be_exported(tmp_path: Path):
    both = aligned_to(LINES, aligned(), earlier=[FOG])
    assert accuracy(both, drifted(FOG)) > accuracy(aligned(), drifted(FOG)) - 0.03
    save_model(tmp_path / "model", both)
    images = np.concatenate([drifted(how).images[:20] for how in (FOG, LINES)])
    logits = predict(both, images).logits
    assert np.array_equal(predict(load_model(tmp_path / "model"), images).logits, logits)
    assert export_model(both, tmp_path / "model.pt2") < 1e-4
    plain = unaligned(both)
    assert same(weights(plain), weights(incumbent()))
    assert plain.spec == incumbent().spec


def test_each_further_alignment_adds_one_network_and_no_more():
    both = aligned_to(LINES, aligned(), earlier=[FOG])
    all_three = aligned_to(TURN, both, earlier=[FOG, LINES])
    one, two, three = (
        sum(value.numel() for value in weights(each).values()) for each in (aligned(), both, all_three)
    )
    assert three - two == two - one


def test_dropout_has_no_part_in_the_statistics():
    network = {"_target_": f"{__name__}.Dropping"}
    allow(network)
    spec = ClassifierSpec(network, (16, 16, 1), tuple("0123456789"), (0.5,), (0.5,))
    torch.manual_seed(0)
    classifier = Classifier(spec).eval()
    first, again = (weights(aligned_to(FOG, classifier)) for _ in range(2))
    assert same(first, again)


def test_retraining_starts_from_the_network_within():
    parts = digits()
    some = Samples(drifted(TURN).images[:20], drifted(TURN).labels[:20])
    lesson = Lesson(parts["train"], TURN, reviewed=some)
    candidate = retrain(unaligned(aligned()), lesson, settings=RetrainSettings(steps=2), seed=0)
    assert type(candidate.network) is type(incumbent().network)


def test_a_network_without_statistics_is_refused_and_so_is_an_empty_window():
    network = {"_target_": f"{__name__}.Bare"}
    allow(network)
    spec = ClassifierSpec(network, (16, 16, 1), ("a", "b"), (0.5,), (0.5,))
    train = digits()["train"]
    lesson = Lesson(train, window=train.images, calibration=train.images)
    with pytest.raises(ModelError, match="no batch-norm layers"):
        align(Classifier(spec), lesson, settings=SETTINGS, seed=0)
    with pytest.raises(DataError, match="16 of the window that judge nothing; there are"):
        align(incumbent(), replace(lesson, window=None), settings=SETTINGS, seed=0)


class Dropping(Network):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        parts = nn.Linear(256 * channels, 32), nn.Dropout(), nn.Linear(32, 32), nn.BatchNorm1d(32)
        self.first = nn.Sequential(nn.Flatten(), *parts)
        self.last = nn.Linear(32, classes)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x)

    def head(self, embedding: torch.Tensor) -> torch.Tensor:
        return self.last(embedding)


class Bare(Network):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(256 * channels, classes)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)

    def head(self, embedding: torch.Tensor) -> torch.Tensor:
        return self.last(embedding)


def test_nothing_is_retrained_behind_an_alignment():
    assert repairs_of("both", TARGET) == ("retrain", "filter")
    assert repairs_of("both", "driftloop.improver.filters.GatedDenoiser")[-1] == "retrain_filtered"
