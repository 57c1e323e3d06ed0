"""Names of classes and the numbers behind them: what somebody typed is what is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftloop.data.listing import in_order
from driftloop.data.own import Arrays, ImageFolder
from driftloop.errors import DataError, ParameterError
from driftloop.models.order import better_order

TWELVE = tuple(str(number) for number in range(12))


def stored(path: Path, labels: list[int]) -> str:
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8), np.uint8)
    np.savez(path / "own.npz", images=images, labels=np.array(labels))
    return str(path / "own.npz")


def test_folders_that_are_numbers_are_read_in_their_order(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / str(number)).mkdir()
        Image.new("L", (8, 8), number * 20).save(tmp_path / str(number) / "1.png")
    data = ImageFolder(folder=str(tmp_path), size=8, channels=1).fetch(print)
    assert data.classes == TWELVE
    assert [int(data.images[data.labels == code][0, 0, 0, 0]) // 20 for code in range(12)] == list(range(12))


def test_numbers_come_as_numbers_and_texts_by_alphabet() -> None:
    assert in_order(["b", "10", "-1", "9", "a", "09"]) == ["-1", "09", "9", "10", "a", "b"]


@pytest.mark.parametrize(("first", "step"), [(1, 1), (0, 100)])
def test_labels_that_do_not_occur_make_no_class(first: int, step: int, tmp_path: Path) -> None:
    labels = [first + step * number for number in range(10)]
    data = Arrays(file=stored(tmp_path, labels)).fetch(print)
    assert data.classes == tuple(map(str, labels))
    assert data.known_labels.tolist() == list(range(10))


def test_names_stand_for_labels_that_count_from_0_or_are_the_labels_themselves(tmp_path: Path) -> None:
    path = stored(tmp_path, [1, 0, 1, 2])
    assert Arrays(file=path, classes=["a", "b", "c"]).fetch(print).known_labels.tolist() == [1, 0, 1, 2]
    assert Arrays(file=path, classes=[2, 1, 0]).fetch(print).known_labels.tolist() == [1, 2, 1, 0]
    with pytest.raises(DataError, match="'0' is not among"):
        Arrays(file=path, classes=[1, 2, 3]).fetch(print)


@pytest.mark.parametrize("odd", [False, 1.0, None])
def test_a_name_that_yaml_reads_otherwise_is_refused(odd: object, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="quotes"):
        ImageFolder(folder=str(tmp_path), size=8, classes=[odd, "b"])


def test_an_order_that_would_mend_the_accuracy_is_found_and_chance_is_not() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 12, 180)
    seen = np.where(rng.random(180) < 0.95, labels, rng.integers(0, 12, 180))
    alphabetical = tuple(sorted(TWELVE))  # 0, 1, 10, 11, 2, …: what some loaders make of such folders
    code = {name: place for place, name in enumerate(alphabetical)}
    found = better_order(np.array([code[TWELVE[each]] for each in seen]), labels, TWELVE)
    assert found is not None
    assert found.classes == alphabetical
    assert found.accuracy > 0.9
    assert better_order(seen, labels, TWELVE) is None
    assert better_order(rng.integers(0, 12, 180), labels, TWELVE) is None
