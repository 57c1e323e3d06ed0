"""Which models are run as they are and cannot be retrained; asked where no tensors are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROGRAMS = {
    ".onnx": "driftloop.models.programs.OnnxProgram",
    ".pt2": "driftloop.models.programs.ExportedProgram",
}
"""Ending of a model file → the network that runs it."""


def is_fixed(meta: Mapping[str, Any]) -> bool:
    """Tell from a model's `model.json` whether it cannot be retrained.

    >>> is_fixed({"network": {"_target_": "driftloop.models.networks.ConvNet"}})
    False
    """
    return meta["network"].get("_target_") in PROGRAMS.values()
