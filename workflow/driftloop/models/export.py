"""Export a classifier, filters and all, as one file that runs without driftloop: torch.export or ONNX."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from driftloop.errors import ModelError
from driftloop.files import atomic
from driftloop.models.classifier import Classifier

TOLERANCE = 1e-4
"""So much may a logit differ."""
_EXAMPLES = 16
_Run = Callable[[Tensor], Tensor]


def export_model(classifier: Classifier, path: Path) -> float:
    """Write a classifier as one file: uint8 images (N, H, W, C), any N, to float32 logits (N, K).

    The file is read back and asked about images from black to pure noise. It takes its place only if it
    answers as the classifier does. `torch.export.load(path).module()` runs a `.pt2`, onnxruntime a `.onnx`,
    whose input is `images` and whose output is `logits`.

    Args:
        classifier: on the CPU.
        path: ends in `.pt2` or `.onnx`.

    Returns:
        The largest difference between two logits that was seen.

    Raises:
        ModelError: another ending, or the model cannot be exported, or answers otherwise.
    """
    if path.suffix not in _WRITERS:
        raise ModelError(
            f"{path}: an exported program ends in {' or '.join(_WRITERS)}. Try {path.with_suffix('.pt2')}"
        )
    write, opened = _WRITERS[path.suffix]
    images = _examples(classifier)
    # torch.export keeps weights only in this order in memory, and warns of others.
    plain = copy.deepcopy(classifier).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with torch.no_grad(), atomic(path) as temporary:
        wanted = classifier.eval()(images)
        try:
            # Into memory first: where the disk is full, torch's own writer ends the whole process.
            content = write(plain, images)
        except ModelError:
            raise
        except Exception as error:  # whatever a user's own network or filter makes torch say
            raise ModelError(f"torch cannot export this model as {path.suffix}: {_reason(error)}") from error
        temporary.write_bytes(content)
        try:
            run = opened(temporary)
            # Not in batches of the size that it was made with.
            answers = torch.cat([run(part) for part in (images[:3], images[3:])])
        except Exception as error:  # whatever a user's own network or filter makes torch say
            raise ModelError(f"torch cannot export this model as {path.suffix}: {_reason(error)}") from error
        difference = float((answers - wanted).abs().max())
        if not difference < TOLERANCE:
            raise ModelError(f"The exported model answers otherwise: logits differ by {difference:.2g}.")
    return difference


def _exported(classifier: Classifier, images: Tensor) -> bytes:
    torch.export.save(_program(classifier, images), written := io.BytesIO())
    return written.getvalue()


def _open_exported(path: Path) -> _Run:
    run: _Run = torch.export.load(path).module()
    return run


def _onnx(classifier: Classifier, images: Tensor) -> bytes:
    from driftloop.models.onnx_file import import_onnx

    import_onnx("onnx")
    import_onnx("onnxscript")
    pool = torch.ops.aten.adaptive_max_pool2d.default
    with _quietly():
        program = _program(classifier, images).run_decompositions({pool: _adaptive_max_pool})
        made = torch.onnx.export(program, input_names=["images"], output_names=["logits"], verbose=False)
    assert made is not None  # noqa: S101 (for the type checker: a program comes back where no file is named)
    content: bytes = made.model_proto.SerializeToString()
    return content


def _open_onnx(path: Path) -> _Run:
    from driftloop.models.onnx_file import open_session

    session = open_session(path.read_bytes(), str(path))
    return lambda part: torch.from_numpy(session.run(["logits"], {"images": part.numpy()})[0])


def _adaptive_max_pool(x: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Do what aten.adaptive_max_pool2d does by what ONNX has. The places are of no use to a network."""
    height, width = x.shape[-2:]
    rows = [
        torch.stack(
            [x[..., top:bottom, left:right].amax((-2, -1)) for left, right in _spans(width, size[1])], -1
        )
        for top, bottom in _spans(height, size[0])
    ]
    pooled = torch.stack(rows, -2)
    return pooled, torch.zeros_like(pooled, dtype=torch.int64)


def _spans(whole: int, parts: int) -> list[tuple[int, int]]:
    """Return where the parts of an adaptive pooling begin and end. They may overlap.

    >>> _spans(7, 2)
    [(0, 4), (3, 7)]
    """
    return [(part * whole // parts, -(-(part + 1) * whole // parts)) for part in range(parts)]


_WRITERS = {".pt2": (_exported, _open_exported), ".onnx": (_onnx, _open_onnx)}


def _reason(error: Exception) -> str:
    found = re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", str(error))
    return f"ONNX has nothing for {found[1]}. A .pt2 holds it." if found else str(error)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep torch.onnx from printing its progress and warning of itself. What it raises is told."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _program(classifier: Classifier, images: Tensor) -> torch.export.ExportedProgram:
    # A program that came from elsewhere may have limits of its own.
    many = torch.export.Dim.AUTO if classifier.network.fixed else torch.export.Dim("n", min=1)
    return torch.export.export(classifier, (images,), dynamic_shapes=({0: many},))


def _examples(classifier: Classifier) -> Tensor:
    """Return images from black to pure noise, uint8 (N, H, W, C)."""
    noise: npt.NDArray[np.int64] = np.random.default_rng(0).integers(
        0, 256, (_EXAMPLES, *classifier.input_shape)
    )
    strength = np.linspace(0, 1, _EXAMPLES)[:, None, None, None]
    return torch.from_numpy((noise * strength).astype(np.uint8))
