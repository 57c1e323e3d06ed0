"""Programs that were made elsewhere, in ONNX or by torch.export: run as they are, never retrained."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from driftloop.errors import ModelError
from driftloop.models.exported import first_line, load_exported
from driftloop.models.networks import Network
from driftloop.models.onnx_file import open_session, refuse_data_outside, runtime_reason
from driftloop.models.probabilities import to_logits
from driftloop.models.program_files import LARGEST


class Program(Network):
    """A network that is run as it is. Its bytes are part of the weights, so a model folder holds all of it.

    Args:
        channels: of the images.
        classes: how many.
        size: of the program, in bytes.
        batch: images that it takes at once, or None for any number.
        channels_last: whether it takes (N, H, W, C).
        probabilities: whether it gives probabilities, whose logarithm is taken.
        output: which of its outputs is used.
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
        output: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < size < LARGEST:
            raise ValueError(f"size is {size}; it lies between 1 and {LARGEST}")
        self.classes, self.batch = classes, batch
        self.channels_last, self.probabilities, self.output = channels_last, probabilities, output
        self.register_buffer("program", torch.zeros(size, dtype=torch.uint8))
        self._opened: Any = None
        self._takes = torch.float32

    def __deepcopy__(self, memo: dict[int, Any]) -> Program:
        """Return itself: nothing in it ever changes."""
        memo[id(self)] = self
        return self

    @abstractmethod
    def open(self, content: bytes) -> tuple[Any, torch.dtype]:
        """Make the program ready to run. Return it, and the type of the numbers that it takes."""

    @abstractmethod
    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map a batch to (embeddings, outputs)."""

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map normalised float images (N, C, H, W) to embeddings (N, D) and logits (N, K)."""
        if self._opened is None:
            self._opened, self._takes = self.open(self.program.cpu().numpy().tobytes())
        # A program that takes whole pixels scales them itself: they come with mean 0 and std 1.
        x = (x * 255).round().clamp(0, 255) if self._takes is torch.uint8 else x
        x = (x.permute(0, 2, 3, 1) if self.channels_last else x).to(self._takes).contiguous()
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
        if outputs.ndim > 2 and all(size == 1 for size in outputs.shape[2:]):
            outputs = outputs.flatten(1)
        if outputs.ndim != 2 or outputs.shape[0] != n or outputs.shape[1] != self.classes:
            raise ModelError(
                f"the program gives {tuple(outputs.shape)} for {n} images, where ({n}, {self.classes}) is "
                "wanted: one number for each class."
            )
        if embeddings.ndim < 2 or embeddings.shape[0] != n:
            embeddings = outputs
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


_TYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
}
"""What onnxruntime calls the numbers that a program takes."""


class OnnxProgram(Program):
    """A program in ONNX, run by onnxruntime on the CPU. No gradient goes through it.

    Its second output, where there is one, is the embedding. `driftloop.models.onnx_file` adds it.
    """

    def open(self, content: bytes) -> tuple[Any, torch.dtype]:
        """Open a session."""
        refuse_data_outside(content, "the program")
        session = open_session(content, "the program", torch.get_num_threads())
        return session, _TYPES[session.get_inputs()[0].type]

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map a batch to (embeddings, outputs)."""
        array = x.detach().cpu().numpy()
        try:
            found = self._opened.run(None, {self._opened.get_inputs()[0].name: array})
        except Exception as error:
            raise ModelError(f"the program cannot take {array.shape} ({runtime_reason(error)}).") from error
        outputs, embeddings = (
            torch.from_numpy(np.array(each)).to(x.device) for each in (found[0], found[-1])
        )
        return embeddings, outputs


class ExportedProgram(Program):
    """A program that torch.export saved. Gradients go through it, its weights stay as they are."""

    def open(self, content: bytes) -> tuple[Any, torch.dtype]:
        """Open the graph, with an ear at what goes into its last linear layer."""
        with torch.inference_mode(False):  # its weights take part in gradients later
            tapped = _Tapped(load_exported(content, "the program").requires_grad_(False), self.output)
        return tapped, tapped.takes

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map a batch to (embeddings, outputs)."""
        # Of one channel, images are contiguous in either order of memory. A program was made for this one.
        x = x.clone(memory_format=torch.contiguous_format)
        try:
            found: tuple[Tensor, Tensor] = self._opened.see(x)
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            raise ModelError(f"the program cannot take {tuple(x.shape)} ({first_line(error)}).") from error
        return found


class _Tapped(torch.fx.Interpreter):
    """Runs a graph and remembers one value on the way.

    Attributes:
        takes: the type of the numbers that it takes.
    """

    def __init__(self, module: torch.fx.GraphModule, output: int) -> None:
        super().__init__(module)
        nodes = list(module.graph.nodes)
        self.takes: torch.dtype = next(node for node in nodes if node.op == "placeholder").meta["val"].dtype
        self._output = output
        self._end = _last_linear(nodes, output)
        self._kept: Tensor | None = None

    def see(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self._kept = None
        self.module.to(x.device)
        found = self.run(x, enable_io_processing=False)
        output = found[self._output] if isinstance(found, tuple | list) else found
        if not isinstance(output, Tensor):
            raise ModelError(f"the program gives {type(output).__name__}, not one tensor.")
        return (output if self._kept is None else self._kept), output

    def run_node(self, n: torch.fx.Node) -> Any:
        if n is self._end:
            place = 1 if "addmm" in str(n.target) else 0
            kept = self.env[n.all_input_nodes[place]]
            self._kept = kept if isinstance(kept, Tensor) else None
        return super().run_node(n)


def _last_linear(nodes: list[torch.fx.Node], output: int) -> torch.fx.Node | None:
    """Return the last linear layer that one of a graph's outputs is computed from."""
    ends = nodes[-1].args[0]
    end = ends[output] if isinstance(ends, tuple | list) else ends
    needed = {end}
    for node in reversed(nodes[:-1]):
        if node in needed:
            if _is_linear(node):
                return node
            needed.update(node.all_input_nodes)
    return None


def _is_linear(node: torch.fx.Node) -> bool:
    return node.op == "call_function" and str(node.target).startswith(("aten.linear", "aten.addmm"))
