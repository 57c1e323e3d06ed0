"""Training learns real digits, repeats itself under a seed, and leaves the world as it found it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from driftloop import layout
from driftloop.commands import reference
from driftloop.data.dataset import Dataset, save_dataset
from driftloop.errors import DataError, ModelError
from driftloop.models.augment import augment
from driftloop.models.classifier import Classifier
from driftloop.models.predict import predict
from driftloop.models.train import TrainSettings, channel_statistics, train_classifier
from driftloop.params.compose import compose

SETTINGS = TrainSettings(epochs=8, batch_size=64, learning_rate=0.1, shift=0)
CLASSES = tuple("0123456789")


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits, real and bundled, in a fixed random order."""
    sklearn = pytest.importorskip("sklearn.datasets")
    bunch = sklearn.load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images = (bunch.images[order, ..., None] * 255 / 16).astype(np.uint8)
    return images, bunch.target[order].astype(np.int64)


def train(images: np.ndarray, labels: np.ndarray, seed: int = 0, **changes: Any) -> Classifier:
    network = {"_target_": "driftloop.models.networks.ConvNet", "width": 16}
    arguments: dict[str, Any] = {"network": network, "classes": CLASSES, "settings": SETTINGS} | changes
    return train_classifier(images, labels, seed=seed, device="cpu", **arguments)[0]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small steps on several threads take ten times as long where other tests run beside them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_real_digits_are_learned(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    images.flags.writeable = False  # as a memory map is
    steps: list[tuple[int, int]] = []
    classifier, history = train_classifier(
        images[:1300],
        labels[:1300],
        network={"_target_": "driftloop.models.networks.ConvNet", "width": 16},
        classes=CLASSES,
        settings=SETTINGS,
        seed=0,
        device="cpu",
        progress=lambda done, total: steps.append((done, total)),
    )
    right = predict(classifier, images[1300:]).logits.argmax(1) == labels[1300:]
    assert right.mean() >= 0.95
    assert len(history) == 8
    assert history[-1].loss < history[0].loss
    assert history[-1].accuracy > history[0].accuracy
    assert steps == [(step, 160) for step in range(1, 161)]
    assert not classifier.training


def test_a_seed_decides_everything(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits[0][:256], digits[1][:256]
    once, again, other = (train(images, labels, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not all(torch.equal(once[name], other[name]) for name in once)


def test_global_randomness_is_neither_used_nor_moved(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits[0][:128], digits[1][:128]
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    train(images, labels)
    assert torch.equal(torch.rand(1), expected)


def test_colour_images_train_a_residual_network_through_the_same_code() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 192)
    images = rng.integers(0, 120, (192, 16, 16, 3), dtype=np.uint8)
    images[np.arange(192), ..., labels] += 100  # the class is the colour
    settings = TrainSettings(epochs=4, batch_size=32, learning_rate=0.05, shift=2, flip=True, cutout=4)
    network = {"_target_": "driftloop.models.networks.ResNet", "width": 16}
    classifier = train(images, labels, network=network, classes=("r", "g", "b"), settings=settings)
    assert (predict(classifier, images).logits.argmax(1) == labels).mean() >= 0.95


def test_unusable_input_is_refused(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    with pytest.raises(DataError, match="1 images with 1 labels"):
        train(images[:1], labels[:1])
    with pytest.raises(DataError, match="9 images with 8 labels"):
        train(images[:9], labels[:8])
    with pytest.raises(ModelError, match="takes no depth"):
        train(images, labels, network={"_target_": "driftloop.models.networks.ConvNet", "depth": 3})


def test_channel_statistics_are_those_of_the_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 200, (50, 9, 7, 3), dtype=np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(std, (images / 255).std(axis=(0, 1, 2)))
    assert channel_statistics(np.full((2, 4, 4, 1), 7, dtype=np.uint8))[1] == (1.0,)


def one_dot(n: int) -> torch.Tensor:
    images = torch.zeros(n, 9, 9, 1, dtype=torch.uint8)
    images[:, 4, 5] = 200
    return images


def test_shift_reaches_every_offset_and_keeps_the_content() -> None:
    moved = augment(one_dot(600), torch.Generator().manual_seed(0), shift=1)
    assert moved.sum().item() == 600 * 200
    places = {tuple(place) for place in moved[..., 0].nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in (3, 4, 5) for column in (4, 5, 6)}


def test_flip_mirrors_about_half() -> None:
    flipped = augment(one_dot(600), torch.Generator().manual_seed(0), flip=True)
    columns = flipped[..., 0].nonzero()[:, 2]
    assert set(columns.tolist()) == {3, 5}
    assert 230 <= (columns == 3).sum().item() <= 370


def test_cutout_blackens_at_most_its_square() -> None:
    white = torch.full((400, 9, 9, 1), 255, dtype=torch.uint8)
    black = (augment(white, torch.Generator().manual_seed(0), cutout=3) == 0).sum(dim=(1, 2, 3))
    assert black.max().item() == 9
    assert black.min().item() >= 1
    assert torch.equal(white, torch.full_like(white, 255))


def test_augmentation_follows_its_generator() -> None:
    images = one_dot(50)
    a, b = (augment(images, torch.Generator().manual_seed(1), shift=2, flip=True, cutout=2) for _ in range(2))
    assert torch.equal(a, b)


def test_a_training_that_diverged_is_a_message_and_leaves_no_model(
    digits: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = digits[0][:300], digits[1][:300]
    monkeypatch.chdir(tmp_path)
    save_dataset(layout.split("train"), Dataset(images, labels, "digits", CLASSES))
    params = compose(["dataset=digits", "train.learning_rate=1e6", "train.epochs=3"])
    with pytest.raises(ModelError, match=r"has diverged.*train\.learning_rate, which is 1000000"):
        reference._train(params)
