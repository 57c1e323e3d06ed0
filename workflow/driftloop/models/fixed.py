"""Which models are programs, whose weights never change. Asked where no tensors are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROGRAMS = {
    ".onnx": "driftloop.models.programs.OnnxProgram",
    ".pt2": "driftloop.models.programs.ExportedProgram",
}
"""Ending of a model file → the network that runs it."""


def is_fixed(meta: Mapping[str, Any]) -> bool:
    """Tell from a model's `model.json` whether it is a program, or has one within. A damaged one is none.

    >>> is_fixed({"network": {"_target_": "driftloop.models.networks.ConvNet"}})
    False
    >>> is_fixed({"network": {"_target_": "a.B", "network": {"_target_": PROGRAMS[".onnx"], "size": 9}}})
    True
    """
    target, inner = None, meta.get("network")
    while isinstance(inner, Mapping):
        target, inner = inner.get("_target_"), inner.get("network")
    return target in PROGRAMS.values()
