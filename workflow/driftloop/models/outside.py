"""Takes a model that was trained elsewhere: a program, or weights of a network that is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from driftloop.errors import ModelError
from driftloop.models.alike import Unlike, alike, find_unlike
from driftloop.models.classifier import Classifier, ClassifierSpec
from driftloop.models.exported import first_line
from driftloop.models.fixed import PROGRAMS
from driftloop.models.networks import Network
from driftloop.models.probabilities import are_probabilities
from driftloop.models.program_files import Described, Piece, ProgramFile, read_piece, read_program
from driftloop.models.programs import Program
from driftloop.models.wrapped import Wrapped
from driftloop.params.named_class import find_class

WEIGHTS = (".safetensors", ".pt", ".pth")
TRIAL = 8
"""Images that an adopted model is tried on. Two or more."""
_MENDING = {
    Unlike.CHANCE: (
        "So does a model that was exported in training mode: call model.eval() and export it anew. "
        "What it draws by chance while it predicts has to be taken out."
    ),
    Unlike.NEIGHBOURS: (
        "So does a model that was exported in training mode (call model.eval() and export it anew), "
        "and one that scales by the whole batch (scale each image by itself)."
    ),
}


@dataclass(frozen=True)
class Adopted:
    """A model that was trained elsewhere, taken.

    Attributes:
        classifier: in eval mode, on the CPU.
        notes: what was done to it, and what to know of it, in sentences.
        pieces: the files that it was read from.
        scales_itself: whether it takes pixels from 0 to 255, so that mean and std are none of ours.
    """

    classifier: Classifier
    notes: tuple[str, ...]
    pieces: tuple[Piece, ...]
    scales_itself: bool = False


def adopt(
    path: Path,
    *,
    network: Mapping[str, Any],
    mean: float | Sequence[float],
    std: float | Sequence[float],
    images: npt.NDArray[np.uint8],
    classes: Sequence[str],
    output: str | None = None,
) -> Adopted:
    """Make a classifier of a model that was trained elsewhere, and try it on some images.

    Args:
        path: `.onnx` or `.pt2` for a program, `.safetensors` or `.pt` for weights of `network`.
        network: `_target_` and arguments of the network that weights are for: a `Network` or any module.
        mean: the model takes (x - mean) / std of pixels in [0, 1]. One number, or one a channel.
        std: see `mean`.
        images: uint8 (N, H, W, C), some of the data that it is going to see. The first are used.
        classes: the class names, in the order of its outputs.
        output: the output of a program that has a number for each class. None where it has one such.

    Raises:
        ModelError: the model cannot be opened, does not fit the data (the message shows both sides), or
            answers otherwise for the same image.
    """
    height, width, channels = (int(size) for size in images.shape[1:])
    means, stds = (_each_channel(value, channels, path) for value in (mean, std))
    if min(stds) <= 0:
        raise ModelError(f"{path}: model.std is {list(stds)}; each is above 0.")
    shape = (height, width, channels)
    trial = torch.from_numpy(np.array(images[:TRIAL]))
    if path.suffix in PROGRAMS:
        file = read_program(path, output)
        _check_fit(path, file.described, shape, classes)
        if file.described.pixels and (set(means), set(stds)) != ({0.0}, {1.0}):
            raise ModelError(
                f"{path} takes pixels from 0 to 255 and scales them itself: leave out model.mean and .std."
            )
        whole = ClassifierSpec({}, shape, tuple(classes), means, stds)
        return _adopt_program(path, file, whole, trial)
    if path.suffix not in WEIGHTS:
        raise ModelError(
            f"{path}: a model ends in .onnx, .pt2, .safetensors or .pt (a state dict). Export it by "
            "torch.export.save or torch.onnx.export."
        )
    spec, weights = find_network(network), read_weights(path)
    whole = ClassifierSpec(spec, shape, tuple(classes), means, stds)
    classifier = _fill(Classifier(whole), weights, path)
    raw = _see(classifier, trial, path)
    if unlike := find_unlike(classifier.embed, trial):
        raise ModelError(f"{path}: {unlike.value}. {_MENDING[unlike]}")
    return Adopted(_as_logits(classifier, raw, path), (), (read_piece(path)[1],))


@torch.inference_mode()
def _adopt_program(path: Path, file: ProgramFile, spec: ClassifierSpec, trial: Tensor) -> Adopted:
    """Take the first form of a program that answers as the file itself does, and alike for an image."""
    notes = list(file.notes)
    plain = _program(path, file, spec, file.plain, file.described.batch)
    wanted = _see(plain, trial, path)[1]
    if not alike(_see(plain, trial, path)[1], wanted):
        raise ModelError(f"{path}: {Unlike.CHANCE.value}. {_MENDING[Unlike.CHANCE]}")
    found: Unlike | None = None
    for content, batch in _forms(file):
        classifier = _program(path, file, spec, content, batch)
        seen = _see(classifier, trial, path)
        if batch == file.described.batch and not alike(seen[1], wanted):
            found = found or Unlike.CHANCE
            continue
        if unlike := find_unlike(classifier.embed, trial):
            found = unlike
            continue
        if batch != file.described.batch:
            notes.append(f"it is run one image at a time, since {Unlike.NEIGHBOURS.value}")
        if seen[0].shape == seen[1].shape and bool((seen[0] == seen[1]).all()):
            notes.append(
                "no linear layer was found in it, so the check looks at what it gives for the classes"
            )
        taken = _as_logits(classifier, seen, path)
        return Adopted(taken, tuple(notes), file.pieces, file.described.pixels)
    assert found is not None  # noqa: S101 (for the type checker: there is a form)
    raise ModelError(f"{path}: {found.value}. {_MENDING[found]}")


def _forms(file: ProgramFile) -> Iterator[tuple[bytes, int | None]]:
    """Yield the forms of a program and how many images each is given at once: as it says, then one."""
    for batch in dict.fromkeys((file.described.batch, file.described.batch or 1)):
        for content in file.kept:
            yield content, batch


def _program(
    path: Path, file: ProgramFile, spec: ClassifierSpec, content: bytes, batch: int | None
) -> Classifier:
    network = {
        "_target_": PROGRAMS[path.suffix],
        "size": len(content),
        "batch": batch,
        "channels_last": file.described.channels_last,
    } | ({"output": file.output} if file.output else {})
    classifier = Classifier(replace(spec, network=network))
    assert isinstance(classifier.network, Program)  # noqa: S101 (for the type checker)
    classifier.network.program.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    return classifier.eval()


@torch.inference_mode()
def _see(classifier: Classifier, images: Tensor, path: Path) -> tuple[Tensor, Tensor]:
    """Ask a classifier about some images.

    Raises:
        ModelError: it cannot take them, or gives numbers that are not finite.
    """
    try:
        seen = classifier.eval().embed(images)
    except (RuntimeError, ModelError) as error:
        h, w, c = classifier.input_shape
        raise ModelError(
            f"{path} cannot take the data's images of {h} x {w} with {c} channels for "
            f"{len(classifier.classes)} classes: {first_line(error)}"
        ) from error
    if not torch.isfinite(seen[1]).all():
        raise ModelError(f"{path} gives numbers that are not finite. Are mean and std right?")
    return seen


def _as_logits(classifier: Classifier, seen: tuple[Tensor, Tensor], path: Path) -> Classifier:
    """Take the logarithm of what a classifier gives where that is probabilities."""
    if not are_probabilities(seen[1]):
        return classifier.eval()
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


def _fill(classifier: Classifier, weights: Mapping[str, Tensor], path: Path) -> Classifier:
    prefix = "network.module." if isinstance(classifier.network, Wrapped) else "network."
    named = {f"{prefix}{name}": value for name, value in weights.items()}
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
