"""A person's own images are made to fit by the stated policy, or refused with a reason."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from driftloop.data.pictures import Form
from driftloop.data.read_images import read_images
from driftloop.errors import DataError, ParameterError

GREY, COLOUR = (28, 28, 1), (32, 32, 3)
RNG = np.random.default_rng(0)
DIGIT = RNG.integers(0, 256, (28, 28), dtype=np.uint8)
PHOTO = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)


def save(path: Path, picture: Image.Image | np.ndarray, **options: object) -> Path:
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, **options)
    return path


def test_fitting_pictures_keep_every_pixel(tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp", "a.tif", "a.pgm"):
        read = read_images([save(tmp_path / name, DIGIT)], Form(GREY))
        np.testing.assert_array_equal(read.images, DIGIT[None, :, :, None])
        assert (read.names, read.notes) == ((str(tmp_path / name),), ())
    read = read_images([save(tmp_path / "photo.png", PHOTO)], Form(COLOUR))
    np.testing.assert_array_equal(read.images, PHOTO[None])


def test_a_folder_is_read_in_the_order_of_names_and_the_rest_is_told(tmp_path: Path) -> None:
    for name, level in (("b.png", 2), ("a.PNG", 1), ("c.jpg", 3)):
        save(tmp_path / name, np.full((28, 28), level, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "inner").mkdir()
    read = read_images([tmp_path], Form(GREY))
    assert read.images[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert [Path(name).name for name in read.names] == ["a.PNG", "b.png", "c.jpg"]
    assert read.notes == (f"2 other files or folders in {tmp_path} left out",)


def test_arrays_and_window_folders(tmp_path: Path) -> None:
    array = RNG.integers(0, 256, (3, 28, 28, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", array)
    np.save(tmp_path / "flat.npy", array[..., 0])
    read = read_images([tmp_path, tmp_path / "flat.npy"], Form(GREY))
    np.testing.assert_array_equal(read.images, np.concatenate([array, array]))
    assert read.names[2:4] == (f"{tmp_path / 'images.npy'}[2]", f"{tmp_path / 'flat.npy'}[0]")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 28, 28, 1)),
        np.zeros((2, 28, 27, 1), np.uint8),
        np.zeros((2, 28, 28, 3), np.uint8),
        np.uint8(3),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=r"x\.npy is .*; the model takes uint8 \(N, 28, 28, 1\)"):
        read_images([tmp_path / "x.npy"], Form(GREY))


def test_a_pickled_array_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"x\.npy"):
        read_images([tmp_path / "x.npy"], Form(GREY))


def test_pictures_are_turned_as_their_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    read = read_images([save(tmp_path / "x.png", DIGIT, exif=exif)], Form(GREY))
    np.testing.assert_array_equal(read.images[0, :, :, 0], np.rot90(DIGIT, -1))


def test_sixteen_bit_grey_is_scaled(tmp_path: Path) -> None:
    read = read_images([save(tmp_path / "x.png", DIGIT.astype(np.uint16) * 257)], Form(GREY))
    np.testing.assert_array_equal(read.images[0, :, :, 0], DIGIT)


def test_palettes_bits_and_opaque_alpha_become_plain(tmp_path: Path) -> None:
    flat = np.zeros((32, 32, 3), np.uint8)
    flat[:16] = (200, 30, 40)
    picture = Image.fromarray(flat)
    paths = [
        save(tmp_path / "palette.png", picture.quantize(4)),
        save(tmp_path / "alpha.png", picture.convert("RGBA")),
    ]
    for image in read_images(paths, Form(COLOUR)).images:
        np.testing.assert_array_equal(image, flat)
    cmyk = read_images([save(tmp_path / "cmyk.tif", picture.convert("CMYK"))], Form(COLOUR)).images[0]
    assert np.abs(cmyk.astype(int) - flat).max() <= 1
    bits = read_images([save(tmp_path / "bits.png", Image.fromarray(DIGIT > 99))], Form(GREY)).images[0]
    np.testing.assert_array_equal(bits[..., 0], np.where(DIGIT > 99, 255, 0))


def test_colour_grey_and_size_are_changed_and_told(tmp_path: Path) -> None:
    save(tmp_path / "large.png", np.full((64, 64, 3), (255, 0, 0), np.uint8))
    read = read_images([tmp_path], Form(GREY))
    assert np.unique(read.images).tolist() == [76]  # 0.299 of 255
    assert read.notes == ("1 pictures turned from colour to grey", "1 pictures resized to 28 x 28")
    checks = np.indices((128, 128)).sum(axis=0) % 2 * np.uint8(255)
    save(tmp_path / "large.png", checks.astype(np.uint8))
    read = read_images([tmp_path], Form(COLOUR))
    assert read.images.shape == (1, 32, 32, 3)
    assert np.abs(read.images.astype(int) - 127).max() < 20  # antialiased: no checks left
    assert read.notes == ("1 grey pictures repeated to colour", "1 pictures resized to 32 x 32")


def test_other_proportions_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "near.png", np.zeros((57, 56), np.uint8))
    assert read_images([tmp_path / "near.png"], Form(GREY)).images.shape == (1, 28, 28, 1)
    save(tmp_path / "wide.png", np.zeros((28, 40), np.uint8))
    with pytest.raises(DataError, match=r"wide\.png is 40 x 28 pixels; .*Crop it"):
        read_images([tmp_path / "wide.png"], Form(GREY))


@pytest.mark.parametrize(("size", "share", "resized"), [
    ((300, 200), 224 / 256, (384, 256)),
    ((225, 511), 224 / 232, (232, 526)),
    ((97, 64), 0.95, (356, 235)),
    ((224, 224), 0.875, (256, 256)),
])  # fmt: skip
def test_a_centre_is_cut_out_as_torchvision_and_timm_do_it(
    tmp_path: Path, size: tuple[int, int], share: float, resized: tuple[int, int]
) -> None:
    picture = Image.fromarray(RNG.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    form = Form((224, 224, 3), "crop", interpolation="bilinear", crop=share)
    read = read_images([save(tmp_path / "x.png", picture)], form).images[0]
    left, top = round((resized[0] - 224) / 2), round((resized[1] - 224) / 2)
    wanted = picture.resize(resized, Image.Resampling.BILINEAR).crop((left, top, left + 224, top + 224))
    np.testing.assert_array_equal(read, np.asarray(wanted))


def test_a_form_knows_what_it_cuts_off() -> None:
    assert Form((48, 48, 1), "crop").cut_off(192, 48) == pytest.approx(0.75)
    assert Form((48, 192, 1), "crop").cut_off(192, 48) == 0
    assert Form((48, 48, 1), "pad").cut_off(192, 48) == 0
    assert Form((224, 224, 3), "crop", crop=0.875).cut_off(224, 224) == pytest.approx(1 - 0.875**2)
    for wrong in ({"crop": 0.0}, {"crop": 2}, {"interpolation": "soft"}, {"fit": "pad", "crop": 0.9}):
        with pytest.raises(ParameterError):
            Form((48, 48, 1), **wrong)


def test_what_would_need_a_guess_is_refused(tmp_path: Path) -> None:
    clear = Image.fromarray(PHOTO).convert("RGBA")
    clear.putpixel((0, 0), (1, 2, 3, 128))
    frames = [Image.fromarray(PHOTO), Image.fromarray(255 - PHOTO)]
    cases = {
        save(tmp_path / "clear.png", clear): "transparent pixels",
        save(tmp_path / "moving.gif", frames[0], save_all=True, append_images=frames[1:]): "2 frames",
        save(
            tmp_path / "float.tif", Image.fromarray(PHOTO[..., 0].astype(np.float32))
        ): "type float32, .*dataset.levels",
    }
    for path, message in cases.items():
        with pytest.raises(DataError, match=message):
            read_images([path], Form(COLOUR))


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.gif", "x.tif", "x.webp", "x.bmp"])
def test_damaged_pictures_are_refused(tmp_path: Path, name: str) -> None:
    content = save(tmp_path / name, PHOTO).read_bytes()
    for damaged in (content[: len(content) // 2], content[:10], b"", b"just text"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(DataError, match=name):
            read_images([tmp_path / name], Form(COLOUR))


def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (7_100, 10_000, 100_000):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        (tmp_path / "bomb.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
        )
        with pytest.raises(DataError, match=r"bomb\.png claims too many pixels"):
            read_images([tmp_path / "bomb.png"], Form(GREY))


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    loop, pipe, empty = tmp_path / "loop.png", tmp_path / "pipe.png", tmp_path / "empty"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    empty.mkdir()
    (tmp_path / "classes" / "cat").mkdir(parents=True)
    cases = {
        tmp_path / "classes": "not looked into; name them: .*classes/\\*",
        loop: "loop.png does not exist",
        pipe: "pipe.png is not a regular file",
        empty: "no picture right inside",
        tmp_path: "loop.png does not exist",
        tmp_path / "nothing.png": "nothing.png does not exist",
    }
    for path, message in cases.items():
        with pytest.raises(DataError, match=message):
            read_images([path], Form(GREY))
    with pytest.raises(DataError, match="there are no images to read"):
        read_images([], Form(GREY))
