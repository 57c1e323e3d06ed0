"""Images that are too many for memory lie on disk, and nothing that is computed of them changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from driftloop import spill
from driftloop.improver.filters import ResidualDenoiser
from driftloop.improver.imitate import Imitation
from driftloop.improver.lesson import Lesson, Samples
from driftloop.improver.pixels import Streamed, floats, through_filters
from driftloop.improver.retrain import RetrainSettings, retrain
from driftloop.improver.suspicion import must_pass
from driftloop.improver.train_filter import FilterSettings, train_filter
from driftloop.models.classifier import Classifier, ClassifierSpec

LEVELS, CLASSES = load_digits(return_X_y=True)
DIGITS = Samples((LEVELS * 15.9).astype(np.uint8).reshape(-1, 8, 8, 1), CLASSES.astype(np.int64))
NOISE = Imitation("mnist_c", {("impulse_noise", 3): 0.7, ("brightness", 2): 0.3})
EARLIER = [Imitation("mnist_c", {("stripe", 3): 1.0}), Imitation("mnist_c", {("shot_noise", 3): 1.0})]
DENOISER = {"_target_": "driftloop.improver.filters.ResidualDenoiser"}


def classifier() -> Classifier:
    torch.manual_seed(0)
    network = {"_target_": "driftloop.models.networks.ConvNet", "width": 8}
    return Classifier(ClassifierSpec(network, (8, 8, 1), tuple("0123456789"), (0.3,), (0.35,))).eval()


def retrained() -> Classifier:
    settings = RetrainSettings(steps=5, batch_size=32)
    few = Samples(DIGITS.images[:20], DIGITS.labels[:20])
    lesson = Lesson(DIGITS, NOISE, reviewed=few, window=DIGITS.images[:50], earlier=EARLIER)
    return retrain(classifier(), lesson, settings=settings, seed=0)


def with_a_filter() -> Classifier:
    settings = FilterSettings(steps=5, batch_size=16)
    lesson = Lesson(DIGITS, NOISE, calibration=DIGITS.images[:100], earlier=EARLIER)
    return train_filter(classifier(), lesson, spec=DENOISER, settings=settings, seed=0)


@pytest.mark.parametrize("repair", [retrained, with_a_filter])
def test_weights_are_the_same_to_the_bit(
    repair: Callable[[], Classifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = repair().state_dict()
    monkeypatch.setattr(spill, "LIMIT", 1000)
    for name, value in repair().state_dict().items():
        assert torch.equal(value, held[name]), name


def test_imitations_are_the_same_and_lie_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate([DIGITS.images] * 3)  # more than are corrupted at once
    made = [
        NOISE.apply(images, np.random.default_rng(0)),
        must_pass(images, EARLIER, np.random.default_rng(0)),
    ]
    monkeypatch.setattr(spill, "LIMIT", 1000)
    monkeypatch.setattr(spill, "_PART", 1500 * 64)
    again = [
        NOISE.apply(images, np.random.default_rng(0)),
        must_pass(images, EARLIER, np.random.default_rng(0)),
    ]
    for one, other in zip(made, again, strict=True):
        assert isinstance(other, np.memmap)
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(made[1][::3], images[::3])  # what is clean passes as it is


def test_a_filter_acts_on_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = classifier().with_filter(DENOISER | {"channels": 1}, ResidualDenoiser(channels=1)).eval()
    held = through_filters(behind, DIGITS.images)
    monkeypatch.setattr(spill, "LIMIT", 1000)
    streamed = through_filters(behind, DIGITS.images)
    assert isinstance(streamed, Streamed)
    rows = torch.tensor([3, 3, 1500, 0])
    torch.testing.assert_close(streamed[rows], floats(held)[rows])


def test_what_is_selected_on_disk_needs_no_second_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "LIMIT", 1000)
    every = np.arange(len(DIGITS))
    once = spill.select(DIGITS.images, every)
    assert spill.select(once, every) is once
    some = spill.select(once, every[::7])
    np.testing.assert_array_equal(some, DIGITS.images[::7])
    spill.release(once, some)
    np.testing.assert_array_equal(some, DIGITS.images[::7])
