"""Modules of a user's own that know nothing of driftloop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from driftloop.errors import ModelError
from driftloop.models.networks import Network
from driftloop.models.probabilities import to_logits
from driftloop.params.instantiate import instantiate


class Wrapped(Network):
    """A module of a user's own that is no `Network`: what goes into its last linear layer is the embedding.

    Args:
        channels: of the images.
        classes: how many.
        module: `_target_` and arguments of the module, which maps (N, C, H, W) to (N, K).
        probabilities: whether it gives probabilities, whose logarithm is taken; else logits.
    """

    def __init__(
        self,
        channels: int,  # noqa: ARG002 (every network is given it)
        classes: int,
        module: Mapping[str, Any],
        probabilities: bool = False,
    ) -> None:
        super().__init__()
        self.module = instantiate(module, nn.Module, where="network.module", error=ModelError)
        self.classes, self.probabilities = classes, probabilities
        self._kept: Tensor | None = None
        linear = [each for each in self.module.modules() if isinstance(each, nn.Linear)]
        if linear:
            linear[-1].register_forward_pre_hook(self._keep)

    def _keep(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._kept = inputs[0]

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map normalised float images (N, C, H, W) to embeddings (N, D) and logits (N, K)."""
        self._kept = None
        outputs = self.module(x)
        if self.training and isinstance(outputs, tuple):
            outputs = outputs[0]  # auxiliary heads, as Inception v3 has, answer in training besides
        n = x.shape[0]  # `len` would be a constant to torch.export
        if not isinstance(outputs, Tensor) or outputs.shape != (n, self.classes):
            got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            raise ModelError(f"the module gives {got} for {n} images of {self.classes} classes.")
        logits = to_logits(outputs) if self.probabilities else outputs
        embedding = logits if self._kept is None else self._kept
        self._kept = None
        return embedding.flatten(1), logits

    def embed(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to embeddings (N, D)."""
        return self.see(x)[0]

    def head(self, embedding: Tensor) -> Tensor:  # noqa: ARG002
        """Refuse: nobody knows what lies between the embedding and the logits."""
        raise ModelError("a wrapped module runs as a whole; ask `see` for its embeddings and logits.")

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to logits (N, K)."""
        return self.see(x)[1]
