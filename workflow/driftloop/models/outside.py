"""Takes a model that was trained elsewhere: a program, or weights of a network that is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from driftloop.errors import ModelError
from driftloop.models.classifier import Classifier, ClassifierSpec
from driftloop.models.exported import first_line
from driftloop.models.fixed import PROGRAMS
from driftloop.models.networks import Network
from driftloop.models.probabilities import are_probabilities
from driftloop.models.programs import Described, Program, read_program
from driftloop.models.wrapped import Wrapped
from driftloop.params.named_class import find_class

WEIGHTS = (".safetensors", ".pt", ".pth")
_TRIAL = 3
"""Images that an adopted model is tried on."""


def adopt(
    path: Path,
    *,
    network: Mapping[str, Any],
    mean: float | Sequence[float],
    std: float | Sequence[float],
    images: npt.NDArray[np.uint8],
    classes: Sequence[str],
) -> Classifier:
    """Make a classifier of a model that was trained elsewhere, and try it on some images.

    Args:
        path: `.onnx` or `.pt2` for a program, `.safetensors` or `.pt` for weights of `network`.
        network: `_target_` and arguments of the network that weights are for: a `Network` or any module.
        mean: the model takes (x - mean) / std of pixels in [0, 1]; one number, or one a channel.
        std: see `mean`.
        images: uint8 (N, H, W, C), some of the data that it is going to see.
        classes: the class names, in the order of its outputs.

    Raises:
        ModelError: the model cannot be opened, or does not fit the data; the message shows both sides.
    """
    height, width, channels = (int(size) for size in images.shape[1:])
    if target := PROGRAMS.get(path.suffix):
        content, described = read_program(path)
        _check_fit(path, described, (height, width, channels), classes)
        spec: dict[str, Any] = {
            "_target_": target,
            "size": len(content),
            "batch": described.batch,
            "channels_last": described.channels_last,
        }
        weights = {"network.program": torch.frombuffer(bytearray(content), dtype=torch.uint8)}
    elif path.suffix in WEIGHTS:
        spec, weights = find_network(network), read_weights(path)
    else:
        raise ModelError(f"{path}: a model ends in .onnx, .pt2, .safetensors or .pt (a state dict).")
    means, stds = (_each_channel(value, channels, path) for value in (mean, std))
    if min(stds) <= 0:
        raise ModelError(f"{path}: model.std is {list(stds)}; each is above 0.")
    whole = ClassifierSpec(spec, (height, width, channels), tuple(classes), means, stds)
    classifier = _fill(Classifier(whole), weights, path, program=target is not None)
    return _try(classifier, path, images[:_TRIAL])


def _try(classifier: Classifier, path: Path, images: npt.NDArray[np.uint8]) -> Classifier:
    """Run a classifier once, and take the logarithm of what it gives where that is probabilities."""
    with torch.inference_mode():
        try:
            logits = classifier.eval()(torch.from_numpy(np.array(images)))
        except (RuntimeError, ModelError) as error:
            h, w, c = classifier.input_shape
            raise ModelError(
                f"{path} does not fit the data, which has images of {h} x {w} with {c} channels and "
                f"{len(classifier.classes)} classes: {first_line(error)}"
            ) from error
    if not torch.isfinite(logits).all():
        raise ModelError(f"{path} gives numbers that are not finite. Are mean and std right?")
    if not are_probabilities(logits):
        return classifier
    if not isinstance(classifier.network, Program | Wrapped):
        raise ModelError(
            f"{path}: {classifier.spec.network['_target_']} gives probabilities; a Network gives logits. "
            "Take the softmax out of its `head`."
        )
    spec = replace(classifier.spec, network={**classifier.spec.network, "probabilities": True})
    filled = Classifier(spec)
    filled.load_state_dict(classifier.state_dict())
    return filled.eval()


def find_network(network: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification that makes a `Network` of any module's.

    Raises:
        ModelError: what it names cannot be imported.
    """
    if issubclass(find_class(str(network["_target_"]), "network", ModelError), Network):
        return dict(network)
    return {"_target_": "driftloop.models.wrapped.Wrapped", "module": dict(network)}


def _fill(classifier: Classifier, weights: Mapping[str, Tensor], path: Path, *, program: bool) -> Classifier:
    prefix = "network.module." if isinstance(classifier.network, Wrapped) else "network."
    named = weights if program else {f"{prefix}{name}": value for name, value in weights.items()}
    wanted = {name: value.shape for name, value in classifier.state_dict().items()}
    lacking = [name for name in wanted if name not in named]
    strange = [name for name in named if name not in wanted]
    other = [name for name in wanted if name in named and named[name].shape != wanted[name]]
    for names, what in ((lacking, "lacks"), (strange, "has also"), (other, "has in another shape")):
        if names:
            shapes = (
                ""
                if names is not other
                else (f" ({tuple(named[names[0]].shape)} where the network takes {tuple(wanted[names[0]])})")
            )
            first = names[0].removeprefix(prefix)
            raise ModelError(
                f"{path} does not fit the network {classifier.spec.network['_target_']}: it {what} {first}"
                f"{shapes}, and {len(names) - 1} more. The file has {len(named)} tensors, the network "
                f"{len(wanted)}."
            )
    classifier.load_state_dict(dict(named))
    return classifier


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read weights from safetensors, or from a state dict in a .pt file, whose pickle may hold only tensors.

    Raises:
        ModelError: the file is missing or damaged, or holds anything else.
    """
    if not path.is_file():
        raise ModelError(f"{path} does not exist.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zipfile and safetensors raise almost anything on damaged bytes
        raise ModelError(
            f"{path} holds no plain weights ({first_line(error)}). Save the model's state_dict(), best with "
            "safetensors.torch.save_file."
        ) from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"{path} holds {type(found).__name__}, not a state dict of tensors.")
    return {str(name): value for name, value in found.items()}


def _check_fit(path: Path, found: Described, shape: tuple[int, int, int], classes: Sequence[str]) -> None:
    height, width, channels = shape
    fits = (
        found.size in (None, (height, width))
        and found.channels in (None, channels)
        and found.outputs in (None, len(classes))
    )
    if not fits:
        names = ", ".join(classes[:6]) + (", …" if len(classes) > 6 else "")
        raise ModelError(
            f"{path} does not fit the data.\n  The model takes {found.sentence}.\n  The data has images of "
            f"{height} x {width} pixels with {channels} channels, and {len(classes)} classes ({names}).\n"
            "Set dataset.size, dataset.channels and dataset.classes to what the model takes."
        )


def _each_channel(value: float | Sequence[float], channels: int, path: Path) -> tuple[float, ...]:
    values = [float(each) for each in (value if isinstance(value, Sequence) else [value] * channels)]
    if len(values) != channels:
        raise ModelError(
            f"{path}: mean or std has {len(values)} numbers, but images have {channels} channels."
        )
    return tuple(values)
