"""The model folder: `model.safetensors` and, written last, `model.json` that says what they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftloop.errors import ModelError
from driftloop.files import atomic, check_file, digest_file, digest_json, read_manifest, write_json
from driftloop.params.named_class import names

if TYPE_CHECKING:
    import torch

    from driftloop.models.classifier import Classifier, ClassifierSpec

FORMAT = 1
FIELDS = frozenset(
    ("network", "input_shape", "classes", "mean", "std", "filters", "parent", "training_data", "sha256")
)
_WEIGHTS, _META = "model.safetensors", "model.json"


def save_model(
    folder: Path, classifier: Classifier, *, parent: str | None = None, training_data: Sequence[str] = ()
) -> str:
    """Write a classifier as a model folder, and return its digest.

    A folder with a `model.json` is whole: it is removed first and written after the weights.

    Args:
        folder: made where it is missing.
        classifier: on any device.
        parent: digest of the model that this one was made from.
        training_data: digests of the images it was trained on.
    """
    from safetensors.torch import save_file

    (folder / _META).unlink(missing_ok=True)
    held = classifier.state_dict()
    weights = {name: held[name].cpu().contiguous().clone() for name in held}  # tied ones may share no memory
    with atomic(folder / _WEIGHTS) as temporary:
        save_file(weights, temporary)
    spec = classifier.spec
    meta = {
        "format": FORMAT,
        "network": dict(spec.network),
        "input_shape": list(spec.input_shape),
        "classes": list(spec.classes),
        "mean": list(spec.mean),
        "std": list(spec.std),
        "filters": [dict(each) for each in spec.filters],
        "parent": parent,
        "training_data": list(training_data),
        "sha256": digest_file(folder / _WEIGHTS),
    }
    write_json(folder / _META, meta)
    return digest_json(meta)


def load_model(folder: Path, device: str | torch.device = "cpu") -> Classifier:
    """Read a model folder, in eval mode.

    Raises:
        ModelError: a file is missing or altered, the format is of another version, the network or a
            filter is none, or a class that the project does not name, or the weights do not fit it.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from driftloop.models.classifier import Classifier

    meta = read_meta(folder)
    weights = folder / _WEIGHTS
    check_file(weights, meta["sha256"], folder / _META)
    spec = _read_spec(folder, meta)
    try:
        _check_size(spec, weights)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn here, and thrown away below
        try:
            classifier = Classifier(spec)
            classifier.load_state_dict(load_file(weights))
        except ModelError as error:
            raise ModelError(f"{folder}: {error}") from error
        except (RuntimeError, SafetensorError) as error:
            raise ModelError(f"{weights} does not fit the network of {folder / _META}: {error}") from error
    return classifier.to(device).eval()


def _check_size(spec: ClassifierSpec, weights: Path) -> None:
    """Refuse a network that the weights are too few for, before it takes any memory.

    A class that is not driftloop's may do what takes real memory while it is made. It is the project's own.
    """
    import torch

    from driftloop.models.classifier import Classifier
    from driftloop.models.exported import first_line

    if not all(name.startswith("driftloop.") for name in names([spec.network, *spec.filters])):
        return
    try:
        with torch.device("meta"):
            needed = sum(each.nbytes for each in Classifier(spec).state_dict().values())
    except RuntimeError as error:
        raise ModelError(f"its network cannot be made ({first_line(error)}).") from error
    if needed > weights.stat().st_size:
        raise ModelError(
            f"{weights.name} has {weights.stat().st_size:,} bytes and does not fit the network, which takes "
            f"{needed:,}."
        )


def model_digest(folder: Path) -> str:
    """Return what stands for a model in provenance: the digest of `model.json`, which holds the weights'.

    Raises:
        ModelError: there is no readable `model.json`.
    """
    return digest_json(read_meta(folder))


def sound_digest(folder: Path) -> str:
    """Return what stands for a model, after a look at its weights.

    Raises:
        ModelError: there is no readable `model.json`, or the weights are not those that it was written for.
    """
    meta = read_meta(folder)
    check_file(folder / _WEIGHTS, meta["sha256"], folder / _META)
    return digest_json(meta)


def read_meta(folder: Path) -> dict[str, Any]:
    """Read `model.json` and check its form.

    Raises:
        ModelError: it is missing, is not JSON, is of another format version, or lacks a field.
    """
    return read_manifest(folder / _META, "model", version=FORMAT, fields=FIELDS)


def _read_spec(folder: Path, meta: dict[str, Any]) -> ClassifierSpec:
    from driftloop.models.classifier import ClassifierSpec

    try:
        height, width, channels = (int(size) for size in meta["input_shape"])
        spec = ClassifierSpec(
            network=dict(meta["network"]),
            input_shape=(height, width, channels),
            classes=tuple(str(name) for name in meta["classes"]),
            mean=tuple(float(value) for value in meta["mean"]),
            std=tuple(float(value) for value in meta["std"]),
            filters=tuple(dict(each) for each in meta["filters"]),
        )
    except (TypeError, ValueError) as error:
        raise ModelError(f"{folder / _META}: a field is of the wrong form ({error}).") from error
    scaled = len(spec.mean) == len(spec.std) == channels and all(value > 0 for value in spec.std)
    if not scaled or min(height, width) < 1:
        raise ModelError(
            f"{folder / _META}: input_shape is {[height, width, channels]}, mean {list(spec.mean)}, "
            f"std {list(spec.std)}; each channel has one mean and one std above 0."
        )
    return spec
