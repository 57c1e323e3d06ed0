"""Predict: what a classifier sees in images, the same for an image whatever the others beside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from driftloop.errors import ModelError
from driftloop.models.classifier import Classifier
from driftloop.models.features import Features
from driftloop.spill import release

_BATCH = 256
_SIDE = 64
"""Up to this many pixels a side, so many images go through the network at a time; of larger ones fewer."""
_FEW, _PAIR = 16, 2
"""Up to so many images go through the network in pairs. To fill a large batch for them would take longer.
Some networks cannot take a batch of one: they squeeze it away."""


def batch_size(classifier: Classifier, n: int) -> int:
    """Return how many of n images go through a classifier at a time: of large ones fewer, for their memory.

    Short batches are filled up. Kernels are chosen by shape. Otherwise the last bits of a result would depend
    on how the images were split. A few images and many differ in these bits, by less than 1e-5.
    """
    if n <= _FEW and getattr(classifier.network, "batch", None) in (
        None,
        1,
    ):  # a program may take so many only
        return _PAIR
    height, width, _ = classifier.input_shape
    return at_once(_BATCH, height, width)


def at_once(most: int, height: int, width: int) -> int:
    """Return how many images of a size to take at a time, where it is `most` up to 64 pixels a side.

    >>> at_once(256, 28, 28), at_once(256, 128, 128)
    (256, 64)
    """
    return min(most, max(1, most * _SIDE**2 // (height * width)))


def predict(
    classifier: Classifier,
    images: npt.NDArray[np.uint8],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Features:
    """Return the embeddings and logits of uint8 images (N, H, W, C), which may be memory-mapped.

    Args:
        classifier: on the device where it is to run. It is put into eval mode.
        images: of the classifier's input shape.
        progress: called with the number of images done and the number of all.

    Raises:
        ModelError: the images are not what the classifier takes.
    """
    check_images(classifier, images)
    classifier.eval()
    embeddings: npt.NDArray[np.float32] | None = None
    logits = np.empty((len(images), len(classifier.classes)), dtype=np.float32)
    batch = batch_size(classifier, len(images))
    for start in range(0, max(len(images), 1), batch):
        rows = slice(start, min(start + batch, len(images)))
        embedded, scored = predict_batch(classifier, images[rows], batch)
        if embeddings is None:
            embeddings = np.empty((len(images), embedded.shape[1]), dtype=np.float32)
        embeddings[rows], logits[rows] = embedded, scored
        release(images)
        if progress is not None:
            progress(rows.stop, len(images))
    assert embeddings is not None  # noqa: S101 (for the type checker: the loop runs at least once)
    return Features(images, embeddings, logits)


@torch.inference_mode()
def predict_batch(
    classifier: Classifier, images: npt.NDArray[np.uint8], size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return embeddings (n, D) and logits (n, K), both float32, of a batch of `size` images, or fewer."""
    embeddings, logits = classifier.embed(fill_batch(classifier, images, size))
    n = len(images)
    return embeddings[:n].float().cpu().numpy(), logits[:n].float().cpu().numpy()


def fill_batch(classifier: Classifier, images: npt.NDArray[np.uint8], size: int) -> torch.Tensor:
    """Return a batch of `size` images, or fewer, on the classifier's device, filled up with black ones."""
    full = np.zeros((size, *classifier.input_shape), dtype=np.uint8)
    full[: len(images)] = images
    return torch.from_numpy(full).to(classifier.mean.device)


def check_images(classifier: Classifier, images: npt.NDArray[np.uint8]) -> None:
    """Raise ModelError unless the images are what the classifier takes."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != classifier.input_shape:
        h, w, c = classifier.input_shape
        raise ModelError(
            f"the images are {images.dtype} {images.shape}, but the model takes uint8 (N, {h}, {w}, {c})."
        )
