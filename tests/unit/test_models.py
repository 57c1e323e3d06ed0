"""Networks, the classifier around them, its folder, and prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from driftloop.errors import ModelError
from driftloop.files import digest_file
from driftloop.models.classifier import Classifier, ClassifierSpec
from driftloop.models.features import Features
from driftloop.models.networks import ConvNet, Network, ResNet
from driftloop.models.predict import batch_size, predict
from driftloop.models.store import load_model, model_digest, save_model
from driftloop.params.named_class import allow

INVERT = {"_target_": f"{__name__}.InvertBright"}
DARKEN = {"_target_": f"{__name__}.Darken"}
allow({"trust": [f"{__name__}.{name}" for name in ("InvertBright", "Darken", "Linear")]})


class InvertBright(nn.Module):
    """A filter: inverts images that are brighter than they should be, and leaves the others alone."""

    def forward(self, x: Tensor) -> Tensor:
        bright = x.mean(dim=(1, 2, 3), keepdim=True) > 0.5
        return torch.where(bright, 1 - x, x)


class Darken(nn.Module):
    """A filter: halves every value."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


@pytest.fixture
def classifier() -> Classifier:
    spec = ClassifierSpec(
        network={"_target_": "driftloop.models.networks.ConvNet", "width": 8},
        input_shape=(12, 10, 3),
        classes=("cat", "dog", "owl"),
        mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.3, 0.1),
    )
    torch.manual_seed(0)
    return Classifier(spec).eval()


def random_images(n: int, shape: tuple[int, ...] = (12, 10, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


@pytest.mark.parametrize("network", [ConvNet, ResNet])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 33, 17)])
def test_networks_take_any_size(network: type[Any], channels: int, height: int, width: int) -> None:
    net = network(channels=channels, classes=7).eval()
    x = torch.randn(4, channels, height, width)
    with torch.inference_mode():
        embedding = net.embed(x)
        assert embedding.ndim == 2
        assert 64 <= embedding.shape[1] <= 128
        assert torch.equal(net.head(embedding), net(x))
        assert net(x).shape == (4, 7)


def test_classifier_normalises_each_channel(classifier: Classifier) -> None:
    images = random_images(6)
    x = images.transpose(0, 3, 1, 2) / 255
    spec = classifier.spec
    x = (x - np.reshape(spec.mean, (3, 1, 1))) / np.reshape(spec.std, (3, 1, 1))
    with torch.inference_mode():
        expected = classifier.network(torch.from_numpy(x.astype(np.float32)))
        torch.testing.assert_close(classifier(torch.from_numpy(images)), expected, rtol=1e-4, atol=1e-5)


def test_filters_act_in_order_and_only_where_needed(classifier: Classifier) -> None:
    filtered = classifier.with_filter(INVERT, InvertBright())
    dark = np.full((1, 12, 10, 3), 40, dtype=np.uint8)
    images = torch.from_numpy(np.concatenate([dark, 255 - dark]))
    with torch.inference_mode():
        shown, acted = filtered.filtered(images)
        assert shown.dtype == torch.uint8
        assert torch.equal(shown, torch.from_numpy(np.concatenate([dark, dark])))
        assert acted.tolist() == [[False], [True]]
        assert torch.equal(filtered(images)[0], classifier(images)[0])
        torch.testing.assert_close(filtered(images)[1], classifier(images)[0])
        assert not torch.allclose(classifier(images)[1], classifier(images)[0])
        assert classifier.filtered(images)[1].shape == (2, 0)


def test_a_new_filter_comes_before_those_that_are_there(classifier: Classifier) -> None:
    both = classifier.with_filter(INVERT, InvertBright()).with_filter(DARKEN, Darken())
    bright = torch.full((1, 12, 10, 3), 200, dtype=torch.uint8)
    shown, acted = both.filtered(bright)
    assert shown.unique().tolist() == [100]  # too dark by then for the older one
    assert acted.tolist() == [[True, False]]
    assert [each["_target_"] for each in both.spec.filters] == [DARKEN["_target_"], INVERT["_target_"]]


def test_every_grey_level_survives_an_idle_filter(classifier: Classifier) -> None:
    levels = np.arange(256, dtype=np.uint8)[:120].reshape(1, 12, 10, 1).repeat(3, axis=-1)
    shown, _ = classifier.with_filter(INVERT, InvertBright()).filtered(torch.from_numpy(levels))
    assert np.array_equal(shown.numpy(), levels)


def test_folder_gives_back_the_same_model(classifier: Classifier, tmp_path: Path) -> None:
    filtered = classifier.with_filter(INVERT, InvertBright())
    digest = save_model(tmp_path, filtered, parent="p", training_data=["d"])
    again = load_model(tmp_path)
    images = torch.from_numpy(random_images(5))
    with torch.inference_mode():
        assert torch.equal(again(images), filtered.eval()(images))
    assert not again.training
    assert again.spec == filtered.spec
    assert model_digest(tmp_path) == digest
    meta = json.loads((tmp_path / "model.json").read_text())
    assert (meta["parent"], meta["training_data"]) == ("p", ["d"])


def test_same_model_has_the_same_digest(classifier: Classifier, tmp_path: Path) -> None:
    first, second = save_model(tmp_path / "a", classifier), save_model(tmp_path / "b", classifier)
    assert first == second
    assert save_model(tmp_path / "c", classifier, parent=first) != first
    with torch.no_grad():
        next(classifier.network.parameters()).mul_(2)
    assert save_model(tmp_path / "b", classifier) != first


def test_loading_leaves_global_randomness_alone(classifier: Classifier, tmp_path: Path) -> None:
    save_model(tmp_path, classifier)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_model(tmp_path)
    assert torch.equal(torch.rand(1), expected)


def change(folder: Path, **fields: Any) -> None:
    path = folder / "model.json"
    meta = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({key: value for key, value in meta.items() if value != "DROP"}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": 99}, "format is 99; this driftloop reads format 1"),
        ({"classes": "DROP"}, "lacks classes"),
        ({"sha256": "0" * 64}, "digests differ"),
        ({"network": {"_target_": "os.system"}}, "os.system, which is none of driftloop's"),
        ({"network": {"_target_": "collections.Counter"}}, "collections.Counter, which is none of"),
        ({"network": {"_target_": "driftloop.models.networks.Network"}}, "refuses its arguments"),
        ({"network": {"_target_": "driftloop.models.networks.ConvNet", "widht": 8}}, "did you mean width"),
        (
            {"network": {"_target_": "driftloop.models.networks.ConvNet", "width": 16}},
            "does not fit the network",
        ),
        (
            {"network": {"_target_": "driftloop.models.networks.ConvNet", "width": 0}},
            "width is 0; it is at least 1",
        ),
        ({"network": 5}, "a field is of the wrong form"),
        ({"filters": [{"_target_": "collections.Counter"}]}, "collections.Counter, which is none of"),
        ({"classes": ["cat", "dog"]}, "does not fit the network"),
        ({"input_shape": [12, 10]}, "a field is of the wrong form"),
        ({"input_shape": [12, 10, 1]}, "each channel has one mean and one std"),
        ({"std": [0.2, 0.3, 0]}, "each channel has one mean and one std above 0"),
        ({"mean": ["x", 1, 2]}, "a field is of the wrong form"),
    ],
)
def test_altered_folders_are_refused(
    classifier: Classifier, tmp_path: Path, fields: Mapping[str, Any], message: str
) -> None:
    save_model(tmp_path, classifier)
    change(tmp_path, **fields)
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path)


def test_incomplete_folders_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no model folder"):
        load_model(tmp_path / "nowhere")
    save_model(tmp_path, classifier)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match="digests differ"):
        load_model(tmp_path)
    change(tmp_path, sha256=digest_file(weights))
    with pytest.raises(ModelError, match="does not fit the network"):
        load_model(tmp_path)
    weights.unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors does not exist"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ModelError, match="not valid JSON"):
        load_model(tmp_path)


def test_prediction_does_not_depend_on_the_split(classifier: Classifier, tmp_path: Path) -> None:
    images = random_images(2 * batch_size(classifier, 1000) + 3)
    whole = predict(classifier, images)
    parts = [predict(classifier, images[part]) for part in (slice(0, 20), slice(20, 300), slice(300, None))]
    assert np.array_equal(whole.logits, np.concatenate([part.logits for part in parts]))
    assert np.array_equal(whole.embeddings, np.concatenate([part.embeddings for part in parts]))


def test_a_few_images_are_seen_alike_whatever_is_beside_them(classifier: Classifier) -> None:
    images = random_images(300)
    many, few = predict(classifier, images), predict(classifier, images[:16])
    alone = [predict(classifier, images[place : place + 1]) for place in range(16)]
    assert np.array_equal(few.logits, np.concatenate([each.logits for each in alone]))
    np.testing.assert_allclose(few.logits, many.logits[:16], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(few.embeddings, many.embeddings[:16], rtol=1e-5, atol=1e-5)


def test_prediction_is_what_the_classifier_says(classifier: Classifier) -> None:
    images = random_images(20)
    features = predict(classifier.train(), images)
    assert isinstance(features, Features)
    assert len(features) == 20
    assert features.logits.dtype == features.embeddings.dtype == np.float32
    with torch.inference_mode():
        embeddings, logits = classifier.eval().embed(torch.from_numpy(images))
    np.testing.assert_allclose(features.logits, logits.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features.embeddings, embeddings.numpy(), rtol=1e-4, atol=1e-5)


def test_prediction_reads_a_memory_map_and_reports_progress(classifier: Classifier, tmp_path: Path) -> None:
    batch = batch_size(classifier, 1000)
    np.save(tmp_path / "images.npy", random_images(batch + 1))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    seen: list[tuple[int, int]] = []
    features = predict(classifier, images, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(batch, batch + 1), (batch + 1, batch + 1)]
    assert np.array_equal(features.logits, predict(classifier, np.array(images)).logits)


def test_no_images_give_no_rows(classifier: Classifier) -> None:
    features = predict(classifier, random_images(0))
    assert features.logits.shape == (0, 3)
    assert features.embeddings.shape == (0, 96)


@pytest.mark.parametrize("images", [random_images(3, (28, 28, 1)), random_images(3).astype(np.float32)])
def test_images_of_another_form_are_refused(classifier: Classifier, images: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"but the model takes uint8 \(N, 12, 10, 3\)"):
        predict(classifier, images)


def test_a_users_own_network_takes_the_place_of_ours(classifier: Classifier, tmp_path: Path) -> None:
    spec = replace(classifier.spec, network={"_target_": f"{__name__}.Linear", "pixels": 120})
    own = Classifier(spec).eval()
    save_model(tmp_path, own)
    images = random_images(4)
    assert np.array_equal(predict(load_model(tmp_path), images).logits, predict(own, images).logits)


class Squeezing(Network):
    """A user's own, which takes a batch of one for no batch."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(channels, classes)

    def embed(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True).squeeze()

    def head(self, embedding: Tensor) -> Tensor:
        result: Tensor = self.last(embedding)
        return result


@pytest.mark.parametrize("n", [1, 3, 16, 17])
def test_a_network_that_squeezes_takes_any_number_of_images(classifier: Classifier, n: int) -> None:
    network = {"_target_": f"{__name__}.Squeezing"}
    allow(network)
    own = Classifier(replace(classifier.spec, network=network))
    assert predict(own, random_images(n)).logits.shape == (n, 3)


class Linear(Network):
    """A user's own: the pixels are its embedding."""

    def __init__(self, channels: int, classes: int, pixels: int) -> None:
        super().__init__()
        self.last = nn.Linear(channels * pixels, classes)

    def embed(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def head(self, embedding: Tensor) -> Tensor:
        result: Tensor = self.last(embedding)
        return result


@pytest.mark.parametrize(("side", "batch"), [(28, 256), (64, 256), (224, 20), (2048, 1)])
def test_of_large_images_fewer_go_through_the_network_at_a_time(side: int, batch: int) -> None:
    network = {"_target_": "driftloop.models.networks.ConvNet", "width": 2, "embedding": 2}
    classifier = Classifier(ClassifierSpec(network, (side, side, 1), ("a", "b"), (0.5,), (0.5,)))
    assert batch_size(classifier, 1000) == batch
