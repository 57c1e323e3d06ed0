"""Program files, read as they are kept: what they take and give, and what would make them answer wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from driftloop.errors import ModelError

LARGEST = 1 << 31
"""Bytes of a program."""


@dataclass(frozen=True)
class Described:
    """What a program says of itself. None where it leaves it open.

    Attributes:
        size: (H, W) of its images.
        channels: of its images.
        outputs: how many numbers it gives for an image.
        batch: how many images it takes at once.
        channels_last: whether it takes (N, H, W, C) instead of (N, C, H, W).
        pixels: whether it takes pixels from 0 to 255 as uint8, so that it scales them itself.
    """

    size: tuple[int, int] | None
    channels: int | None
    outputs: int | None
    batch: int | None
    channels_last: bool = False
    pixels: bool = False

    @property
    def sentence(self) -> str:
        """What it takes and gives."""
        size = "any size" if self.size is None else f"{self.size[0]} x {self.size[1]} pixels"
        channels = "" if self.channels is None else f" with {self.channels} channels"
        gives = "" if self.outputs is None else f" and gives {self.outputs} numbers for each"
        return f"images of {size}{channels}{gives}"


@dataclass(frozen=True)
class Piece:
    """A file that a model was read from."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ProgramFile:
    """A program as it was read.

    Attributes:
        described: what it takes and gives.
        plain: the program as its own runtime would run it, with all its weights and one output.
        kept: the forms in which it may be kept, the best first: each shows its embedding in another way.
        pieces: the files that it was read from.
        notes: what was done to it, in sentences.
        output: which of its outputs is used, where a runtime has to choose.
    """

    described: Described
    plain: bytes
    kept: tuple[bytes, ...]
    pieces: tuple[Piece, ...]
    notes: tuple[str, ...] = ()
    output: int = field(default=0)


def read_program(path: Path, output: str | None = None) -> ProgramFile:
    """Read a program, and say what it takes and gives.

    Args:
        path: ends in `.onnx` or `.pt2`.
        output: the name of the output with a number for each class. None where there is one that can be.

    Raises:
        ModelError: it is none, cannot be opened here, or was saved in training mode.
    """
    if path.suffix == ".onnx":
        from driftloop.models.onnx_file import read_onnx

        return read_onnx(path, output)
    if path.suffix != ".pt2":
        raise ModelError(
            f"{path}: a program ends in .onnx or .pt2. TorchScript and whole pickled models are not read: "
            "export the model by torch.export.save, or give its weights, --model module:Class --weights FILE."
        )
    from driftloop.models.exported import read_exported

    return read_exported(path, output)


def describe(taken: Sequence[int | None], given: Sequence[int | None], *, pixels: bool) -> Described:
    """Say what a program takes and gives, from the four sizes of its input and those of its output."""
    last = taken[3] in (1, 3) and taken[1] not in (1, 3)
    height, width, channels = taken[1:] if last else (taken[2], taken[3], taken[1])
    size = None if height is None or width is None else (height, width)
    single = len(given) >= 2 and all(each == 1 for each in given[2:])
    return Described(size, channels, given[1] if single else None, taken[0], last, pixels)


def choose_output(names: Sequence[str], possible: Sequence[str], wanted: str | None, path: Path) -> int:
    """Return which of a program's outputs is used.

    Args:
        names: of all outputs.
        possible: of those that can be a number for each class.
        wanted: the name that was asked for.
        path: for messages.

    Raises:
        ModelError: there is none of that name, or none was named where several are possible.
    """
    listed = ", ".join(names)
    if wanted is not None:
        if wanted not in names:
            raise ModelError(f"{path} has no output {wanted!r}; it has {listed}.")
        return names.index(wanted)
    if not possible:
        raise ModelError(f"{path} gives no floats for each image; its outputs are {listed}.")
    if len(possible) > 1:
        raise ModelError(
            f"{path} has {len(names)} outputs ({listed}). Say which one has a number for each class: "
            f"model.output={possible[0]}"
        )
    return names.index(possible[0])


def read_piece(path: Path) -> tuple[bytes, Piece]:
    """Read a file of a model whole.

    Raises:
        ModelError: it is missing, empty or too large.
    """
    if not path.is_file():
        raise ModelError(f"{path} does not exist.")
    if not 0 < path.stat().st_size < LARGEST:
        raise ModelError(f"{path} has {path.stat().st_size:,} bytes; a model has some, and fewer than 2 GiB.")
    content = path.read_bytes()
    return content, Piece(path.name, len(content), sha256(content).hexdigest())
