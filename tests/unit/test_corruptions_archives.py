"""MNIST-C and CIFAR-10-C as their authors publish them are read, and what is not that is refused."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from driftloop.corruptions import archives
from driftloop.corruptions.archives import read_archive
from driftloop.errors import DataError, ParameterError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
LABELS = np.arange(6)


@pytest.fixture
def mnist_c(tmp_path: Path) -> Path:
    """The folder `mnist_c` with one corruption, six images each for training and testing."""
    folder = tmp_path / "mnist_c" / "fog"
    folder.mkdir(parents=True)
    for part, images in (("train", 255 - IMAGES), ("test", IMAGES)):
        np.save(folder / f"{part}_images.npy", images)
        np.save(folder / f"{part}_labels.npy", LABELS)
    return folder.parent


def pack(folder: Path, kind: str) -> Path:
    archive = folder.parent / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in folder.rglob("*.npy"):
                packed.write(path, path.relative_to(folder.parent))
    else:
        with tarfile.open(archive, "w:gz" if kind.endswith("gz") else "w") as packed:
            packed.add(folder, folder.name)
    return archive


@pytest.mark.parametrize("form", ["folder", "parent", "tar", "tar.gz", "zip"])
def test_mnist_c_is_read_from_any_form(mnist_c: Path, form: str) -> None:
    path = {"folder": mnist_c, "parent": mnist_c.parent}.get(form) or pack(mnist_c, form)
    images, labels = read_archive(path, "mnist_c", "fog")
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert labels.dtype == np.int64
    train, _ = read_archive(path, "mnist_c", "fog", part="train")
    np.testing.assert_array_equal(train, 255 - IMAGES)


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_cifar10_c_holds_the_severities_one_after_the_other(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    blocks = np.repeat(np.arange(1, 6, dtype=np.uint8), 10_000)
    np.save(folder / "frost.npy", np.broadcast_to(blocks[:, None, None, None], (50_000, 8, 8, 3)))
    np.save(folder / "labels.npy", np.tile(np.arange(10_000) % 10, 5).astype(np.uint8))
    path = folder if form == "folder" else pack(folder, form)
    for severity in (1, 5):
        images, labels = read_archive(path, "cifar10_c", "frost", severity)
        assert images.shape == (10_000, 8, 8, 3)
        assert (images == severity).all()
        np.testing.assert_array_equal(labels, np.arange(10_000) % 10)
    with pytest.raises(DataError, match="only test images"):
        read_archive(path, "cifar10_c", "frost", 1, part="train")


@pytest.mark.parametrize("form", ["folder", "tar", "zip"])
def test_what_is_missing_is_named(mnist_c: Path, form: str) -> None:
    path = mnist_c if form == "folder" else pack(mnist_c, form)
    with pytest.raises(DataError, match=r"has no zigzag/test_images\.npy"):
        read_archive(path, "mnist_c", "zigzag")
    with pytest.raises(DataError, match="at severity 5 only, not 2"):
        read_archive(path, "mnist_c", "fog", 2)
    with pytest.raises(ParameterError, match="Did you mean fog"):
        read_archive(path, "mnist_c", "fogg")
    with pytest.raises(DataError, match="does not exist"):
        read_archive(path.parent / "nowhere", "mnist_c", "fog")


def test_a_pickle_is_not_opened(mnist_c: Path) -> None:
    np.save(mnist_c / "fog" / "test_labels.npy", np.array([{}] * 6, dtype=object), allow_pickle=True)
    for path in (mnist_c, pack(mnist_c, "tar")):
        with pytest.raises(DataError, match=r"fog/test_labels\.npy cannot be read"):
            read_archive(path, "mnist_c", "fog")


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_a_damaged_archive_is_refused(mnist_c: Path, kind: str) -> None:
    archive = pack(mnist_c, kind)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 3])
    with pytest.raises(DataError, match="archive"):
        read_archive(archive, "mnist_c", "fog")


def test_a_link_reaches_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "hostile.tar"
    secret = tmp_path / "secret.npy"
    np.save(secret, IMAGES)
    with tarfile.open(archive, "w") as packed:
        for name in ("test_images.npy", "test_labels.npy"):
            link = tarfile.TarInfo(f"mnist_c/fog/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, str(secret)
            packed.addfile(link)
    with pytest.raises(DataError, match="has no fog/test_images"):
        read_archive(archive, "mnist_c", "fog")


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_huge_member_is_not_unpacked(mnist_c: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MAX_BYTES", IMAGES.nbytes)  # the header comes on top
    with pytest.raises(DataError, match=r"fog/test_images\.npy claims \d+ bytes"):
        read_archive(pack(mnist_c, kind), "mnist_c", "fog")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("test_images", IMAGES.astype(float)),
        ("test_images", IMAGES[..., 0, 0]),
        ("test_labels", LABELS[:3]),
        ("test_labels", LABELS.astype(float)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(mnist_c: Path, name: str, wrong: np.ndarray) -> None:
    np.save(mnist_c / "fog" / f"{name}.npy", wrong)
    with pytest.raises(DataError, match="fog"):
        read_archive(mnist_c, "mnist_c", "fog")
