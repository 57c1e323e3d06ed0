"""Pictures and arrays of every bad kind, given to `driftloop predict`: a message, or an answer."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.abuse.conftest import Command, refused

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (8, 8), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
SUFFIXES = ("bmp", "gif", "jpg", "jpeg", "pgm", "png", "ppm", "tif", "tiff", "webp")
FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "pgm": "PPM", "tif": "TIFF"}


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def encoded(suffix: str, picture: Image.Image | None = None, **options: object) -> bytes:
    stream = io.BytesIO()
    picture = picture or Image.fromarray(np.kron(GREY, np.ones((8, 8), np.uint8)))
    picture.save(stream, FORMATS.get(suffix, suffix.upper()), **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int = 8, kind: int = 0, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def frames(suffix: str) -> bytes:
    pictures = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (0, 90, 200)]
    return encoded(suffix, pictures[0], save_all=True, append_images=pictures[1:])


def transparent(mode: str) -> Image.Image:
    picture = Image.fromarray(COLOUR).convert("RGBA")
    picture.putalpha(Image.fromarray(GREY))
    return picture.convert(mode) if mode != "P" else picture.quantize(16)


def array(value: np.ndarray, **how: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value, **{"allow_pickle": True, **how})
    return stream.getvalue()


def header(text: str) -> bytes:
    padded = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr("../../escaped.png", encoded("png"))
    return stream.getvalue()


NUMPY = "{'descr': %s, 'fortran_order': False, 'shape': %s}"
BAD: dict[str, bytes] = {
    **{f"truncated.{suffix}": encoded(suffix)[:40] for suffix in SUFFIXES},
    **{f"empty.{suffix}": b"" for suffix in SUFFIXES},
    **{f"garbage.{suffix}": RNG.bytes(500) for suffix in SUFFIXES},
    **{f"pickle.{suffix}": pickle.dumps(Bomb()) for suffix in ("png", "jpg", "npy")},
    **{f"animated.{suffix}": frames(suffix) for suffix in ("gif", "png", "webp", "tiff")},
    "html.jpg": b"<!doctype html><img src=x onerror=alert(1)>",
    "svg.png": b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(executed) (w) file\n",
    "zip.png": archive(),
    "bomb.png": png(60_000, 60_000),
    "wide-bomb.png": png(2_000_000_000, 1),
    "bomb.ppm": b"P6\n99999999 99999999\n255\n",
    "negative.ppm": b"P6\n-8 -8\n255\n",
    "nothing.png": png(0, 0),
    "no-pixels.png": png(8, 8),
    "few-pixels.png": png(8, 8, data=b"\0" * 20),
    "odd-depth.png": png(8, 8, bits=7, data=b"\0" * 72),
    "odd-kind.png": png(8, 8, kind=9, data=b"\0" * 72),
    "wrong-crc.png": encoded("png").replace(b"IDAT", b"IDAT\0", 1),
    "transparent.png": encoded("png", transparent("RGBA")),
    "transparent-grey.png": encoded("png", transparent("LA")),
    "transparent.webp": encoded("webp", transparent("RGBA"), lossless=True),
    "transparent-palette.gif": encoded("gif", transparent("P"), transparency=0),
    "float.tif": encoded("tif", Image.fromarray(GREY.astype(np.float32))),
    "not-a-number.tif": encoded("tif", Image.fromarray(np.full((8, 8), np.nan, np.float32))),
    "integers.tif": encoded("tif", Image.fromarray(GREY.astype(np.int32))),
    "strip.png": encoded("png", Image.fromarray(np.zeros((1, 400), np.uint8))),
    "portrait.png": encoded("png", Image.fromarray(np.zeros((16, 8), np.uint8))),
    "floats.npy": array(GREY[None] / 255),
    "not-numbers.npy": array(np.full((1, 8, 8, 1), np.nan)),
    "wide.npy": array(GREY.astype(np.int64)[None]),
    "signed.npy": array(GREY.astype(np.int8)[None]),
    "bools.npy": array(GREY[None] > 9),
    "complex.npy": array(GREY[None] + 1j),
    "texts.npy": array(np.array(["a", "b"])),
    "dates.npy": array(np.array(["2026-01-01"], "datetime64[D]")),
    "fields.npy": array(np.zeros(3, [("a", "u1"), ("b", "f4")])),
    "objects.npy": array(np.array([Bomb()], dtype=object)),
    "one-number.npy": array(np.uint8(3)),
    "five.npy": array(np.zeros((1, 1, 8, 8, 1), np.uint8)),
    "other-side.npy": array(np.zeros((2, 9, 8, 1), np.uint8)),
    "colour.npy": array(COLOUR[None]),
    "channels-first.npy": array(np.zeros((2, 3, 8, 8), np.uint8)),
    "empty.npy": b"",
    "garbage.npy": RNG.bytes(300),
    "truncated.npy": array(np.zeros((9, 8, 8, 1), np.uint8))[:400],
    "archive.npy": archive(),
    "claims-much.npy": header(NUMPY % ("'|u1'", (10**12, 8, 8, 1))),
    "claims-less.npy": header(NUMPY % ("'|u1'", (-1, 8, 8, 1))),
    "claims-list.npy": header(NUMPY % ("'|u1'", [1, 8, 8, 1])),
    "no-dictionary.npy": header("[1, 2]"),
    "calls.npy": header("__import__('os').mkdir('executed')"),
    "unknown-type.npy": header(NUMPY % ("'|x9'", (1, 8, 8, 1))),
    "version-9.npy": b"\x93NUMPY\x09\x00" + bytes(60),
    "header-only.npy": b"\x93NUMPY",
}  # fmt: skip
GOOD: dict[str, bytes] = {
    **{f"plain.{suffix}": encoded(suffix) for suffix in SUFFIXES},
    "sixteen.png": encoded("png", Image.fromarray(GREY.astype(np.uint16) * 257)),
    "sixteen.tif": encoded("tif", Image.fromarray(GREY.astype(np.uint16) * 257)),
    "bits.png": encoded("png", Image.fromarray(GREY > 99)),
    "bits.tif": encoded("tif", Image.fromarray(GREY > 99)),
    "palette.png": encoded("png", Image.fromarray(COLOUR).quantize(16)),
    "palette.bmp": encoded("bmp", Image.fromarray(COLOUR).quantize(16)),
    "cmyk.jpg": encoded("jpg", Image.fromarray(COLOUR).convert("CMYK")),
    "cmyk.tif": encoded("tif", Image.fromarray(COLOUR).convert("CMYK")),
    "ycbcr.tif": encoded("tif", Image.fromarray(COLOUR).convert("YCbCr")),
    "lab.tif": encoded("tif", Image.fromarray(COLOUR).convert("LAB")),
    "opaque.png": encoded("png", Image.fromarray(COLOUR).convert("RGBA")),
    "progressive.jpg": encoded("jpg", progressive=True),
    "one-pixel.png": encoded("png", Image.fromarray(np.zeros((1, 1), np.uint8))),
    "large.png": encoded("png", Image.fromarray(np.zeros((3000, 3000), np.uint8))),
    "more-after.png": encoded("png") + b"PK\x03\x04 and more",
    "with space.png": encoded("png"),
    "new\nline.png": encoded("png"),
    "tab\there.png": encoded("png"),
    "quote'\".png": encoded("png"),
    "ünïcode-数字-🙂.png": encoded("png"),
    "-leading-dash.png": encoded("png"),
    "--help.png": encoded("png"),
    "[markup].png": encoded("png"),
    "$(mkdir executed).png": encoded("png"),
    "; mkdir executed;.png": encoded("png"),
    "UPPER.PNG": encoded("png"),
    "two.dots.png": encoded("png"),
    ("long" * 60) + ".png": encoded("png"),
    "stack.npy": array(np.zeros((3, 8, 8, 1), np.uint8)),
    "flat-stack.npy": array(np.zeros((3, 8, 8), np.uint8)),
    "fortran.npy": array(np.asfortranarray(np.zeros((3, 8, 8, 1), np.uint8))),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_named_and_refused(name: str, project: Path, driftloop: Command) -> None:
    (project / name).write_bytes(BAD[name])
    refused(driftloop("predict", "models/reference", name), name)
    assert not (project / "executed").exists()
    assert not (project.parent / "escaped.png").exists()


@pytest.mark.parametrize("name", GOOD)
def test_what_is_odd_but_clear_gets_an_answer(name: str, project: Path, driftloop: Command) -> None:
    (project / name).write_bytes(GOOD[name])
    outcome = driftloop("predict", "models/reference", "--jsonl", "--", name)
    assert outcome.status == 0, outcome.said
    assert '"class": ' in outcome.said
    assert not (project / "executed").exists()


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_dangling(path: Path) -> None:
    path.symlink_to("nowhere.png")


def make_nothing(path: Path) -> None:
    assert not path.exists()


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [make_loop, make_dangling, make_device, os.mkfifo, Path.mkdir, make_nothing])
def test_what_is_no_file_is_refused_and_not_waited_for(
    make: Callable[[Path], object], project: Path, driftloop: Command
) -> None:
    make(project / "x.png")
    refused(driftloop("predict", "models/reference", "x.png"), "x.png")


def test_a_link_to_a_picture_is_a_picture(project: Path, driftloop: Command) -> None:
    (project / "plain.png").write_bytes(encoded("png"))
    (project / "link.png").symlink_to("plain.png")
    assert driftloop("predict", "models/reference", "link.png").status == 0


def test_a_name_that_is_no_text_is_told(project: Path, driftloop: Command) -> None:
    with open(os.fsencode(project) + b"/bad\xff.png", "wb") as stream:  # noqa: PTH123
        stream.write(encoded("png"))
    outcome = driftloop("predict", "models/reference", "--jsonl", project)
    assert outcome.status in (0, 1)


STARTS = [
    encoded("png"),
    encoded("jpg"),
    encoded("gif"),
    encoded("tif"),
    array(np.zeros((2, 8, 8), np.uint8)),
]


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(st.sampled_from(STARTS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=12))
def test_damaged_bytes_are_refused_or_read(
    project: Path, driftloop: Command, start: bytes, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(start)
    for place, value in changes:
        content[place % len(content)] = value
    name = "x.npy" if start[:6] == b"\x93NUMPY" else "x.png"
    (project / name).write_bytes(content)
    outcome = driftloop("predict", "models/reference", name)
    if outcome.status:
        refused(outcome, name)
