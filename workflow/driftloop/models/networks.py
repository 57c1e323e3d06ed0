"""Small networks: normalised images in, embeddings and logits out, of any size, channels and classes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Network(nn.Module, ABC):
    """A network in two halves, so that a detector can look at what lies between them.

    A user's own network derives from this class. Its constructor takes `channels` (1 or 3) and `classes`
    (how many) by keyword, and whatever else its specification names.

    Attributes:
        fixed: whether its weights can never change, so that its answers alone can be corrected.
    """

    fixed = False

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to embeddings (N, D)."""

    @abstractmethod
    def head(self, embedding: Tensor) -> Tensor:
        """Map embeddings (N, D) to logits (N, K)."""

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map normalised float images (N, C, H, W) to embeddings (N, D) and logits (N, K)."""
        embedding = self.embed(x)
        return embedding, self.head(embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to logits (N, K)."""
        return self.see(x)[1]


class ConvNet(Network):
    """Four convolutions and a linear layer: for digits, garments and other small grey images.

    Args:
        channels: of the images.
        classes: how many.
        width: channels after the first convolution. They double at each halving of the size.
        embedding: numbers in an embedding.
    """

    def __init__(self, channels: int, classes: int, width: int = 32, embedding: int = 96) -> None:
        super().__init__()
        _check_positive(width=width, embedding=embedding)
        self.body = nn.Sequential(
            _convolution(channels, width, kernel=5, stride=2),
            _convolution(width, width),
            nn.MaxPool2d(2, ceil_mode=True),
            _convolution(width, 2 * width),
            _convolution(2 * width, 2 * width),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * width, embedding, bias=False),
            nn.BatchNorm1d(embedding),
            nn.ReLU(),
        )
        self.last = nn.Linear(embedding, classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to embeddings (N, D)."""
        embedding: Tensor = self.body(x)
        return embedding

    def head(self, embedding: Tensor) -> Tensor:
        """Map embeddings (N, D) to logits (N, K)."""
        logits: Tensor = self.last(embedding)
        return logits


class ResNet(Network):
    """A residual network of ten convolutions (after He et al., arXiv 1512.03385), for small colour images.

    Args:
        channels: of the images.
        classes: how many.
        width: channels after the first convolution. Each stage doubles them, and the embedding has eight
            times as many.
    """

    def __init__(self, channels: int, classes: int, width: int = 16) -> None:
        super().__init__()
        _check_positive(width=width)
        self.body = nn.Sequential(
            _convolution(channels, width),
            _Stage(width, 2 * width),
            _Stage(2 * width, 4 * width),
            _Stage(4 * width, 8 * width),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.last = nn.Linear(8 * width, classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to embeddings (N, D)."""
        embedding: Tensor = self.body(x)
        return embedding

    def head(self, embedding: Tensor) -> Tensor:
        """Map embeddings (N, D) to logits (N, K)."""
        logits: Tensor = self.last(embedding)
        return logits


class _Stage(nn.Module):
    """Half the size and more channels. Then two convolutions around which that is carried unchanged."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.outer = _convolution(inputs, outputs, pool=2)
        self.inner = nn.Sequential(_convolution(outputs, outputs), _convolution(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = self.outer(x)
        inner: Tensor = self.inner(x)
        return x + inner


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, pool: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    # Pooled at once, before what works on every value: about as good, and sooner done.
    pooling = [nn.MaxPool2d(pool, ceil_mode=True)] if pool > 1 else []
    return nn.Sequential(convolution, *pooling, nn.BatchNorm2d(outputs), nn.ReLU())


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; it is at least 1")
