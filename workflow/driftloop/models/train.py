"""Train a classifier from nothing: the whole dataset is one tensor, augmented a batch at a time.

The schedule is the one-cycle policy (Smith and Topin, arXiv 1708.07120) over stochastic gradient descent
with Nesterov momentum. The labels are smoothed (Szegedy et al., arXiv 1512.00567).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from driftloop.errors import DataError
from driftloop.models.augment import augment
from driftloop.models.classifier import Classifier, ClassifierSpec
from driftloop.models.device import autocast, default_device, seeded

Progress = Callable[[int, int], None]
"""Called with the number of steps done and the number of all."""


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step. The last incomplete batch of an epoch is left out.
        learning_rate: at the peak of the one-cycle schedule, for the mean loss of a batch.
        weight_decay: on the weights of convolutions and linear layers. Norms and biases go free.
        label_smoothing: share of a label's weight that is spread over all classes.
        shift: each image is moved by up to so many pixels in each direction, over black.
        flip: half of the images are mirrored left to right.
        cutout: side of a square that is blackened at a random place (arXiv 1708.04552). 0 for none.
    """

    epochs: int = 4
    batch_size: int = 256
    learning_rate: float = 0.2
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    shift: int = 2
    flip: bool = False
    cutout: int = 0

    @property
    def augmentation(self) -> dict[str, Any]:
        """The keywords of `driftloop.models.augment.augment`."""
        return {"shift": self.shift, "flip": self.flip, "cutout": self.cutout}


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images came to: mean loss and accuracy, on augmented images."""

    loss: float
    accuracy: float


def train_classifier(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    *,
    network: Mapping[str, Any],
    classes: Sequence[str],
    settings: TrainSettings,
    seed: int,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
) -> tuple[Classifier, tuple[Epoch, ...]]:
    """Train a network on uint8 images (N, H, W, C) with labels (N,).

    The same seed, images and number of threads give the same weights on the same processor.

    Args:
        images: uint8 (N, H, W, C).
        labels: int64 (N,) in [0, len(classes)).
        network: `_target_` and arguments of a `Network`.
        classes: the class names, in the order of the labels.
        settings: how to train.
        seed: of the initial weights, the order of the images and their augmentation.
        device: where to train. The GPU where there is one, by default.
        progress: called after each step.

    Returns:
        The classifier, in eval mode on `device`, and what each epoch came to.

    Raises:
        ModelError: `network` names no network.
        DataError: there are fewer than two images, or not one label for each.
    """
    if len(images) < 2 or len(labels) != len(images):
        raise DataError(f"{len(images)} images with {len(labels)} labels cannot train a network.")
    place = torch.device(device or default_device())
    with seeded(seed, place):
        mean, std = channel_statistics(images)
        height, width, channels = (int(size) for size in images.shape[1:])
        spec = ClassifierSpec(dict(network), (height, width, channels), tuple(classes), mean, std)
        classifier = Classifier(spec).to(place).train()
        history = _fit(
            classifier,
            torch.from_numpy(np.array(images)).to(place),  # a copy: images may be a read-only memory map
            torch.from_numpy(np.array(labels)).to(place),
            settings,
            torch.Generator().manual_seed(seed),
            progress,
        )
    return classifier.eval(), history


def _fit(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    settings: TrainSettings,
    generator: torch.Generator,
    progress: Progress | None,
) -> tuple[Epoch, ...]:
    size = min(settings.batch_size, len(images))
    steps = len(images) // size
    total = settings.epochs * steps
    optimizer, schedule = _optimizer(classifier, settings, total)
    history = []
    for epoch in range(settings.epochs):
        order = torch.randperm(len(images), generator=generator).to(images.device)
        loss, hits = torch.zeros(2, device=images.device)
        for step in range(steps):
            chosen = order[step * size : (step + 1) * size]
            batch = augment(images[chosen], generator, **settings.augmentation)
            optimizer.zero_grad(set_to_none=True)
            step_loss, step_hits = _backward(classifier, batch, labels[chosen], settings.label_smoothing)
            optimizer.step()
            schedule.step()
            loss, hits = loss + step_loss, hits + step_hits
            if progress is not None:
                progress(epoch * steps + step + 1, total)
        history.append(Epoch(float(loss) / steps, float(hits) / (steps * size)))
    return tuple(history)


def _backward(
    classifier: Classifier, images: Tensor, labels: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Leave the gradients of a batch's mean loss in the parameters. Return that loss and the hits."""
    height, width = images.shape[1:3]
    with autocast(images.device, height * width):
        logits = classifier(images)
    loss = functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), (logits.argmax(1) == labels).sum()


def _optimizer(
    classifier: nn.Module, settings: TrainSettings, total: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    decayed = [p for p in classifier.parameters() if p.ndim > 1]
    free = [p for p in classifier.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        settings.learning_rate,
        total_steps=total,
        pct_start=0.25,
        anneal_strategy="linear",
        cycle_momentum=False,
        final_div_factor=1e3,
    )
    return optimizer, schedule


def channel_statistics(images: npt.NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel of uint8 images, for values in [0, 1]."""
    channels = [np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])]
    levels = np.arange(256) / 255
    means = [float(np.average(levels, weights=count)) for count in channels]
    variances = [
        np.average((levels - m) ** 2, weights=count) for m, count in zip(means, channels, strict=True)
    ]
    # A channel that never changes has no scale of its own.
    return tuple(means), tuple(float(np.sqrt(v)) or 1.0 for v in variances)
