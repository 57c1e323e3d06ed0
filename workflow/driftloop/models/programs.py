"""Programs that were made elsewhere, in ONNX or by torch.export: run as they are, never retrained."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from driftloop.errors import ModelError
from driftloop.models.exported import first_line, load_exported, tame
from driftloop.models.networks import Network
from driftloop.models.probabilities import to_logits

LARGEST = 1 << 31
"""Bytes of a program."""


@dataclass(frozen=True)
class Described:
    """What a program says of itself; None where it leaves it open.

    Attributes:
        size: (H, W) of its images.
        channels: of its images.
        outputs: how many numbers it gives for an image.
        batch: how many images it takes at once.
        channels_last: whether it takes (N, H, W, C) instead of (N, C, H, W).
    """

    size: tuple[int, int] | None
    channels: int | None
    outputs: int | None
    batch: int | None
    channels_last: bool = False

    @property
    def sentence(self) -> str:
        """What it takes and gives."""
        size = "any size" if self.size is None else f"{self.size[0]} x {self.size[1]} pixels"
        channels = "" if self.channels is None else f" with {self.channels} channels"
        gives = "" if self.outputs is None else f" and gives {self.outputs} numbers for each"
        return f"images of {size}{channels}{gives}"


class Program(Network):
    """A network that is run as it is. Its bytes are part of the weights, so a model folder holds all of it.

    Args:
        channels: of the images.
        classes: how many.
        size: of the program, in bytes.
        batch: images that it takes at once, or None for any number.
        channels_last: whether it takes (N, H, W, C).
        probabilities: whether it gives probabilities, whose logarithm is taken.
    """

    program: Tensor
    fixed = True

    def __init__(
        self,
        channels: int,  # noqa: ARG002 (every network is given it)
        classes: int,
        size: int,
        batch: int | None = None,
        channels_last: bool = False,
        probabilities: bool = False,
    ) -> None:
        super().__init__()
        if not 0 < size < LARGEST:
            raise ValueError(f"size is {size}; it lies between 1 and {LARGEST}")
        self.classes, self.batch = classes, batch
        self.channels_last, self.probabilities = channels_last, probabilities
        self.register_buffer("program", torch.zeros(size, dtype=torch.uint8))
        self._opened: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Program:
        """Return itself: nothing in it ever changes."""
        memo[id(self)] = self
        return self

    @abstractmethod
    def open(self, content: bytes) -> Any:
        """Make the program ready to run."""

    @abstractmethod
    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map a batch to (embeddings, outputs)."""

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map normalised float images (N, C, H, W) to embeddings (N, D) and logits (N, K)."""
        if self._opened is None:
            self._opened = self.open(self.program.cpu().numpy().tobytes())
        x = (x.permute(0, 2, 3, 1) if self.channels_last else x).contiguous()
        if self.batch is None:
            embeddings, outputs = self._run_checked(x)
        else:
            starts = range(0, max(1, len(x)), self.batch)
            parts = [self._run_filled(x[start : start + self.batch], self.batch) for start in starts]
            embeddings, outputs = (torch.cat(each) for each in zip(*parts, strict=True))
        return embeddings, to_logits(outputs) if self.probabilities else outputs

    def _run_filled(self, x: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Run a batch that is filled up to the size that the program takes."""
        n = len(x)
        if n < size:
            x = torch.cat([x, x.new_zeros(size - n, *x.shape[1:])])
        embeddings, outputs = self._run_checked(x)
        return embeddings[:n], outputs[:n]

    def _run_checked(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embeddings, outputs = self.run(x)
        n = x.shape[0]  # torch.export takes `len` for a constant
        if outputs.ndim != 2 or outputs.shape[0] != n or outputs.shape[1] != self.classes:
            raise ModelError(
                f"the program gives {tuple(outputs.shape)} for {n} images, where ({n}, {self.classes}) is "
                "wanted: one number for each class."
            )
        return embeddings.flatten(1).float(), outputs.float()

    def embed(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to embeddings (N, D)."""
        return self.see(x)[0]

    def head(self, embedding: Tensor) -> Tensor:  # noqa: ARG002
        """Refuse: a program cannot be run in halves."""
        raise ModelError("a program runs as a whole; ask `see` for both its embeddings and its logits.")

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised float images (N, C, H, W) to logits (N, K)."""
        return self.see(x)[1]


class OnnxProgram(Program):
    """A program in ONNX, run by onnxruntime on the CPU; no gradient goes through it.

    Its second output, where there is one, is the embedding; `read_program` adds it.
    """

    def open(self, content: bytes) -> Any:
        """Open a session."""
        runtime = _import_onnx("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own kinds, which it does not export
            raise ModelError(f"onnxruntime cannot open the program ({first_line(error)}).") from error

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map a batch to (embeddings, outputs)."""
        array = x.detach().cpu().numpy()
        try:
            found = self._opened.run(None, {self._opened.get_inputs()[0].name: array})
        except Exception as error:
            raise ModelError(f"the program cannot take {array.shape} ({first_line(error)}).") from error
        outputs, embeddings = (
            torch.from_numpy(np.array(each)).to(x.device) for each in (found[0], found[-1])
        )
        return embeddings, outputs


class ExportedProgram(Program):
    """A program that torch.export saved; gradients go through it, its weights stay as they are."""

    def open(self, content: bytes) -> Any:
        """Open the graph, with an ear at what goes into its last linear layer."""
        with torch.inference_mode(False):  # its weights take part in gradients later
            return _Tapped(load_exported(content, "the program").requires_grad_(False))

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map a batch to (embeddings, outputs)."""
        try:
            found: tuple[Tensor, Tensor] = self._opened.see(x)
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            raise ModelError(f"the program cannot take {tuple(x.shape)} ({first_line(error)}).") from error
        return found


class _Tapped(torch.fx.Interpreter):
    """Runs a graph and remembers one value on the way."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self._ends = [node for node in module.graph.nodes if _is_linear(node)]
        self._kept: Tensor | None = None

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self._kept = None
        self.module.to(x.device)
        found = self.run(x)
        output = found[0] if isinstance(found, tuple | list) else found
        if not isinstance(output, Tensor):
            raise ModelError(f"the program gives {type(output).__name__}, not one tensor.")
        return (output if self._kept is None else self._kept), output

    def run_node(self, n: torch.fx.Node) -> Any:
        if self._ends and n is self._ends[-1]:
            place = 1 if "addmm" in str(n.target) else 0
            kept = self.env[n.args[place]]
            self._kept = kept if isinstance(kept, Tensor) else None
        return super().run_node(n)


def describe_program(path: Path) -> Described:
    """Say what a program takes and gives.

    Raises:
        ModelError: it is none, or cannot be opened.
    """
    return read_program(path)[1]


def read_program(path: Path) -> tuple[bytes, Described]:
    """Read a program as it is kept, and say what it takes and gives.

    Raises:
        ModelError: it is none, or cannot be opened.
    """
    return _read_onnx(path) if path.suffix == ".onnx" else _read_exported(path)


def _read_onnx(path: Path) -> tuple[bytes, Described]:
    """Read a program in ONNX, and give it the input of its last linear layer as a second output."""
    onnx = _import_onnx("onnx")
    content = _content(path)
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise their own kinds
        raise ModelError(f"{path} is no ONNX model ({first_line(error)}).") from error
    graph = model.graph
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise ModelError(f"{path} keeps weights in other files. Save it with all its weights inside.")
    made = {tensor.name for tensor in graph.initializer}
    inputs = [each for each in graph.input if each.name not in made]
    if len(inputs) != 1 or not graph.output:
        raise ModelError(
            f"{path} has {len(inputs)} inputs and {len(graph.output)} outputs; one of each is used."
        )
    taken = [dim.dim_value or None for dim in inputs[0].type.tensor_type.shape.dim]
    given = [dim.dim_value or None for dim in graph.output[0].type.tensor_type.shape.dim]
    if len(taken) != 4 or inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise ModelError(f"{path} takes {len(taken)} dimensions; float32 images (N, C, H, W) are given.")
    del graph.output[1:]
    last = [node for node in graph.node if node.op_type in ("Gemm", "MatMul")]
    if last and last[-1].input[0] not in made:
        graph.output.append(onnx.ValueInfoProto(name=last[-1].input[0]))
    return model.SerializeToString(), _described(taken, given)


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every tensor of an ONNX model: weights, constants, those of inner graphs and functions."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for each in (value,) if hasattr(value, "ListFields") else value:
            if each.DESCRIPTOR.name == "TensorProto":
                yield each
            else:
                yield from _tensors(each)


def _read_exported(path: Path) -> tuple[bytes, Described]:
    content = tame(_content(path), str(path))
    module = load_exported(content, str(path))
    places = [node for node in module.graph.nodes if node.op == "placeholder"]
    if len(places) != 1 or not isinstance(places[0].meta.get("val"), Tensor):
        raise ModelError(f"{path} takes {len(places)} inputs; one tensor of images is given.")
    taken = [size if isinstance(size, int) else None for size in places[0].meta["val"].shape]
    if len(taken) != 4:
        raise ModelError(f"{path} takes {len(taken)} dimensions; images (N, C, H, W) are given.")
    end = next(node for node in module.graph.nodes if node.op == "output")
    value = end.args[0]
    value = value[0] if isinstance(value, tuple | list) and value else value
    shape = value.meta["val"].shape if isinstance(value, torch.fx.Node) and "val" in value.meta else ()
    return content, _described(taken, [size if isinstance(size, int) else None for size in shape])


def _described(taken: Sequence[int | None], given: Sequence[int | None]) -> Described:
    last = taken[3] in (1, 3) and taken[1] not in (1, 3)
    height, width, channels = taken[1:] if last else (taken[2], taken[3], taken[1])
    size = None if height is None or width is None else (height, width)
    return Described(size, channels, given[1] if len(given) == 2 else None, taken[0], last)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ModelError(f"{path} does not exist.")
    if not 0 < path.stat().st_size < LARGEST:
        raise ModelError(f"{path} has {path.stat().st_size:,} bytes; a model has some, and fewer than 2 GiB.")
    return path.read_bytes()


def _import_onnx(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(f"ONNX models need {name}; pip install 'driftloop[onnx]' adds it.") from error


def _is_linear(node: torch.fx.Node) -> bool:
    return node.op == "call_function" and str(node.target).startswith(("aten.linear", "aten.addmm"))
