"""A DICOM file's pixels, as medical devices write them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, BinaryIO

from PIL import Image

from driftloop.data.deep import Deep, Range
from driftloop.errors import DataError

_DEFLATED = b"1.2.840.10008.1.2.1.99"


def read_dicom(stream: BinaryIO, name: str, most: int) -> Deep | Image.Image:
    """Return a DICOM file's pixels in the units that its rescale slope and intercept give.

    Black and white are `dataset.levels`, else the file's first window, else what its stored bits hold
    (PS3.3 C.11.1 and C.11.2). MONOCHROME1 has white for the lowest value.

    Args:
        stream: the file.
        name: what messages call it.
        most: so many pixels at most.

    Raises:
        DataError: it has several frames, a palette, no picture, or is packed in a way that is not known here.
    """
    pydicom, unpack = import_module("pydicom"), import_module("pydicom.pixels")
    # Deflated, it would be inflated as a whole before anything can be known of it.
    if _DEFLATED in stream.read(4096):
        raise DataError(f"{name} is deflated as a whole. Save it unpacked.")
    stream.seek(0)
    data = pydicom.dcmread(stream)
    frames, kind = int(data.get("NumberOfFrames") or 1), str(data.get("PhotometricInterpretation", ""))
    if "PixelData" not in data:
        raise DataError(
            f"{name} is DICOM without a picture ({data.get('Modality', 'no modality')}). Leave it out."
        )
    if frames > 1:
        raise DataError(f"{name} has {frames} frames. Save the one you mean by itself.")
    if int(data.Rows) * int(data.Columns) > most:
        raise DataError(f"{name} claims too many pixels; at most {most:,} are read.")
    syntax = data.file_meta.TransferSyntaxUID
    try:
        pixels = unpack.pixel_array(data)
    except (RuntimeError, NotImplementedError, AttributeError) as error:
        raise DataError(
            f"{name} is packed as {syntax.name}, which cannot be unpacked here ({error}). Save it unpacked, "
            "or install what the pydicom project names for it."
        ) from error
    if pixels.ndim == 3 and pixels.dtype == "uint8":
        return Image.fromarray(pixels)
    if kind not in ("MONOCHROME1", "MONOCHROME2") or pixels.ndim != 2:
        raise DataError(f"{name} is {kind}, {pixels.dtype}. Save it as MONOCHROME2, or as RGB of 8 bits.")
    bits, signed = int(data.BitsStored), bool(data.get("PixelRepresentation", 0))
    slope, intercept = (float(data.get(key, usual) or usual) for key, usual in _RESCALE)
    least, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    ends = sorted((slope * least + intercept, slope * highest + intercept))
    window = _window(data)
    return Deep(
        values=unpack.apply_rescale(pixels, data),
        tagged=None,
        otherwise=window or (None if _has_curve(data) else (ends[0], ends[1])),
        inverted=kind == "MONOCHROME1",
        windowed=window is not None,
    )


_RESCALE = (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))


def _has_curve(data: Any) -> bool:
    """Tell whether the file wants to be shown by a curve, which no black and white can say."""
    return str(data.get("VOILUTFunction") or "LINEAR") not in ("LINEAR", "LINEAR_EXACT")


def _window(data: Any) -> Range | None:
    """Return the values that the file's first window makes black and white. None where it has none."""
    centres, widths = data.get("WindowCenter"), data.get("WindowWidth")
    if centres in (None, "") or widths in (None, "") or _has_curve(data):
        return None
    centre, width = (float(each if isinstance(each, int | float) else each[0]) for each in (centres, widths))
    if data.get("VOILUTFunction") == "LINEAR_EXACT":
        return (centre - width / 2, centre + width / 2) if width > 0 else None
    return (centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2) if width > 1 else None
