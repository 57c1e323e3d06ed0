"""Picture files of every format and depth, made by the libraries that write them, and what becomes of each.

`python -m tests.picture_files` writes docs/pictures.md from it; tests/unit/test_picture_files.py runs it.
"""

from __future__ import annotations

import re
import struct
import tempfile
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from driftloop.data.pictures import Form, read_picture
from driftloop.errors import DataError

PAGE = Path(__file__).parents[1] / "docs" / "pictures.md"

Pixels = npt.NDArray[Any]

_DOWN, _ACROSS = np.indices((16, 24))
GREY: Pixels = (_DOWN * 9 + _ACROSS * 5).astype(np.uint8)
"""What every grey picture shows: 16 x 24, dark at the upper left, 0 to 250."""
GREY[0, 0], GREY[-1, -1] = 0, 255
COLOUR: Pixels = np.stack([GREY, GREY[::-1], np.full_like(GREY, 90)], axis=-1)
TWELVE: Pixels = np.rint(GREY.astype(np.float64) / 255 * 4095).astype(np.uint16)
"""The same in 12 bits."""
DEEP: Pixels = GREY.astype(np.uint16) * 257
"""The same in 16 bits."""


@dataclass(frozen=True)
class Case:
    """A picture file.

    Attributes:
        format: what it is called.
        what: what is special about it.
        make: returns the file's bytes.
        shown: what it is to become, uint8 (16, 24, C); None where it is to be refused.
        says: of a refusal, a part of its message.
        notes: what is to be said of one that is taken.
        suffix: of the file.
        near: how many grey levels it may be away; formats that lose something lose more.
        options: what `dataset` of the parameters says: levels, bands, background.
    """

    format: str
    what: str
    make: Callable[[], bytes]
    shown: Pixels | None = None
    says: str = ""
    notes: str = ""
    suffix: str = ""
    near: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name."""
        words = re.sub(r"\W+", "-", f"{self.format} {self.what}".lower()).strip("-")
        return f"{words}{self.suffix or SUFFIX[self.format]}"


SUFFIX = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "GIF": ".gif",
    "PNM": ".pgm",
    "WebP": ".webp",
    "AVIF": ".avif",
    "HEIC": ".heic",
    "JPEG XL": ".jxl",
    "DICOM": ".dcm",
}


def saved(pixels: Pixels | Image.Image, kind: str, **options: Any) -> Callable[[], bytes]:
    """Return a function that saves a picture with Pillow."""

    def make() -> bytes:
        stream = BytesIO()
        picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        if kind == "HEIF":
            import_module("pillow_heif").register_heif_opener()
        if kind == "JXL":
            import_module("pillow_jxl")
        picture.save(stream, kind, **options)
        return stream.getvalue()

    return make


def tiff(
    pixels: Pixels, tags: tuple[tuple[int, str, int, Any], ...] = (), **options: Any
) -> Callable[[], bytes]:
    """Return a function that writes a TIFF with tifffile, with tags (code, type, count, value) of one's own."""

    def make() -> bytes:
        stream = BytesIO()
        extra = [(*tag, True) for tag in tags]
        how = {"photometric": "minisblack", "metadata": None, **options}
        import_module("tifffile").imwrite(stream, pixels, extratags=extra, **how)
        return stream.getvalue()

    return make


def pages(*each: Pixels, **options: Any) -> Callable[[], bytes]:
    """Return a function that writes a TIFF of several pages."""

    def make() -> bytes:
        stream = BytesIO()
        with import_module("tifffile").TiffWriter(stream, ome=options.pop("ome", False)) as file:
            for pixels in each:
                file.write(pixels, photometric="minisblack", **options)
        return stream.getvalue()

    return make


def packed_twelve() -> bytes:
    """Write a TIFF whose samples are 12 bits, two in three bytes: no writer here does it."""
    flat = TWELVE.ravel().astype(np.uint32)
    pairs = flat[::2] << 12 | flat[1::2]
    data = b"".join(int(pair).to_bytes(3, "big") for pair in pairs)
    entries = [
        (256, 3, 24), (257, 3, 16), (258, 3, 12), (259, 3, 1), (262, 3, 1),
        (273, 4, 8), (277, 3, 1), (278, 3, 16), (279, 4, len(data)),
    ]  # fmt: skip
    ifd = struct.pack("<H", len(entries))
    for code, kind, value in entries:
        ifd += struct.pack("<HHII", code, kind, 1, value)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + ifd + struct.pack("<I", 0)


def png(pixels: Pixels) -> Callable[[], bytes]:
    """Return a function that writes a PNG of 16 bits, as its standard says; Pillow writes colour with 8."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def make() -> bytes:
        height, width = pixels.shape[:2]
        kind = {2: 0, 3: {2: 4, 3: 2, 4: 6}.get(pixels.shape[-1], 0)}[pixels.ndim]
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
        header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
        parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + parts

    return make


def pnm(kind: str, pixels: Pixels, most: int) -> Callable[[], bytes]:
    """Return a function that writes a binary PGM or PPM."""
    data = pixels.astype(">u2" if most > 255 else np.uint8).tobytes()
    return lambda: f"{kind}\n24 16\n{most}\n".encode() + data


def dicom(
    pixels: Pixels, *, packed: bool = False, deflated: bool = False, **tags: Any
) -> Callable[[], bytes]:
    """Return a function that writes a DICOM file with pydicom."""

    def make() -> bytes:
        pydicom: Any = import_module("pydicom")
        uid: Any = import_module("pydicom.uid")
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = (
            uid.DeflatedExplicitVRLittleEndian if deflated else uid.ExplicitVRLittleEndian
        )
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
            uid.SecondaryCaptureImageStorage,
            "1.2.3",
        )
        data = pydicom.Dataset()
        data.file_meta = meta
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
        data.Modality, data.Rows, data.Columns = "OT", *pixels.shape[:2]
        data.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
        data.BitsAllocated = data.BitsStored = 8 * pixels.itemsize
        data.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
        if pixels.ndim == 3:
            data.PlanarConfiguration = 0
        data.PixelRepresentation = int(pixels.dtype.kind == "i")
        data.PixelData = pixels.tobytes()
        for key, value in tags.items():
            setattr(data, key, value)
        data.HighBit = data.BitsStored - 1
        if data.PixelData is None:
            del data.PixelData
        if packed:
            data.compress(uid.RLELossless)
        stream = BytesIO()
        pydicom.dcmwrite(stream, data, enforce_file_format=True)
        return stream.getvalue()

    return make


def turned(pixels: Pixels, orientation: int = 6) -> tuple[Pixels, bytes]:
    """Return pixels lying on their side, and the EXIF that says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return np.rot90(pixels).copy(), exif.tobytes()


def once_jpeg(*, forgotten: bool) -> bytes:
    """Return a JPEG XL made of a JPEG on its side; `forgotten`: it cannot be made a JPEG again, but has EXIF."""
    import_module("pillow_jxl")
    stream = BytesIO()
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.fromarray(ON_SIDE).save(file, "JPEG", quality=98, subsampling=0, exif=EXIF)
        file.flush()
        with Image.open(file.name) as picture:
            picture.save(stream, "JXL")
    data, place, kept = stream.getvalue(), 0, b""
    while forgotten and place < len(data):
        size, kind = (
            int.from_bytes(data[place : place + 4], "big") or len(data) - place,
            data[place + 4 : place + 8],
        )
        if kind == b"brob":  # packed EXIF
            kept += struct.pack(">I4sI", 12 + len(EXIF) - 6, b"Exif", 0) + EXIF[6:]
        elif kind != b"jbrd":  # what makes it a JPEG again
            kept += data[place : place + size]
        place += size
    return kept or data


def alpha(pixels: Pixels, opacity: int) -> Image.Image:
    """Return a picture of colour of which the left half has an opacity."""
    picture = Image.fromarray(pixels).convert("RGBA")
    mask = np.full(GREY.shape, 255, np.uint8)
    mask[:, :12] = opacity
    picture.putalpha(Image.fromarray(mask))
    return picture


ON_SIDE, EXIF = turned(COLOUR)
FRAMES = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1])]
MOVING: dict[str, Any] = {"save_all": True, "append_images": FRAMES[1:], "duration": 100}
ON_WHITE = COLOUR.copy()
ON_WHITE[:, :12] = 255
TWO = np.where(GREY > 127, 255, 0).astype(np.uint8)
FOUR_BITS: Pixels = (GREY // 17 * 17).astype(np.uint8)
DEEP_COLOUR: Pixels = COLOUR.astype(np.uint16) * 257
TWELVE_COLOUR: Pixels = np.rint(COLOUR.astype(np.float64) / 255 * 4095).astype(np.uint16)
FIVE: Pixels = np.stack([GREY // 5, COLOUR[..., 2], COLOUR[..., 1], COLOUR[..., 0], GREY // 3], axis=-1)
HOUNSFIELD: Pixels = np.rint(GREY.astype(np.float64) / 255 * 400).astype(np.int16) - 160  # -160 to 240
UNKNOWN = "whose range is unknown. Say what is black and what is white, dataset.levels="
LEVELS = {"levels": (0, 4095)}
SAID = "pictures scaled from 0 to 4095, as their files say"

CASES = [
    Case("PNG", "grey, 8 bits", saved(GREY, "PNG"), GREY),
    Case("PNG", "grey, 1 bit", saved(Image.fromarray(TWO > 0), "PNG"), TWO),
    Case("PNG", "palette of 16 greys, 4 bits", saved(Image.fromarray(FOUR_BITS).quantize(16), "PNG", bits=4), np.stack([FOUR_BITS] * 3, -1), near=1),
    Case("PNG", "colour, 8 bits", saved(COLOUR, "PNG"), COLOUR),
    Case("PNG", "colour with alpha, opaque", saved(alpha(COLOUR, 255), "PNG"), COLOUR),
    Case("PNG", "colour with alpha, transparent", saved(alpha(COLOUR, 0), "PNG"), says="has transparent pixels. Put it on the background you mean"),
    Case("PNG", "colour with alpha, transparent", saved(alpha(COLOUR, 0), "PNG"), ON_WHITE, notes="pictures put on white", options={"background": "white"}),
    Case("PNG", "palette with a transparent colour", saved(Image.fromarray(COLOUR).quantize(64), "PNG", transparency=3), says="has transparent pixels"),
    Case("PNG", "grey, 16 bits", saved(DEEP, "PNG"), GREY),
    Case("PNG", "grey, 12 bits in words of 16", saved(TWELVE, "PNG"), np.rint(TWELVE / 257).astype(np.uint8), notes="pictures of 16 bits are nearly black: dataset.levels says which value is white"),
    Case("PNG", "grey, 12 bits in words of 16", saved(TWELVE, "PNG"), GREY, options=LEVELS),
    Case("PNG", "grey, 16 bits, beyond the levels", saved(DEEP, "PNG"), np.where(GREY > 15, 255, np.rint(DEEP / 4095 * 255)).astype(np.uint8), notes="beyond dataset.levels (0 to 4095), which are cut", options=LEVELS),
    Case("PNG", "colour, 16 bits", png(DEEP_COLOUR), COLOUR),
    Case("PNG", "colour, 12 bits in words of 16", png(TWELVE_COLOUR), COLOUR, options=LEVELS),
    Case("PNG", "colour with alpha, 16 bits, opaque", png(np.dstack([DEEP_COLOUR, np.full_like(DEEP, 65535)])), COLOUR),
    Case("PNG", "grey with alpha, 16 bits", png(np.dstack([DEEP, np.full_like(DEEP, 65535)])), says="Save it as grey or RGB, or with 8 bits"),
    Case("PNG", "with an EXIF orientation", saved(ON_SIDE, "PNG", exif=EXIF), COLOUR),
    Case("PNG", "grey, 16 bits, with an EXIF orientation", saved(np.rot90(DEEP).copy(), "PNG", exif=EXIF), GREY),
    Case("PNG", "moving", saved(FRAMES[0], "PNG", **MOVING), says="has 2 frames. Save the one you mean by itself"),
    Case("PNG", "cut short", lambda: saved(COLOUR, "PNG")()[:60], says="is not a readable picture"),
    Case("JPEG", "grey", saved(GREY, "JPEG", quality=98), GREY, near=6),
    Case("JPEG", "colour", saved(COLOUR, "JPEG", quality=98, subsampling=0), COLOUR, near=8),
    Case("JPEG", "colour, progressive", saved(COLOUR, "JPEG", quality=98, subsampling=0, progressive=True), COLOUR, near=8),
    Case("JPEG", "CMYK", saved(Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=98), COLOUR, near=12),
    Case("JPEG", "with an EXIF orientation", saved(ON_SIDE, "JPEG", quality=98, subsampling=0, exif=EXIF), COLOUR, near=8),
    Case("JPEG", "MPO, a phone's photo with a second one inside", saved(FRAMES[0], "MPO", save_all=True, append_images=FRAMES[1:], quality=98, subsampling=0), COLOUR, near=8, suffix=".mpo"),
    Case("TIFF", "grey, 8 bits", tiff(GREY), GREY),
    Case("TIFF", "grey, 8 bits, white is zero", tiff(255 - GREY, photometric="miniswhite"), GREY),
    Case("TIFF", "1 bit, fax (G4)", saved(Image.fromarray(TWO > 0), "TIFF", compression="group4"), TWO),
    Case("TIFF", "grey, 16 bits", tiff(DEEP), GREY),
    Case("TIFF", "grey, 16 bits, big-endian", tiff(DEEP, byteorder=">"), GREY),
    Case("TIFF", "grey, 16 bits, deflated with differences", tiff(DEEP, compression="zlib", predictor=True), GREY),
    Case("TIFF", "grey, 16 bits, white is zero", tiff(65535 - DEEP, photometric="miniswhite"), GREY),
    Case("TIFF", "grey, 12 bits, two in three bytes (BitsPerSample 12)", packed_twelve, GREY, notes=SAID),
    Case("TIFF", "grey, 12 bits in words of 16 (MaxSampleValue 4095)", tiff(TWELVE, ((281, "H", 1, 4095),)), GREY, notes=SAID),
    Case("TIFF", "grey, 12 bits in words of 16, white is zero (MaxSampleValue 4095)", tiff(4095 - TWELVE, ((281, "H", 1, 4095),), photometric="miniswhite"), GREY, notes=SAID),
    Case("TIFF", "grey, 16 bits, its own maximum as MaxSampleValue", tiff(DEEP // 2, ((281, "H", 1, 32700),)), (np.rint(DEEP // 2 / 257)).astype(np.uint8)),
    Case("TIFF", "grey, 12 bits in words of 16, no tag", tiff(TWELVE), GREY, options=LEVELS),
    Case("TIFF", "OME, 12 bits in words of 16 (SignificantBits)", pages(TWELVE, ome=True, metadata={"axes": "YX", "SignificantBits": 12}), GREY, notes=SAID),
    Case("TIFF", "grey, 16 bits with a sign", tiff(HOUNSFIELD), says=UNKNOWN),
    Case("TIFF", "grey, 16 bits with a sign", tiff(HOUNSFIELD), GREY, options={"levels": (-160, 240)}, near=1),
    Case("TIFF", "grey, 32 bits", tiff(DEEP.astype(np.int32)), says=UNKNOWN),
    Case("TIFF", "grey, floats", tiff((GREY / 255).astype(np.float32)), says=UNKNOWN),
    Case("TIFF", "grey, floats", tiff((GREY / 255).astype(np.float32)), GREY, options={"levels": (0, 1)}),
    Case("TIFF", "grey, floats, some no numbers", tiff(np.where(GREY > 9, GREY, np.nan).astype(np.float32)), says="has pixels that are no numbers", options={"levels": (0, 255)}),
    Case("TIFF", "colour, 8 bits", tiff(COLOUR, photometric="rgb"), COLOUR),
    Case("TIFF", "colour, 8 bits, LZW", saved(COLOUR, "TIFF", compression="tiff_lzw"), COLOUR),
    Case("TIFF", "colour, 8 bits, tiles", tiff(COLOUR, photometric="rgb", tile=(16, 16)), COLOUR),
    Case("TIFF", "colour, 8 bits, BigTIFF", tiff(COLOUR, photometric="rgb", bigtiff=True), COLOUR),
    Case("TIFF", "colour, 8 bits, one band after another", tiff(COLOUR.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"), COLOUR),
    Case("TIFF", "colour, 16 bits", tiff(DEEP_COLOUR, photometric="rgb"), COLOUR),
    Case("TIFF", "colour, 16 bits, big-endian", tiff(DEEP_COLOUR, photometric="rgb", byteorder=">"), COLOUR),
    Case("TIFF", "colour, 16 bits, deflated with differences", tiff(DEEP_COLOUR, photometric="rgb", compression="zlib", predictor=True), COLOUR),
    Case("TIFF", "colour, 12 bits in words of 16 (MaxSampleValue 4095)", tiff(TWELVE_COLOUR, ((281, "H", 3, (4095, 4095, 4095)),), photometric="rgb"), COLOUR, notes=SAID),
    Case("TIFF", "colour, 16 bits, one band after another", tiff(DEEP_COLOUR.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"), says="Say which they are: dataset.bands=[0,1,2]"),
    Case("TIFF", "colour, 16 bits, one band after another", tiff(DEEP_COLOUR.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"), COLOUR, options={"bands": (0, 1, 2)}),
    Case("TIFF", "colour, 16 bits, one band after another, deflated", tiff(TWELVE_COLOUR.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate", compression="zlib"), says="Say which they are: dataset.bands=[0,1,2]"),
    Case("TIFF", "CMYK", saved(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"), COLOUR, near=1),
    Case("TIFF", "Lab", saved(ImageCms.profileToProfile(FRAMES[0], ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"), "TIFF"), COLOUR, near=25),
    Case("TIFF", "five bands", tiff(FIVE, planarconfig="contig"), says="dataset.bands=[0] takes one of them as grey"),
    Case("TIFF", "five bands", tiff(FIVE, planarconfig="contig"), COLOUR, options={"bands": (3, 2, 1)}),
    Case("TIFF", "five bands, a band that it lacks", tiff(FIVE, planarconfig="contig"), says="has 5 bands, 0 to 4; dataset.bands asks for 7", options={"bands": (7,)}),
    Case("TIFF", "five bands of 16 bits", tiff(FIVE.astype(np.uint16) * 257, planarconfig="contig"), COLOUR, options={"bands": (3, 2, 1)}),
    Case("TIFF", "OME, three channels as pages", pages(DEEP_COLOUR.transpose(2, 0, 1).copy(), ome=True, metadata={"axes": "CYX"}), says="If they are one picture's bands, say which: dataset.bands="),
    Case("TIFF", "OME, three channels as pages", pages(DEEP_COLOUR.transpose(2, 0, 1).copy(), ome=True, metadata={"axes": "CYX"}), COLOUR, options={"bands": (0, 1, 2)}),
    Case("TIFF", "OME, one of three channels", pages(DEEP_COLOUR.transpose(2, 0, 1).copy(), ome=True, metadata={"axes": "CYX"}), GREY, options={"bands": (0,)}),
    Case("BMP", "grey, 8 bits", saved(GREY, "BMP"), GREY),
    Case("BMP", "colour, 8 bits", saved(COLOUR, "BMP"), COLOUR),
    Case("GIF", "grey", saved(GREY, "GIF"), GREY, notes="pictures turned from colour to grey"),
    Case("GIF", "moving", saved(FRAMES[0], "GIF", **MOVING), says="has 2 frames"),
    Case("PNM", "PGM, 8 bits", pnm("P5", GREY, 255), GREY),
    Case("PNM", "PGM, 12 bits in words of 16", pnm("P5", TWELVE, 4095), GREY),
    Case("PNM", "PPM, 8 bits", pnm("P6", COLOUR, 255), COLOUR, suffix=".ppm"),
    Case("PNM", "PPM, 12 bits in words of 16", pnm("P6", TWELVE_COLOUR, 4095), COLOUR, suffix=".ppm"),
    Case("WebP", "colour, lossless", saved(COLOUR, "WEBP", lossless=True), COLOUR),
    Case("WebP", "colour, lossy", saved(COLOUR, "WEBP", quality=95), COLOUR, near=25),
    Case("WebP", "moving", saved(FRAMES[0], "WEBP", **MOVING), says="has 2 frames"),
    Case("AVIF", "colour", saved(COLOUR, "AVIF", quality=100, subsampling="4:4:4"), COLOUR, near=4),
    Case("AVIF", "grey", saved(GREY, "AVIF", quality=100), GREY, near=4),
    Case("AVIF", "with an EXIF orientation", saved(ON_SIDE, "AVIF", quality=100, subsampling="4:4:4", exif=EXIF), COLOUR, near=4),
    Case("AVIF", "moving", saved(FRAMES[0], "AVIF", **MOVING), says="has 2 frames"),
    Case("HEIC", "colour", saved(COLOUR, "HEIF", quality=-1, chroma=444), COLOUR, near=4),
    Case("HEIC", "with an EXIF orientation", saved(ON_SIDE, "HEIF", quality=-1, chroma=444, exif=EXIF), COLOUR, near=4),
    Case("HEIC", "named .jpg, as phones send it", saved(COLOUR, "HEIF", quality=-1, chroma=444), COLOUR, near=4, suffix=".jpg"),
    Case("HEIC", "grey, 10 bits", saved(DEEP, "HEIF", quality=-1), GREY, near=2),
    Case("HEIC", "two pictures", saved(FRAMES[0], "HEIF", save_all=True, append_images=FRAMES[1:]), says="has 2 frames"),
    Case("JPEG XL", "colour, lossless", saved(COLOUR, "JXL", lossless=True), COLOUR),
    Case("JPEG XL", "grey, lossless", saved(GREY, "JXL", lossless=True), GREY),
    Case("JPEG XL", "grey, 16 bits, lossless", saved(DEEP, "JXL", lossless=True), GREY),
    Case("JPEG XL", "colour, lossy", saved(COLOUR, "JXL", quality=95), COLOUR, near=16),
    Case("JPEG XL", "made of a JPEG, with an orientation", lambda: once_jpeg(forgotten=False), COLOUR, near=12),
    Case("JPEG XL", "with an orientation, and EXIF that says it again", lambda: once_jpeg(forgotten=True), COLOUR, near=12),
    Case("JPEG XL", "cut short", lambda: saved(COLOUR, "JXL", lossless=True)()[:20], says="is not a readable picture"),
    Case("DICOM", "MONOCHROME2, 12 bits", dicom(TWELVE, BitsStored=12), GREY),
    Case("DICOM", "MONOCHROME2, 12 bits, packed (RLE)", dicom(TWELVE, BitsStored=12, packed=True), GREY),
    Case("DICOM", "MONOCHROME1, 12 bits", dicom(4095 - TWELVE, BitsStored=12, PhotometricInterpretation="MONOCHROME1"), GREY),
    Case("DICOM", "MONOCHROME2, 8 bits", dicom(GREY), GREY),
    Case("DICOM", "CT: slope, intercept and a window", dicom(HOUNSFIELD + 1024, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=40.5, WindowWidth=401), GREY, near=1),
    Case("DICOM", "CT: a window by dataset.levels instead of the file's", dicom(HOUNSFIELD + 1024, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=400, WindowWidth=50), GREY, near=1, options={"levels": (-160, 240)}),
    Case("DICOM", "several windows: the first", dicom(TWELVE, BitsStored=12, WindowCenter=[2048, 100], WindowWidth=[4096, 50]), GREY, near=1),
    Case("DICOM", "MONOCHROME1 with a window", dicom(4095 - TWELVE, BitsStored=12, PhotometricInterpretation="MONOCHROME1", WindowCenter=2048, WindowWidth=4096), GREY, near=1),
    Case("DICOM", "a window that is a curve (SIGMOID)", dicom(TWELVE, BitsStored=12, WindowCenter=2048, WindowWidth=4096, VOILUTFunction="SIGMOID"), says=UNKNOWN),
    Case("DICOM", "RGB", dicom(COLOUR), COLOUR),
    Case("DICOM", "several frames", dicom(TWELVE, BitsStored=12, NumberOfFrames=2, PixelData=TWELVE.tobytes() * 2), says="has 2 frames. Save the one you mean by itself"),
    Case("DICOM", "a palette", dicom(GREY, PhotometricInterpretation="PALETTE COLOR"), says="Save it as MONOCHROME2, or as RGB of 8 bits"),
    Case("DICOM", "without a picture", dicom(GREY, PixelData=None), says="is DICOM without a picture (OT). Leave it out"),
    Case("DICOM", "deflated as a whole", dicom(GREY, deflated=True), says="is deflated as a whole. Save it unpacked"),
]  # fmt: skip


def outcome(case: Case, folder: Path) -> tuple[Pixels | None, str]:
    """Read a case's file as driftloop does; return its pixels, or None, and what was said."""
    path = folder / case.name
    path.write_bytes(case.make())
    channels = 1 if case.shown is not None and case.shown.ndim == 2 else 3
    changes: Counter[str] = Counter()
    try:
        pixels = read_picture(path, case.name, Form((16, 24, channels), **case.options), changes)
    except DataError as error:
        return None, str(error)
    return pixels, "; ".join(changes)


def page() -> str:
    """Return docs/pictures.md."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            pixels, said = outcome(case, Path(folder))
            said = re.sub(
                r"\((?:cannot|unknown|image|conversion|not enough)[^()]*(?:\([^()]*\))?[^()]*\)", "", said
            )
            options = ", ".join(f"`dataset.{key}={_plain(value)}`" for key, value in case.options.items())
            told = said.replace(case.name, "it").replace(" .", ".").replace("|", "\\|")
            if pixels is None:
                became = f"left out: {told}"
            else:
                became = "taken" + (f", said: {case.notes}" if case.notes else "")
            rows.append(f"| {case.format} | {case.what} | {options} | {became} |\n")
    return (
        INTRODUCTION
        + "| file | what is special | set | what becomes of it |\n|---|---|---|---|\n"
        + "".join(rows)
    )


def _plain(value: Any) -> str:
    return str(list(value)).replace(" ", "") if isinstance(value, tuple) else str(value)


INTRODUCTION = """# Pictures as devices write them

<!-- Made by `make reference` from tests/picture_files.py, which runs in CI. -->

Each row is a file that a test makes with a real library and reads. A picture that is taken has the right grey levels,
up to the loss of a lossy format. Pictures that are left out are counted, and one message names the remedy.

**More than 8 bits.** One scale holds for all pictures, never a picture's own darkest and brightest point. The file's
own tags count first: BitsPerSample, OME's SignificantBits, or a MaxSampleValue of 2ⁿ - 1 in a TIFF, the header of a PGM.
Otherwise `dataset.levels` gives the values of black and white. `driftloop init` finds them over the pictures that it looks
at. White is the next power of two, so a camera of 12 bits gets `[0, 4095]`. Without `dataset.levels`, black and white are
the least and the most that 16 bits can hold. The scale is the same in training, in every window and in `predict`. Values
beyond it are cut, and a line says in how many pictures.

**DICOM.** Values are in the units that slope and intercept give. Black and white are `dataset.levels`. Without
it they are the file's first window, or else the range of its stored bits. MONOCHROME1 is inverted.

**Bands.** `dataset.bands=[2,1,0]` takes three bands of a TIFF as red, green and blue, `[0]` one as grey. They are counted
from 0, through the samples of a page and then through the pages.

**What to install.** HEIC: `pip install 'driftloop[heif]'`. JPEG XL: `[jxl]`. DICOM: `[dicom]`. Bands: `[tiff]`. AVIF
needs Pillow 11.3 or later. `make setup` installs all of them.

"""

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
