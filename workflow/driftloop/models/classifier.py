"""The classifier that is deployed: uint8 images in, logits out, its filters and normalisation inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from driftloop.errors import ModelError
from driftloop.models.networks import Network
from driftloop.params.instantiate import instantiate


@dataclass(frozen=True)
class ClassifierSpec:
    """All that a classifier is, but for its weights.

    Attributes:
        network: `_target_` and arguments of a `Network`.
        input_shape: (H, W, C) of the images.
        classes: the class names, in the order of the logits.
        mean: of each channel over the training images, in [0, 1].
        std: of each channel, above 0.
        filters: `_target_` and arguments of each filter, in the order in which they act.
    """

    network: Mapping[str, Any]
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    filters: tuple[Mapping[str, Any], ...] = ()


class Classifier(nn.Module):
    """A network behind a chain of filters and its normalisation.

    A filter is an `nn.Module` that maps float images (N, C, H, W) in [0, 1] to the same form, and leaves
    those that need no repair exactly as they are. Filters act in order, each on what the one before left.

    Raises:
        ModelError: the specification names no `Network` or filter, or they do not take their arguments.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ClassifierSpec) -> None:
        super().__init__()
        self.spec = spec
        channels, classes = spec.input_shape[2], len(spec.classes)
        self.filters = nn.ModuleList(
            instantiate(each, nn.Module, where="model.filters", error=ModelError) for each in spec.filters
        )
        self.network = instantiate(
            spec.network, Network, where="model.network", error=ModelError, channels=channels, classes=classes
        )
        # Convolutions on a CPU are some 1.6 times as fast in this layout, which uint8 images arrive in.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # From the specification, so not part of the weights.
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images."""
        return self.spec.input_shape

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the logits."""
        return self.spec.classes

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, H, W, C) to logits (N, K)."""
        return self.embed(images)[1]

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map uint8 images (N, H, W, C) to embeddings (N, D) and logits (N, K)."""
        x = to_float(images)
        for repair in self.filters:
            x = repair(x)
        return self.network.see(self.normalise(x))

    def normalise(self, x: Tensor) -> Tensor:
        """Map float images (N, C, H, W) in [0, 1] to what the network takes."""
        return (x - self.mean) / self.std

    def trace(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `embed` returns, and which filters changed which image, bool (N, number of filters)."""
        x, acted = self._restored(images)
        return (*self.network.see(self.normalise(x)), acted)

    def filtered(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Show what the filters make of images.

        Returns:
            The images that reach the network, uint8 (N, H, W, C), and which filters changed which image,
            bool (N, number of filters).
        """
        x, acted = self._restored(images)
        return (x * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1), acted

    def _restored(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = to_float(images)
        acted = torch.zeros(len(images), len(self.filters), dtype=torch.bool, device=images.device)
        for place, repair in enumerate(self.filters):
            before, x = x, repair(x)
            if x is not before:
                acted[:, place] = (x != before).flatten(1).any(1)
        return x, acted

    def with_filter(self, spec: Mapping[str, Any], repair: nn.Module) -> Classifier:
        """Return a classifier with one more filter at the head of its chain, sharing all the other parts.

        Args:
            spec: `_target_` and arguments that make a module like `repair`.
            repair: the filter, trained.
        """
        chained = replace(self.spec, filters=(spec, *self.spec.filters))
        return self._rebuilt(chained, [repair, *self.filters], self.network)

    def with_network(self, spec: Mapping[str, Any], network: Network) -> Classifier:
        """Return a classifier with another network behind the same filters.

        Args:
            spec: `_target_` and arguments that make a module like `network`.
            network: of the same input and classes.
        """
        return self._rebuilt(replace(self.spec, network=spec), self.filters, network)

    def _rebuilt(self, spec: ClassifierSpec, filters: Iterable[nn.Module], network: Network) -> Classifier:
        rebuilt = object.__new__(Classifier)
        nn.Module.__init__(rebuilt)
        rebuilt.spec, rebuilt.filters, rebuilt.network = spec, nn.ModuleList(filters), network
        rebuilt.register_buffer("mean", self.mean, persistent=False)
        rebuilt.register_buffer("std", self.std, persistent=False)
        return rebuilt.train(self.training)


def to_float(images: Tensor) -> Tensor:
    """Map uint8 images (N, H, W, C) to floats (N, C, H, W) in [0, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).float() / 255
