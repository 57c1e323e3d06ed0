"""Export a classifier, filters and all, as one file that runs without driftloop (torch.export)."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from driftloop.errors import ModelError
from driftloop.files import atomic
from driftloop.models.classifier import Classifier

SUFFIX = ".pt2"
TOLERANCE = 1e-4
"""So much may a logit differ."""
_EXAMPLES = 16


def export_model(classifier: Classifier, path: Path) -> float:
    """Write a classifier as one file: uint8 images (N, H, W, C), any N, to float32 logits (N, K).

    The file is read back and asked about images from black to pure noise; it takes its place only if it
    answers as the classifier does. `torch.export.load(path).module()` runs it.

    Args:
        classifier: on the CPU.
        path: ends in `.pt2`.

    Returns:
        The largest difference between two logits that was seen.

    Raises:
        ModelError: another ending, or the model cannot be exported, or answers otherwise.
    """
    if path.suffix != SUFFIX:
        raise ModelError(f"{path}: an exported program ends in {SUFFIX}. Try {path.with_suffix(SUFFIX)}")
    images = _examples(classifier)
    # torch.export keeps weights only in this order in memory, and warns of others.
    plain = copy.deepcopy(classifier).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with torch.no_grad(), atomic(path) as temporary:
        wanted = classifier.eval()(images)
        try:
            # Into memory first: where the disk is full, torch's own writer ends the whole process.
            torch.export.save(_program(plain, images), written := io.BytesIO())
        except Exception as error:  # whatever a user's own network or filter makes torch say
            raise ModelError(f"torch.export cannot export this model: {error}") from error
        temporary.write_bytes(written.getbuffer())
        try:
            run = torch.export.load(temporary).module()
            # Not in batches of the size that it was made with.
            answers = torch.cat([run(part) for part in (images[:3], images[3:])])
        except Exception as error:  # whatever a user's own network or filter makes torch say
            raise ModelError(f"torch.export cannot export this model: {error}") from error
        difference = float((answers - wanted).abs().max())
        if not difference < TOLERANCE:
            raise ModelError(f"The exported model answers otherwise: logits differ by {difference:.2g}.")
    return difference


def _program(classifier: Classifier, images: torch.Tensor) -> torch.export.ExportedProgram:
    # A program that came from elsewhere may have limits of its own.
    many = torch.export.Dim.AUTO if classifier.network.fixed else torch.export.Dim("n", min=1)
    return torch.export.export(classifier, (images,), dynamic_shapes=({0: many},))


def _examples(classifier: Classifier) -> torch.Tensor:
    """Return images from black to pure noise, uint8 (N, H, W, C)."""
    noise: npt.NDArray[np.int64] = np.random.default_rng(0).integers(
        0, 256, (_EXAMPLES, *classifier.input_shape)
    )
    strength = np.linspace(0, 1, _EXAMPLES)[:, None, None, None]
    return torch.from_numpy((noise * strength).astype(np.uint8))
