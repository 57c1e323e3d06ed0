"""What every corruption keeps to: seeded, pure, of any size, stronger with severity, refused by name."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from driftloop.corruptions import SEVERITIES, SUITES, corrupt
from driftloop.data.sources import Digits
from driftloop.errors import DataError, ParameterError

EVERY = [(suite, name) for suite in SUITES for name in SUITES[suite]]
DRAW_NOTHING = {
    "mnist_c": {"scale", "brightness", "stripe", "canny_edges"},
    "cifar10_c": {
        "defocus_blur", "zoom_blur", "brightness", "contrast",
        "pixelate", "jpeg_compression", "gaussian_blur", "saturate",
    },
}  # fmt: skip
# As published, these trade one constant for another from level to level: fewer but larger drops, for example.
NOT_MONOTONE = {
    "mnist_c": {"spatter", "fog"},
    "cifar10_c": {"glass_blur", "motion_blur", "elastic_transform", "frost", "spatter", "saturate"},
}


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    """Real images of each suite's kind, read-only: written digits, and patches of a photograph."""
    digits = Digits(side=28).fetch(lambda _: None).images[:64]
    photograph = load_sample_image("china.jpg")[::2, ::2]
    patches = [photograph[y : y + 32, x : x + 32] for y in range(0, 192, 32) for x in range(0, 320, 32)]
    found = {"mnist_c": digits, "cifar10_c": np.stack(patches)}
    for array in found.values():
        array.flags.writeable = False
    return found


@pytest.mark.parametrize(("suite", "name"), EVERY)
def test_a_seed_decides_everything(suite: str, name: str, images: dict[str, np.ndarray]) -> None:
    clean = images[suite]
    before = clean.copy()
    first, again, other = (corrupt(clean, suite, name, 4, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, corrupt(clean, suite, name, 4, np.random.default_rng(1)))
    assert np.array_equal(first, other) == (name in DRAW_NOTHING[suite])
    np.testing.assert_array_equal(clean, before)
    assert not np.array_equal(first, clean)


@pytest.mark.parametrize(("suite", "name"), EVERY)
@pytest.mark.parametrize("shape", [(3, 8, 8, 1), (2, 9, 13, 3), (1, 45, 21, 1), (0, 28, 28, 1)])
def test_any_size_is_kept(suite: str, name: str, shape: tuple[int, ...]) -> None:
    count, height, width, channels = shape
    photograph = load_sample_image("flower.jpg")[100 : 100 + height, 300 : 300 + width, :channels]
    for severity in SEVERITIES:
        corrupted = corrupt(np.stack([photograph] * 3)[:count], suite, name, severity, rng=5)
        assert corrupted.shape == shape
        assert corrupted.dtype == np.uint8


@pytest.mark.parametrize(("suite", "name"), EVERY)
def test_a_higher_severity_changes_more(suite: str, name: str, images: dict[str, np.ndarray]) -> None:
    clean = images[suite].astype(float)
    changes = [
        np.abs(corrupt(images[suite], suite, name, severity, rng=severity) - clean).mean()
        for severity in SEVERITIES
    ]
    if name in NOT_MONOTONE[suite]:
        assert min(changes) > 0
    else:
        assert np.all(np.diff(changes) > 0), changes


def test_images_of_one_batch_are_corrupted_independently(images: dict[str, np.ndarray]) -> None:
    same = np.repeat(images["mnist_c"][:1], 8, axis=0)
    for name in set(SUITES["mnist_c"]) - DRAW_NOTHING["mnist_c"]:
        severity = 1 if name == "spatter" else 5
        corrupted = corrupt(same, "mnist_c", name, severity, rng=3)
        assert len(np.unique(corrupted, axis=0)) > 1, name


def test_a_large_batch_is_corrupted_to_its_end() -> None:
    black = np.zeros((2500, 8, 8, 1), dtype=np.uint8)
    assert (corrupt(black, "mnist_c", "brightness", 5) == 127).all()


def test_the_severity_that_mnist_c_uses_is_the_default(images: dict[str, np.ndarray]) -> None:
    clean = images["mnist_c"]
    np.testing.assert_array_equal(
        corrupt(clean, "mnist_c", "scale"), corrupt(clean, "mnist_c", "scale", severity=3)
    )


def test_what_a_filter_cannot_undo_is_marked() -> None:
    marked = {(suite, name) for suite, name in EVERY if SUITES[suite][name].geometric}
    assert marked == {
        ("mnist_c", "shear"), ("mnist_c", "scale"), ("mnist_c", "rotate"), ("mnist_c", "translate"),
        ("cifar10_c", "elastic_transform"),
    }  # fmt: skip


def test_both_suites_are_complete() -> None:
    assert {suite: len(SUITES[suite]) for suite in SUITES} == {"mnist_c": 15, "cifar10_c": 19}


@pytest.mark.parametrize(
    ("suite", "name", "severity", "message"),
    [
        ("mnist", "fog", None, "Did you mean mnist_c? There are: mnist_c, cifar10_c."),
        ("mnist_c", "zigzags", None, "Did you mean zigzag? There are: shot_noise, impulse_noise"),
        ("mnist_c", "snow", None, "corruption in mnist_c 'snow'"),
        ("cifar10_c", "fog", 6, "severity is 6; it is 1, 2, 3, 4 or 5."),
        ("cifar10_c", "fog", 0, "severity is 0"),
    ],
)
def test_a_wrong_name_is_refused_with_what_there_is(
    suite: str, name: str, severity: int | None, message: str, images: dict[str, np.ndarray]
) -> None:
    with pytest.raises(ParameterError) as refusal:
        corrupt(images["mnist_c"], suite, name, severity)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 28, 28), np.uint8),
        np.zeros((2, 28, 28, 1), np.float32),
        np.zeros((2, 7, 28, 1), np.uint8),
    ],
)
def test_wrong_images_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"they must be uint8 \(N, H, W, C\), at least 8 x 8"):
        corrupt(wrong, "mnist_c", "fog")


def test_the_names_cost_no_heavy_import() -> None:
    code = "import sys, driftloop.corruptions; print(sorted({'torch', 'scipy.ndimage'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
