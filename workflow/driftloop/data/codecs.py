"""Which picture formats are read, by which endings they are found, and what has to be installed for them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from driftloop.errors import DataError


@dataclass(frozen=True)
class Codec:
    """A picture format.

    Attributes:
        name: what people call it.
        suffixes: the endings of its files, in lower case.
        pillow: what Pillow calls it. None where another library reads it.
        module: what has to be imported for it. None where Pillow has it.
        extra: what of driftloop installs that.
    """

    name: str
    suffixes: tuple[str, ...]
    pillow: str | None
    module: str | None = None
    extra: str | None = None


HEIC = Codec("HEIC", (".heic", ".heif", ".hif"), "HEIF", "pillow_heif", "heif")
JPEG_XL = Codec("JPEG XL", (".jxl",), "JXL", "pillow_jxl", "jxl")
DICOM = Codec("DICOM", (".dcm", ".dicom"), None, "pydicom", "dicom")
AVIF = Codec("AVIF", (".avif",), "AVIF")
CODECS = (
    AVIF,
    Codec("BMP", (".bmp",), "BMP"),
    DICOM,
    Codec("GIF", (".gif",), "GIF"),
    HEIC,
    Codec("JPEG", (".jpg", ".jpeg", ".mpo"), "JPEG"),
    JPEG_XL,
    Codec("PNG", (".png",), "PNG"),
    Codec("PNM", (".pgm", ".ppm"), "PPM"),
    Codec("TIFF", (".tif", ".tiff"), "TIFF"),
    Codec("WebP", (".webp",), "WEBP"),
)
SUFFIXES = tuple(sorted(suffix for codec in CODECS for suffix in codec.suffixes))

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How every TIFF begins."""
HEAD = 132
"""So many bytes of a file tell what it is."""
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}


def recognise(head: bytes) -> Codec | None:
    """Say by a file's first bytes, whatever its name, which format it is of those that need something else.

    None stands for all that Pillow always has.
    """
    if head[128:132] == b"DICM":
        return DICOM
    if head[:2] == b"\xff\x0a" or head[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        return JPEG_XL
    if head[4:8] == b"ftyp":
        size = int.from_bytes(head[:4], "big")
        brands = {head[place : place + 4] for place in (8, *range(16, min(size, len(head)), 4))}
        if brands & {b"avif", b"avis"}:
            return AVIF
        if brands & _HEIF_BRANDS:
            return HEIC
    return None


def make_ready(codec: Codec, name: str) -> None:
    """Import what reads a format.

    Raises:
        DataError: it is not installed. The message says how to install it.
    """
    if codec.module is not None:
        if find_spec(codec.module) is None:
            raise DataError(
                f"{name} is {codec.name}; to read it: pip install 'driftloop[{codec.extra}]' "
                f"(the package {codec.module})."
            )
        module = import_module(codec.module)
        if codec is HEIC:
            module.register_heif_opener(thumbnails=False)
        return
    from PIL import Image

    Image.init()
    if codec.pillow not in Image.OPEN:
        raise DataError(f"{name} is {codec.name}; this Pillow cannot read it: pip install --upgrade pillow")
