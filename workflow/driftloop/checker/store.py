"""The detector folder: `detector.safetensors` and, written last, `detector.json` that says what they are.

And the scores that one job found for a part of a large window, on their way to the job that concludes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from driftloop.checker.accuracy import AccuracyModel
from driftloop.checker.fitted import FittedDetector, Kind, make_detector
from driftloop.checker.scores import Scores
from driftloop.errors import DataError, DriftloopError, ModelError
from driftloop.files import atomic, check_file, digest_file, digest_json, read_manifest, write_json

FORMAT = 3
_ARRAYS, _META = "detector.safetensors", "detector.json"
_OF_A_KIND = ("scores", "predicted", "properties")
_ACCURACY = ("centre", "scale", "usual", "proportions", "weights")
_FIELDS = ("detector", "kinds", "accuracy_error", "model", "sha256")


def save_detector(folder: Path, fitted: FittedDetector, *, model: str | None = None) -> str:
    """Write a fitted detector as a folder, and return its digest.

    A folder with a `detector.json` is whole: it is removed first and written after the arrays.

    Args:
        folder: made where it is missing.
        fitted: the detector.
        model: digest of the model whose features it was fitted on.
    """
    (folder / _META).unlink(missing_ok=True)
    with atomic(folder / _ARRAYS) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in _flatten(fitted).items()}, temporary)
    meta = {
        "format": FORMAT,
        "detector": dict(fitted.spec),
        "kinds": [kind.name for kind in fitted.kinds],
        "accuracy_error": None if fitted.accuracy is None else fitted.accuracy.error,
        "model": model,
        "sha256": digest_file(folder / _ARRAYS),
    }
    write_json(folder / _META, meta)
    return digest_json(meta)


def load_detector(folder: Path) -> FittedDetector:
    """Read a detector folder.

    Raises:
        ModelError: a file is missing, altered or of another version, or names something that is no detector,
            or a class that the project does not name.
    """
    meta = _read_meta(folder)
    path = folder / _ARRAYS
    check_file(path, meta["sha256"], folder / _META)
    try:
        make_detector(meta["detector"])
        return _unflatten(meta, load_file(path))
    except (DriftloopError, SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder} is no usable detector folder: {error}") from error


def detector_digest(folder: Path) -> str:
    """Return what stands for a detector in provenance: the digest of `detector.json`.

    Raises:
        ModelError: there is no readable `detector.json`.
    """
    return digest_json(_read_meta(folder))


def save_scores(path: Path, scores: Scores, *, source: str) -> None:
    """Write the scores of a part of a window.

    Args:
        path: of a safetensors file.
        scores: of the part's samples.
        source: digest of what they were made from.
    """
    with atomic(path) as temporary:
        save_file(vars(scores), temporary, {"source": source})


def load_scores(path: Path, *, source: str) -> Scores:
    """Read what `save_scores` wrote.

    Raises:
        DataError: the file is missing or damaged, or was made from something else.
    """
    try:
        with safe_open(path, "np") as stored:
            if stored.metadata() != {"source": source}:
                raise DataError(f"{path} was made from other predictions or another detector. Remove it.")
            return Scores(**{name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, TypeError) as error:
        raise DataError(f"{path} does not hold the scores of a part: {error}") from error


def _read_meta(folder: Path) -> dict[str, Any]:
    return read_manifest(folder / _META, "detector", version=FORMAT, fields=_FIELDS)


def _flatten(fitted: FittedDetector) -> dict[str, npt.NDArray[Any]]:
    arrays = {f"neighbours/{name}": array for name, array in fitted.neighbours.items()}
    arrays["classes"] = fitted.classes
    for place, kind in enumerate(fitted.kinds):
        arrays |= {f"kinds/{place}/state/{name}": array for name, array in kind.state.items()}
        arrays |= {f"kinds/{place}/{name}": getattr(kind, name) for name in _OF_A_KIND}
    if (model := fitted.accuracy) is not None:
        arrays |= {f"accuracy/{name}": getattr(model, name) for name in _ACCURACY}
    return arrays


def _unflatten(meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> FittedDetector:
    def under(prefix: str) -> dict[str, npt.NDArray[Any]]:
        return {name[len(prefix) :]: each for name, each in arrays.items() if name.startswith(prefix)}

    kinds = tuple(
        Kind(
            str(name),
            under(f"kinds/{place}/state/"),
            *(arrays[f"kinds/{place}/{part}"] for part in _OF_A_KIND),
        )
        for place, name in enumerate(meta["kinds"])
    )
    error = meta["accuracy_error"]
    accuracy = None if error is None else AccuracyModel(**under("accuracy/"), error=float(error))
    return FittedDetector(dict(meta["detector"]), kinds, under("neighbours/"), arrays["classes"], accuracy)
