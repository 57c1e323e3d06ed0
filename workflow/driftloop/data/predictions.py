"""What a classifier saw in a dataset, on disk: logits and embeddings, memory-mappable, and a manifest."""

from __future__ import annotations

from pathlib import Path

from driftloop.data.dataset import load_dataset
from driftloop.errors import DataError
from driftloop.files import check_array, digest_array, read_array, read_json, write_array, write_json
from driftloop.models.features import Features


def save_predictions(folder: Path, features: Features, *, images: str, model: str) -> None:
    """Write `logits.npy`, `embeddings.npy` and, last, `predictions.json`.

    Args:
        folder: made where it is missing.
        features: whose images are not written again.
        images: digest of the images.
        model: digest of the model.
    """
    (folder / "predictions.json").unlink(missing_ok=True)
    write_array(folder / "logits.npy", features.logits)
    write_array(folder / "embeddings.npy", features.embeddings)
    manifest = {
        "n": len(features),
        "images": images,
        "model": model,
        "logits": digest_array(features.logits),
        "embeddings": digest_array(features.embeddings),
    }
    write_json(folder / "predictions.json", manifest)


def load_predictions(folder: Path, dataset: Path) -> Features:
    """Open predictions together with the images they were made on, everything memory-mapped.

    Raises:
        DataError: a file is missing or damaged, or the predictions were made on other images.
    """
    manifest, images = read_json(folder / "predictions.json"), load_dataset(dataset).images
    if not isinstance(manifest, dict) or manifest.get("images") != read_json(dataset / "meta.json")["sha256"]:
        raise DataError(f"{folder} was not predicted on the images of {dataset}. Predict again.")
    logits, embeddings = (read_array(folder / f"{name}.npy", mmap=True) for name in ("logits", "embeddings"))
    if not len(images) == len(logits) == len(embeddings):
        raise DataError(
            f"{folder}: {len(logits)} logits and {len(embeddings)} embeddings of {len(images)} images."
        )
    check_array(folder / "logits.npy", logits, str(manifest.get("logits")))
    check_array(folder / "embeddings.npy", embeddings, str(manifest.get("embeddings")))
    return Features(images, embeddings, logits)
