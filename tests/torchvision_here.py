"""torchvision beside any build of torch."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

_LIBRARIES: list[Any] = []
"""Kept, or what they declare is gone."""


@cache
def torchvision() -> ModuleType:
    """Import torchvision, also where its operators in C++ were built for another build of torch.

    They find boxes, and no classifier needs them; its import wants these to be declared.
    """
    import torch

    try:
        return import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)
        return import_module("torchvision")
