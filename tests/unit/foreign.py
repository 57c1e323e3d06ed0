"""Models as they come from elsewhere, small and real: random features and a fitted linear layer on digits."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

HIDDEN = 256


class Plain(nn.Module):
    """A user's own module, which knows nothing of driftloop."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, HIDDEN, bias=False), nn.ReLU())
        self.end = nn.Linear(HIDDEN, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.body(x))


class Soft(Plain):
    """The same, ending in a softmax."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).softmax(1)


class Odd(Plain):
    """The same with tied weights, a buffer of infinities, and an auxiliary answer while it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.auxiliary = nn.Linear(HIDDEN, 10)
        self.auxiliary.weight = self.end.weight
        self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        hidden = self.body(x)
        return (self.end(hidden), self.auxiliary(hidden)) if self.training else self.end(hidden)


@cache
def fitted() -> nn.Sequential:
    """A network that reads 8 x 8 digits in [0, 1] with an accuracy above 0.9."""
    levels, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((HIDDEN, 64)) / 4
    hidden = np.maximum(levels / 16 @ weight.T, 0)
    targets = 8 * np.eye(10)[labels] - 4
    last = np.linalg.lstsq(np.column_stack([hidden, np.ones(len(hidden))]), targets, rcond=None)[0]
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, HIDDEN, bias=False), nn.ReLU(), nn.Linear(HIDDEN, 10))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor(weight))
        net[3].weight.copy_(torch.tensor(last[:-1].T))
        net[3].bias.copy_(torch.tensor(last[-1]))
    return net.eval()


def write_onnx(path: Path, *, batch: int | str = "n", side: int = 8, softmax: bool = False) -> Path:
    """Write the network as ONNX."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    net = fitted()
    tensors = {"w1": net[1].weight.T, "w2": net[3].weight.T, "b2": net[3].bias}
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w1"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "w2", "b2"], ["scores"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["shares"]))
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 1, side, side])],
        [helper.make_tensor_value_info("shares" if softmax else "scores", TensorProto.FLOAT, [batch, 10])],
        [
            numpy_helper.from_array(np.ascontiguousarray(value.detach().numpy()), name)
            for name, value in tensors.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def write_exported(path: Path, *, batch: int | None = None) -> Path:
    """Save the network by torch.export; for any number of images, or for `batch` at once."""
    path.write_bytes(_exported(batch))
    return path


@cache
def _exported(batch: int | None) -> bytes:
    shapes = None if batch else ({0: torch.export.Dim("n", min=1, max=4096)},)
    program = torch.export.export(fitted(), (torch.zeros(batch or 4, 1, 8, 8),), dynamic_shapes=shapes)
    content = io.BytesIO()
    torch.export.save(program, content)
    return content.getvalue()
