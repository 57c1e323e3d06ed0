"""The header of a JPEG XL file, since its library unpacks all pixels at once and only the first frame.

The bits are laid out in ISO/IEC 18181-1: SizeHeader, then ImageMetadata.
"""

from __future__ import annotations

from driftloop.errors import DataError

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"


def orientation_of(head: bytes, name: str, most: int) -> int:
    """Return how a picture is to be turned, as EXIF has it. EXIF itself does not count in JPEG XL.

    Raises:
        DataError: it has more than `most` pixels or several frames, or its header is damaged.
    """
    bits = _Bits(_codestream(head, name))
    width, height = bits.size()
    if width * height > most:
        raise DataError(f"{name} claims too many pixels; at most {most:,} are read.")
    if bits.take(1) or not bits.take(1):  # the metadata is as usual
        return 1
    orientation = 1 + bits.take(3)
    if bits.take(1):
        bits.size()  # how large it is to be shown
    if bits.take(1):
        raise DataError(f"{name} has a preview inside. Save it without, or as PNG.")
    if bits.take(1):
        raise DataError(f"{name} has several frames. Save the one you mean by itself.")
    return orientation


def _codestream(head: bytes, name: str) -> bytes:
    """Return the beginning of the codestream, bare or in its container of boxes."""
    if not head.startswith(_CONTAINER):
        return head[2:]
    place = len(_CONTAINER)
    while place + 16 <= len(head):
        size, kind = int.from_bytes(head[place : place + 4], "big"), head[place + 4 : place + 8]
        start = place + (16 if size == 1 else 8)
        if size == 1:
            size = int.from_bytes(head[place + 8 : place + 16], "big")
        if kind in (b"jxlc", b"jxlp"):
            return head[start + (4 if kind == b"jxlp" else 0) + 2 :]
        if size < 8:
            break
        place += size
    raise DataError(f"{name} has no picture near its beginning. Save it anew, as JPEG XL or PNG.")


class _Bits:
    """Numbers out of bytes, lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._place = int.from_bytes(data[:64], "little"), 0

    def take(self, n: int) -> int:
        value = (self._bits >> self._place) & ((1 << n) - 1)
        self._place += n
        return value

    def size(self) -> tuple[int, int]:
        """Read a SizeHeader: width and height."""
        small = self.take(1)
        height = self._side(small)
        ratio = self.take(3)
        if ratio:
            across, down = _RATIOS[ratio - 1]
            return height * across // down, height
        return self._side(small), height

    def _side(self, small: int) -> int:
        if small:
            return 8 * (1 + self.take(5))
        return 1 + self.take((9, 13, 18, 30)[self.take(2)])
