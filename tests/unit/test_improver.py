"""Filters and retraining on scikit-learn's digits, twice as large, and on photographs: real and soon done."""

import itertools
import resource
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_sample_images

from driftloop.corruptions import corrupt
from driftloop.errors import DataError, ModelError, ParameterError
from driftloop.improver.filters import Filter, GatedDenoiser, ResidualDenoiser
from driftloop.improver.imitate import Imitation, imitate
from driftloop.improver.lesson import Lesson, Samples
from driftloop.improver.pixels import floats, through_filters
from driftloop.improver.retrain import RetrainSettings, retrain
from driftloop.improver.train_filter import FilterSettings, train_filter
from driftloop.models.classifier import Classifier, to_float
from driftloop.models.export import export_model
from driftloop.models.predict import predict
from driftloop.models.store import load_model, save_model
from driftloop.models.train import TrainSettings, train_classifier
from driftloop.params.named_class import allow

DEFOGR = {"_target_": "driftloop.improver.filters.GatedDenoiser", "width": 16}
FOG = Imitation("mnist_c", {("fog", 5): 1.0})
LINES = Imitation("mnist_c", {("zigzag", 3): 1.0})
TURN = Imitation("mnist_c", {("rotate", 4): 0.5, ("rotate", 5): 0.5})
STRONG_FOG = Imitation("mnist_c", {("fog", 3): 0.05, ("fog", 5): 0.95})
UNNAMED = Imitation(
    "mnist_c",
    {("impulse_noise", 3): 0.9}
    | dict.fromkeys([("fog", 3), ("brightness", 3), ("rotate", 3), ("zigzag", 3), ("stripe", 3)], 0.02),
)
FILTER = FilterSettings(steps=100, batch_size=32, learning_rate=0.008, touched=0.005)
RETRAIN = RetrainSettings(steps=80, batch_size=64, learning_rate=0.003)


@cache
def digits() -> dict[str, Samples]:
    bunch = load_digits()
    images = np.kron(bunch.images * 255 / 16, np.ones((1, 2, 2))).astype(np.uint8)[..., None]
    order = np.random.default_rng(0).permutation(len(images))
    parts = {"train": order[:1000], "calibration": order[1000:1300], "test": order[1300:]}
    return {name: Samples(images[rows], bunch.target[rows].astype(np.int64)) for name, rows in parts.items()}


@cache
def incumbent() -> Classifier:
    train = digits()["train"]
    classifier, _ = train_classifier(
        train.images,
        train.labels,
        network={"_target_": "driftloop.models.networks.ConvNet", "width": 16},
        classes=[str(digit) for digit in range(10)],
        settings=TrainSettings(epochs=8, batch_size=64, shift=0),
        seed=0,
        device="cpu",
    )
    return classifier


def filtered_against(
    drift: Imitation,
    classifier: Classifier | None = None,
    *,
    settings: FilterSettings = FILTER,
    earlier: Sequence[Imitation] = (),
) -> Classifier:
    parts = digits()
    return train_filter(
        classifier or incumbent(),
        Lesson(parts["train"], drift, calibration=parts["calibration"].images, earlier=earlier),
        spec=DEFOGR,
        settings=settings,
        seed=0,
    )


@cache
def filtered() -> Classifier:
    return filtered_against(FOG)


def accuracy(classifier: Classifier, samples: Samples) -> float:
    return float((predict(classifier, samples.images).logits.argmax(1) == samples.labels).mean())


def drifted(imitation: Imitation, name: str = "test") -> Samples:
    samples = digits()[name]
    return Samples(imitation.apply(samples.images, np.random.default_rng(9)), samples.labels)


def weights(classifier: Classifier) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in classifier.state_dict().items()}


def same(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> bool:
    return before.keys() == after.keys() and all(
        torch.equal(value, after[name]) for name, value in before.items()
    )


@pytest.mark.slow
def test_a_filter_wins_back_what_fog_took_and_leaves_the_network_alone():
    before = weights(incumbent())
    clean, lost = accuracy(incumbent(), digits()["test"]), accuracy(incumbent(), drifted(FOG))
    assert lost < clean - 0.15
    regained = accuracy(filtered(), drifted(FOG)) - lost
    assert regained > 0.5 * (clean - lost)
    assert same(before, weights(incumbent()))
    assert filtered().network is incumbent().network
    assert all(p.requires_grad for p in incumbent().network.parameters())


def test_clean_images_pass_bit_by_bit():
    repair = filtered().filters[0]
    x = to_float(torch.from_numpy(digits()["test"].images))
    acts = repair.acts(x)
    assert acts.float().mean() < 0.05
    assert torch.equal(repair(x)[~acts], x[~acts])
    foggy = to_float(torch.from_numpy(drifted(FOG).images))
    assert repair.acts(foggy).float().mean() > 0.8
    assert not torch.equal(repair(foggy), foggy)


def test_what_becomes_of_an_image_does_not_depend_on_those_beside_it():
    repair = filtered().filters[0]
    x = to_float(torch.from_numpy(drifted(FOG).images[:64]))
    together, alone = repair(x), torch.cat([repair(one) for one in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)


def test_the_same_seed_gives_the_same_filter():
    one, other = (filtered_against(FOG, settings=FilterSettings(steps=3)) for _ in range(2))
    assert same(weights(one), weights(other))


def test_a_filtered_model_survives_the_disk(tmp_path):
    save_model(tmp_path, filtered())
    images = drifted(FOG).images
    assert np.array_equal(predict(load_model(tmp_path), images).logits, predict(filtered(), images).logits)


@pytest.mark.slow
def test_a_second_filter_stacks_and_the_first_drift_is_still_repaired():
    both = filtered_against(LINES, filtered(), earlier=[FOG])
    assert len(both.filters) == 2
    assert accuracy(both, drifted(LINES)) > accuracy(filtered(), drifted(LINES)) + 0.2
    assert accuracy(both, drifted(FOG)) > accuracy(filtered(), drifted(FOG)) - 0.02
    assert accuracy(both, digits()["test"]) > accuracy(incumbent(), digits()["test"]) - 0.02


def test_an_untrained_filter_acts_on_nothing_and_takes_any_size():
    kinds, sizes = (GatedDenoiser, ResidualDenoiser), ((1, 28, 28), (3, 32, 32), (3, 9, 13))
    for kind, (channels, height, width) in itertools.product(kinds, sizes):
        x = torch.rand(2, channels, height, width)
        repair = kind(channels).eval()
        assert torch.equal(repair(x), x)
        repair.threshold.fill_(-1e9)
        y = repair(x)
        assert y.shape == x.shape
        assert 0 <= y.min() <= y.max() <= 1


@pytest.mark.slow
def test_a_filter_takes_noise_out_of_photographs_and_leaves_their_texture(tmp_path):
    photographs = [image[:416].reshape(13, 32, 20, 32, 3) for image in load_sample_images().images]
    patches = np.concatenate([each.swapaxes(1, 2).reshape(-1, 32, 32, 3) for each in photographs])
    train, calibration, held_out = np.split(np.random.default_rng(0).permutation(len(patches)), [380, 450])
    labels = (train >= len(patches) // 2).astype(np.int64)
    classifier, _ = train_classifier(
        patches[train],
        labels,
        network={"_target_": "driftloop.models.networks.ConvNet", "width": 8},
        classes=["china", "flower"],
        settings=TrainSettings(epochs=4, batch_size=32),
        seed=0,
        device="cpu",
    )
    noise = Imitation("cifar10_c", {("gaussian_noise", 5): 1.0})
    candidate = train_filter(
        classifier,
        Lesson(Samples(patches[train], labels), noise, calibration=patches[calibration]),
        spec={"_target_": "driftloop.improver.filters.ResidualDenoiser"},
        settings=FilterSettings(steps=200, batch_size=16),
        seed=0,
    )
    repair = candidate.filters[0]
    clean = to_float(torch.from_numpy(patches[held_out]))
    noisy = to_float(torch.from_numpy(noise.apply(patches[held_out], np.random.default_rng(9))))
    with torch.no_grad():
        restored, kept = (repair.restore(x).sigmoid() for x in (noisy, clean))
    added = (noisy - clean).square().mean()
    assert (restored - clean).square().mean() < 0.8 * added
    assert (kept - clean).square().mean() < 0.1 * added
    assert export_model(candidate, tmp_path / "model.pt2") < 1e-4


def test_retraining_learns_a_rotation_and_forgets_little():
    before = weights(incumbent())
    window = drifted(TURN, "calibration")
    reviewed = Samples(window.images[:30], window.labels[:30])
    lesson = Lesson(digits()["train"], TURN, reviewed=reviewed)
    candidate = retrain(incumbent(), lesson, settings=RETRAIN, seed=0)
    clean, lost = accuracy(incumbent(), digits()["test"]), accuracy(incumbent(), drifted(TURN))
    assert lost < clean - 0.2
    assert accuracy(candidate, drifted(TURN)) > lost + 0.5 * (clean - lost)
    assert accuracy(candidate, digits()["test"]) > clean - 0.02
    assert same(before, weights(incumbent()))


def test_retraining_leaves_the_filters_as_they_are():
    candidate = retrain(filtered(), Lesson(digits()["train"], TURN, earlier=[FOG]), settings=RETRAIN, seed=0)
    assert same(weights(candidate.filters), weights(filtered().filters))
    assert accuracy(candidate, drifted(FOG)) > accuracy(filtered(), drifted(FOG)) - 0.02


def test_what_was_repaired_before_is_kept_and_takes_longer_the_more_it_is():
    classifier, earlier, right_after, steps = incumbent(), list[Imitation](), dict[str, float](), list[int]()
    for name, drift in {"turn": TURN, "lines": LINES, "fog": FOG}.items():
        classifier = retrain(
            classifier,
            Lesson(digits()["train"], drift, earlier=earlier),
            settings=RETRAIN,
            seed=0,
            progress=lambda _, total: steps.append(total),
        )
        earlier.append(drift)
        right_after[name] = accuracy(classifier, drifted(drift))
    assert sorted(set(steps)) == [80, 96, 112]
    assert accuracy(classifier, drifted(TURN)) > right_after["turn"] - 0.03
    assert accuracy(classifier, drifted(LINES)) > right_after["lines"] - 0.03


def test_an_earlier_drift_is_what_does_not_belong_more_to_the_present_one():
    rest = UNNAMED.without(STRONG_FOG)
    assert rest is not None
    assert rest.kinds.keys() == UNNAMED.kinds.keys() - {("fog", 3)}
    assert sum(rest.kinds.values()) == pytest.approx(1)
    assert STRONG_FOG.rest_of([LINES, FOG]) == [LINES, FOG]
    assert FOG.rest_of([FOG]) == []


def test_a_filter_acts_on_its_drift_where_what_came_before_had_no_name():
    candidate = filtered_against(STRONG_FOG, earlier=[UNNAMED])
    assert accuracy(candidate, drifted(FOG)) > accuracy(incumbent(), drifted(FOG)) + 0.5


def test_fewer_clean_images_than_earlier_drifts_are_enough_to_go_on():
    few = Samples(digits()["train"].images[:3], digits()["train"].labels[:3])
    settings = RetrainSettings(steps=1, batch_size=16)
    lesson = Lesson(few, FOG, reviewed=few, earlier=[FOG, LINES, TURN, FOG])
    retrain(incumbent(), lesson, settings=settings, seed=0)


def test_a_retraining_that_diverges_says_so():
    settings = RetrainSettings(steps=20, batch_size=16, learning_rate=1e30)
    some = Samples(drifted(FOG).images[:20], drifted(FOG).labels[:20])
    with pytest.raises(ModelError, match=r"diverged\. Lower retrain\.learning_rate"):
        retrain(incumbent(), Lesson(digits()["train"], FOG, reviewed=some), settings=settings, seed=0)


def test_images_that_no_filter_stands_before_are_held_as_bytes():
    images = drifted(FOG).images[:40]
    bare, behind = through_filters(incumbent(), images), through_filters(filtered(), images)
    assert torch.equal(bare, torch.from_numpy(images))
    assert torch.equal(floats(bare), to_float(torch.from_numpy(images)))
    with torch.no_grad():
        assert torch.equal(floats(behind), filtered().filters[0](to_float(torch.from_numpy(images))))


def test_retraining_from_labels_alone_helps():
    window = drifted(TURN, "calibration")
    reviewed = Samples(window.images[:100], window.labels[:100])
    lesson = Lesson(digits()["train"], reviewed=reviewed)
    candidate = retrain(incumbent(), lesson, settings=RETRAIN, seed=0)
    assert accuracy(candidate, drifted(TURN)) > accuracy(incumbent(), drifted(TURN)) + 0.05


def test_others_of_the_window_teach_without_labels_what_nobody_could_name():
    window = drifted(FOG, "calibration")
    few = Samples(window.images[:30], window.labels[:30])

    def gain(seed: int) -> float:
        alone, with_others = (
            retrain(
                incumbent(),
                Lesson(digits()["train"], reviewed=few, window=others),
                settings=RETRAIN,
                seed=seed,
            )
            for others in (None, window.images[30:])
        )
        return accuracy(with_others, drifted(FOG)) - accuracy(alone, drifted(FOG))

    assert np.mean([gain(seed) for seed in range(3)]) > 0.005


def test_there_must_be_something_to_learn_from():
    none = Samples(digits()["test"].images[:0], digits()["test"].labels[:0])
    with pytest.raises(DataError, match="reviewed samples or a diagnosis"):
        retrain(incumbent(), Lesson(digits()["train"], reviewed=none), settings=RETRAIN, seed=0)
    lesson = Lesson(none, FOG, calibration=none.images)
    with pytest.raises(DataError, match="gate set on others"):
        train_filter(incumbent(), lesson, spec=DEFOGR, settings=FILTER, seed=0)


def test_a_filter_that_is_none_is_refused():
    train = digits()["train"]
    allow({"_target_": "torch.nn.Identity"})
    with pytest.raises(ParameterError, match=r"filter: torch.nn.Identity is no .*Filter"):
        train_filter(
            incumbent(),
            Lesson(train, FOG, calibration=train.images),
            spec={"_target_": "torch.nn.Identity"},
            settings=FILTER,
            seed=0,
        )
    assert issubclass(GatedDenoiser, Filter)


@pytest.mark.parametrize("severity", [2, 5])
def test_the_severity_is_read_off_the_window(severity):
    window = corrupt(digits()["test"].images, "mnist_c", "impulse_noise", severity, rng=3)
    found = imitate(
        incumbent(), digits()["train"].images, window, suite="mnist_c", corruptions=["impulse_noise"], seed=0
    )
    mean = sum(level * probability for (_, level), probability in found.kinds.items())
    assert sum(found.kinds.values()) == pytest.approx(1)
    assert abs(mean - severity) < 1
    assert found.share > 0.5


def test_the_corruption_is_guessed_when_nobody_names_it():
    window = corrupt(digits()["test"].images, "mnist_c", "brightness", rng=3)
    found = imitate(incumbent(), digits()["train"].images, window, suite="mnist_c", corruptions=None, seed=0)
    assert max(found.kinds, key=lambda kind: found.kinds[kind])[0] == "brightness"
    assert Imitation.from_json(found.to_json()) == found


def test_an_exported_model_answers_as_the_model_does(tmp_path):
    path = tmp_path / "model.pt2"
    assert export_model(filtered(), path) < 1e-4
    images = np.concatenate([drifted(FOG).images[:40], digits()["test"].images[:41]])
    acts = filtered().filtered(torch.from_numpy(images))[1]
    assert 0 < acts.float().mean() < 1
    answers = torch.export.load(path).module()(torch.from_numpy(images)).detach().numpy()
    assert np.abs(answers - predict(filtered(), images).logits).max() < 1e-4


def test_a_full_disk_ends_an_export_with_its_reason_and_no_file(tmp_path):
    """torch's own writer would end the process: here a file may have no more than 100 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            export_model(filtered(), tmp_path / "model.pt2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_leaves_no_file(tmp_path):
    with pytest.raises(ModelError, match=r"Try .*model\.pt2"):
        export_model(filtered(), tmp_path / "model.bin")

    class Odd(Filter):
        def __init__(self) -> None:
            super().__init__()

        def suspect(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum((1, 2, 3)) if x.sum().item() > 0 else x.mean((1, 2, 3))

        def restore(self, x: torch.Tensor) -> torch.Tensor:
            return x

    with pytest.raises(ModelError, match="cannot export this model"):
        export_model(incumbent().with_filter({}, Odd()), tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []
