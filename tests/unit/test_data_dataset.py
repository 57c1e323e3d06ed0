"""The dataset contract: what was saved comes back, and a folder that is not whole is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from driftloop.data.dataset import Dataset, load_dataset, save_dataset
from driftloop.errors import DataError
from driftloop.files import digest_array

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], dtype=np.int64)
TOY = Dataset(IMAGES, LABELS, "toy", ("a", "b", "c"))


def test_a_dataset_comes_back_from_the_disk(tmp_path: Path) -> None:
    save_dataset(tmp_path, TOY)
    read = load_dataset(tmp_path)
    np.testing.assert_array_equal(read.images, IMAGES)
    np.testing.assert_array_equal(read.labels, LABELS)
    assert (read.name, read.classes) == ("toy", ("a", "b", "c"))
    assert json.loads((tmp_path / "meta.json").read_text())["sha256"] == digest_array(IMAGES)
    with pytest.raises(ValueError, match="read-only"):
        read.images[0] = 0


def test_labels_do_not_outlive_the_dataset_that_had_them(tmp_path: Path) -> None:
    save_dataset(tmp_path, TOY)
    save_dataset(tmp_path, Dataset(IMAGES[:3], None, "toy", TOY.classes))
    assert load_dataset(tmp_path).labels is None
    assert not (tmp_path / "labels.npy").exists()


def test_take_keeps_the_order_that_is_asked_for(tmp_path: Path) -> None:
    save_dataset(tmp_path, TOY)
    part = load_dataset(tmp_path).take(np.array([4, 0]))
    np.testing.assert_array_equal(part.images, IMAGES[[4, 0]])
    assert part.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES / 255, LABELS, "float64"),
        (IMAGES[..., 0], LABELS, r"\(6, 4, 4\)"),
        (IMAGES[..., :2], LABELS, "1 or 3 channels"),
        (IMAGES, LABELS[:5], r"int64 \(5,\)"),
        (IMAGES, LABELS.astype(np.int32), "int32"),
        (IMAGES, LABELS + 1, "from 1 to 3"),
        (IMAGES, LABELS - 1, "from -1 to 1"),
    ],
)
def test_what_breaks_the_contract_is_refused(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset(images, labels, "toy", TOY.classes)


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"meta\.json does not exist"):
        load_dataset(tmp_path)
    for name in ("images.npy", "labels.npy"):
        save_dataset(tmp_path, TOY)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-1])
        with pytest.raises(DataError, match=name):
            load_dataset(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(DataError, match=name):
            load_dataset(tmp_path)
    save_dataset(tmp_path, TOY)
    for meta in (
        "[]",
        "{}",
        '"toy"',
        '{"name": "toy", "classes": 3, "shape": [], "labels_sha256": null}',
        "{",
    ):
        (tmp_path / "meta.json").write_text(meta)
        with pytest.raises(DataError, match=r"meta\.json"):
            load_dataset(tmp_path)
    save_dataset(tmp_path, TOY)
    np.save(tmp_path / "images.npy", IMAGES[:5])
    with pytest.raises(DataError, match="promises"):
        load_dataset(tmp_path)


def test_a_flipped_bit_is_seen_when_it_is_loaded(tmp_path: Path) -> None:
    for name in ("images.npy", "labels.npy"):
        save_dataset(tmp_path, TOY)
        load_dataset(tmp_path)
        content = bytearray((tmp_path / name).read_bytes())
        content[-8] ^= 1
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name} is not the file that .* remove it and run"):
            load_dataset(tmp_path)
