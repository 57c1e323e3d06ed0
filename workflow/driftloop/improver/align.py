"""Align: a drift gets batch-norm statistics of its own. No labels, no diagnosis, seconds. The weights stay.

A corruption of an image moves the activations behind it. Statistics of clean data no longer fit them. Those
of the window do (Schneider et al., arXiv 2006.16971). Applied to every image they would cost accuracy on
clean ones: a gate, learnt from the window against clean images, decides for each.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from driftloop.errors import DataError, ModelError
from driftloop.improver.lesson import Images, Lesson
from driftloop.improver.pixels import Held, floats, through_filters
from driftloop.improver.suspicion import detecting_loss, limit, must_pass, suspicion_network, suspicions
from driftloop.improver.train_filter import FilterSettings
from driftloop.models.classifier import Classifier
from driftloop.models.device import seeded
from driftloop.models.networks import Network
from driftloop.models.predict import at_once
from driftloop.models.train import Progress
from driftloop.params.instantiate import instantiate

TARGET = f"{__name__}.Aligned"
"""What `filter._target_` names, to align instead of training a filter."""
_PASSING = 8000
"""Clean images, and those of drifts repaired before, that the gate learns to let pass."""
_FEWEST = 16
"""Images of the window that statistics are taken of at least."""
_PRIOR = 1
"""The statistics of clean data count as so many images. With 16, as small windows are said to need, a drift
that moves them far is not repaired (brightness on MNIST-C: 43 %); with one it is (99 %)."""
_MOST = 2000
"""Images of the window that are looked at: more than statistics need. All go through the network at once, so
of larger ones it is fewer."""


class Aligned(Network):
    """A network held twice, with the same weights: once with statistics of clean data, once of a drift.

    Args:
        channels: of the images.
        classes: how many.
        network: `_target_` and arguments of the network that was aligned. May be one of these itself.
    """

    threshold: Tensor

    def __init__(self, channels: int, classes: int, network: Mapping[str, Any]) -> None:
        super().__init__()
        make = partial(instantiate, base=Network, where="network", channels=channels, classes=classes)
        self.usual, self.aligned = make(network), make(_innermost(network))
        self.gate = suspicion_network(channels)
        # Until the gate is trained, every image is a usual one.
        self.register_buffer("threshold", torch.tensor(float("inf")))

    def suspect(self, x: Tensor) -> Tensor:
        """Return how much normalised images (N, C, H, W) look like the drift's: logits (N,)."""
        scores: Tensor = self.gate(x)
        return scores[:, 0]

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map normalised float images (N, C, H, W) to embeddings (N, D) and logits (N, K)."""
        usual = self.usual.see(x)
        acts = self.suspect(x) > self.threshold
        if not torch.compiler.is_compiling() and not acts.any():
            return usual
        aligned = self.aligned.see(x)
        embedding, logits = (torch.where(acts[:, None], *both) for both in zip(aligned, usual, strict=True))
        return embedding, logits

    def embed(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to embeddings (N, D)."""
        return self.see(x)[0]

    def head(self, embedding: Tensor) -> Tensor:
        """Map embeddings (N, D) to logits (N, K)."""
        return self.usual.head(embedding)


def align(
    classifier: Classifier,
    lesson: Lesson,
    *,
    settings: FilterSettings,
    seed: int,
    progress: Progress | None = None,
) -> Classifier:
    """Give a classifier's network statistics of a window, for images that look like it.

    Args:
        classifier: the incumbent. It is not changed.
        lesson: the drift. It has images of the window, and calibration images for the gate's threshold.
            Earlier drifts pass as clean images do, but for what belongs more to this one.
        settings: how to train the gate.
        seed: of the gate's weights and the order of the images.
        progress: called after each step.

    Returns:
        The candidate: the same filters, and an `Aligned` network.

    Raises:
        DataError: there are no clean images, no calibration images, or too few of the window.
        ModelError: the network has no batch-norm statistics.
    """
    images, imitation, earlier = lesson.clean.images, lesson.imitation, lesson.earlier
    given = (lesson.calibration, lesson.window)
    calibration, window = (images[:0] if each is None else each for each in given)
    if not len(images) or not len(calibration) or len(window) < _FEWEST:
        raise DataError(
            f"Aligning takes clean images, calibration images and {_FEWEST} of the window that judge "
            f"nothing; there are {len(images)}, {len(calibration)} and {len(window)}. Name another filter: "
            "filter._target_ in params.yaml."
        )
    if not _norms(classifier.network):
        raise ModelError(
            "the network has no batch-norm layers, so there are no statistics to align. "
            "Name another filter: filter._target_ in params.yaml."
        )
    rng, device = np.random.default_rng(seed), classifier.mean.device
    inner = dict(classifier.spec.network)
    earlier = imitation.rest_of(earlier) if imitation else earlier
    with seeded(seed, device):
        network = Aligned(classifier.input_shape[2], len(classifier.classes), inner).to(device)
        network.usual.load_state_dict(classifier.network.state_dict())
        network.aligned.load_state_dict(unaligned(classifier).network.state_dict())

        def suspect(x: Tensor) -> Tensor:
            return network.suspect(classifier.normalise(x))

        passing = through_filters(classifier, must_pass(_some(images, _PASSING, rng), earlier, rng))
        most = max(_FEWEST, at_once(_MOST, *window.shape[1:3]))
        arrived = through_filters(classifier, _some(window, most, rng))
        order = torch.Generator().manual_seed(seed)
        _fit_gate(network.gate, suspect, arrived, passing, settings, order, progress)
    network.eval().requires_grad_(False)
    held_out = [calibration, *(each.apply(calibration, rng) for each in earlier)]
    scores = [suspicions(suspect, through_filters(classifier, each)) for each in held_out]
    network.threshold.fill_(max(limit(each, settings.touched) for each in scores))
    drifted = arrived[suspicions(suspect, arrived) > network.threshold]
    chosen = floats(drifted if len(drifted) >= _FEWEST else arrived)
    _re_estimate(network.aligned, classifier.normalise(chosen))
    return classifier.with_network({"_target_": TARGET, "network": inner}, network).eval()


def _innermost(network: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the network that was aligned first: all alignments have its weights."""
    while network["_target_"] == TARGET:
        network = network["network"]
    return network


def unaligned(classifier: Classifier) -> Classifier:
    """Return a classifier with the network that was aligned: retraining takes new statistics anyway."""
    while isinstance(classifier.network, Aligned):
        classifier = classifier.with_network(classifier.spec.network["network"], classifier.network.usual)
    return classifier


def _some(images: Images, most: int, rng: np.random.Generator) -> Images:
    return np.asarray(images[np.sort(rng.choice(len(images), min(most, len(images)), replace=False))])


def _fit_gate(
    gate: nn.Module,
    suspect: Callable[[Tensor], Tensor],
    arrived: Held,
    passing: Held,
    settings: FilterSettings,
    generator: torch.Generator,
    progress: Progress | None,
) -> None:
    optimizer = torch.optim.AdamW(gate.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps
    )
    for step in range(settings.steps):
        drifted, usual = (_draw(held, settings.batch_size, generator) for held in (arrived, passing))
        optimizer.zero_grad(set_to_none=True)
        loss = detecting_loss(suspect(drifted), suspect(usual))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, settings.steps)


def _draw(held: Held, count: int, generator: torch.Generator) -> Tensor:
    rows = torch.randint(len(held), (count,), generator=generator)
    return floats(held[rows.to(held.device)])


@torch.no_grad()
def _re_estimate(network: nn.Module, x: Tensor) -> None:
    """Take the statistics from images (N, C, H, W), and from what they were as if from one more."""
    norms = _norms(network)
    before = copy.deepcopy([norm.state_dict() for norm in norms])
    for norm in norms:
        norm.momentum = 1.0  # the last batch alone
        norm.train()  # and nothing else, such as dropout
    network(x)
    network.eval()
    for norm, old in zip(norms, before, strict=True):
        for name in ("running_mean", "running_var"):
            getattr(norm, name).lerp_(old[name], _PRIOR / (_PRIOR + len(x)))


def _norms(network: nn.Module) -> list[_BatchNorm]:
    return [
        each for each in network.modules() if isinstance(each, _BatchNorm) and each.running_mean is not None
    ]
