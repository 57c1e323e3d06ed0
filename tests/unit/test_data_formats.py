"""Readers of published formats believe nothing: not a header, not a length, not a path in an archive."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftloop.data.formats import read_cifar_batch, read_idx, read_label_list, read_rows_of_png, unpack
from driftloop.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return header + array.tobytes()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(idx_bytes(IMAGES)) if suffix else idx_bytes(IMAGES))
    np.testing.assert_array_equal(read_idx(path, (5, 4, 3)), IMAGES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx_bytes(IMAGES)[:-1], "cut short"),
        (idx_bytes(IMAGES) + b"x", "too long"),
        (idx_bytes(IMAGES)[:7], "not an IDX file"),
        (idx_bytes(IMAGES.reshape(5, 3, 4)), "not an IDX file"),
        (b"\0\0\x0d\x03" + idx_bytes(IMAGES)[4:], "not an IDX file"),
        (b"<html>not found</html>" * 20, "not an IDX file"),
        (b"", "not an IDX file"),
    ],
)
def test_damaged_idx_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    for name, data in (("plain", content), ("zipped.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=message):
            read_idx(tmp_path / name, (5, 4, 3))


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(idx_bytes(IMAGES))
    for damaged in (whole[:-20], whole[:15] + b"\xff" * 10 + whole[25:], b"not gzip"):
        (tmp_path / "images.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"images\.gz"):
            read_idx(tmp_path / "images.gz", (5, 4, 3))
    with pytest.raises(DataError, match=r"missing\.gz"):
        read_idx(tmp_path / "missing.gz", (5, 4, 3))


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_unpack_takes_only_what_is_wanted_and_writes_nowhere_else(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "a" / "b" / "inside"
    inside.mkdir(parents=True)
    outside.write_bytes(b"precious")
    hostile = archive(
        tmp_path / "x.tgz",
        (link("labels", str(outside), tarfile.SYMTYPE), b""),
        (link("package/labels", "../../../outside", tarfile.LNKTYPE), b""),
        (tarfile.TarInfo(str(outside)), b"overwritten"),
        (tarfile.TarInfo("../../../outside"), b"overwritten"),
        (tarfile.TarInfo("package/../../images"), b"pixels"),
        (tarfile.TarInfo("package/labels"), b"numbers"),
        (tarfile.TarInfo("package/labels"), b"a second time"),
        (tarfile.TarInfo("package/install.sh"), b"rm -rf"),
    )
    unpack(hostile, ["images", "labels"], inside)
    assert {path.name: path.read_bytes() for path in inside.iterdir()} == {
        "images": b"pixels",
        "labels": b"numbers",
    }
    assert outside.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "outside", "x.tgz"]
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["inside"]


def test_unpack_refuses_damaged_incomplete_and_oversized_archives(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(50_000)
    whole = archive(tmp_path / "whole.tgz", (tarfile.TarInfo("p/images"), noise))
    with pytest.raises(DataError, match=r"whole\.tgz lacks labels"):
        unpack(whole, ["images", "labels"], tmp_path)
    with pytest.raises(DataError, match="claims 50000 bytes"):
        unpack(whole, ["images"], tmp_path, max_bytes=49_999)
    content = whole.read_bytes()
    for size in (0, 5, len(content) // 2, len(content) - 500):
        (tmp_path / "cut.tgz").write_bytes(content[:size])
        with pytest.raises(DataError, match=r"cut\.tgz"):
            unpack(tmp_path / "cut.tgz", ["images"], tmp_path)


def test_png_sheets_hold_one_image_a_row(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    path = tmp_path / "sheet.png"
    Image.fromarray(images.reshape(6, 16, 3)).save(path)
    np.testing.assert_array_equal(read_rows_of_png(path, 6, 4), images)
    with pytest.raises(DataError, match="16 x 6 pixels; it must be RGB of 16 x 7"):
        read_rows_of_png(path, 7, 4)
    content = path.read_bytes()
    for damaged in (content[:-60], content[:20], b"GIF89a", b""):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"sheet\.png"):
            read_rows_of_png(path, 6, 4)


def test_label_lists(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text("[0, 9, 3]")
    assert read_label_list(path, 3).tolist() == [0, 9, 3]
    for text in (
        "[0, 9]",
        "[0, 9, 256]",
        "[0, 9, -1]",
        "[0, 9, 1.5]",
        "[0, 9, true]",
        "{}",
        "[0, 9",
        "[" * 100_000,
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=r"labels\.json"):
            read_label_list(path, 3)


def test_cifar_batches_are_planes_after_a_label(tmp_path: Path) -> None:
    path = tmp_path / "batch.bin"
    image = np.random.default_rng(2).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    path.write_bytes(bytes([7]) + image.transpose(2, 0, 1).tobytes())
    images, labels = read_cifar_batch(path, 1)
    np.testing.assert_array_equal(images[0], image)
    assert labels.tolist() == [7]
    with pytest.raises(DataError, match="3073 bytes; 2 images take 6146"):
        read_cifar_batch(path, 2)
