"""Programs that came with a model folder: none reads another file, and none keeps us busy for ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from driftloop.errors import ModelError
from driftloop.models.exported import load_exported, read_exported
from driftloop.models.programs import OnnxProgram
from driftloop.models.sizes import is_plain

onnx = pytest.importorskip("onnx")


def program(location: str | None) -> bytes:
    """A model of one linear layer, whose weights lie in another file, if one is named."""
    weight = onnx.numpy_helper.from_array(np.ones((4, 2), np.float32), "w")
    if location is not None:
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 4])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 2])
    graph = onnx.helper.make_graph([node], "g", [x], [y], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_an_onnx_program_of_a_folder_names_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.bin").write_bytes(np.arange(8, dtype=np.float32).tobytes())
    OnnxProgram(channels=1, classes=2, size=9).open(program(None))
    for location in ("secret.bin", str(tmp_path / "secret.bin"), "../secret.bin"):
        with pytest.raises(ModelError, match="names weights in other files"):
            OnnxProgram(channels=1, classes=2, size=9).open(program(location))


S0 = "Symbol('s0', positive=True, integer=True)"


@pytest.mark.parametrize(
    "size",
    [
        "s0",
        "2*s0 + 1",
        "(s0**2)//4",
        "FloorDiv(s0 - 3, 2)",
        "s0**2 + s1**3",
        f"Mul(Integer(8), Max(Integer(1), Add({S0}, Integer(-2))))",
        f"Pow(Max(Integer(1), Add({S0}, Integer(-2))), Integer(2))",
        f"TruncToInt(Mul(Float('1.5', precision=53), ToFloat({S0})))",
    ],
)
def test_a_size_of_a_real_model_is_worked_out(size: str) -> None:
    assert is_plain(size)


@pytest.mark.parametrize(
    "size",
    [
        "s0**2**3",
        "(s0**2)**9",
        "s0**99",
        "s0**s1",
        "9" * 13,
        "Pow(Integer(9), Integer(9))",
        f"Pow(Add(Pow({S0}, Integer(4)), Integer(1)), Integer(4))",
        "+".join(f"s{i}" for i in range(5)),
        "*".join(f"(s0 + {i})" for i in range(7)),
        f"Pow({S0}, Integer(99))",
        f"Pow({S0}, {S0})",
        f"LShift(Integer(1), {S0})",
        f"Integer({'9' * 13})",
        f"Float('{'9' * 400}', precision=53)",
        "Add(" * 61 + "s0" + ")" * 61,
        "Add(s0, " + ", ".join(["s1"] * 1000) + ")",
        "Symbol('s0', positive=__import__('os'))",
        "Symbol('__import__')",
        "().__class__",
        "open('x')",
        "s0 if s1 else s2",
        "[s0 for s0 in s1]",
        "lambda: s0",
        "f'{s0}'",
        "s0 +",
        "",
    ],
)
def test_a_size_that_may_never_end_or_that_is_no_arithmetic_is_refused(size: str) -> None:
    assert not is_plain(size)


class _Strided(torch.nn.Module):
    """Convolves, pads, doubles and pools, so that sizes of every kind are written."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.end = torch.nn.Conv2d(1, 4, 3, stride=2, padding=1), torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (N, 3)."""
        up = torch.nn.functional.interpolate(x, scale_factor=1.5)
        y = torch.nn.functional.max_pool2d(self.conv(up).relu(), 2)
        y = torch.cat([y, y.flip(2)], 2)
        y = y @ y.transpose(2, 3)
        logits: torch.Tensor = self.end(y.flatten(2).mean(2))
        return logits


def test_a_program_that_takes_any_number_of_images_of_any_size_is_read(tmp_path: Path) -> None:
    auto = torch.export.Dim.AUTO
    net = _Strided().eval()
    program = torch.export.export(
        net, (torch.rand(4, 1, 32, 36),), dynamic_shapes={"x": {0: auto, 2: auto, 3: auto}}
    )
    torch.export.save(program, tmp_path / "any.pt2")
    found = read_exported(tmp_path / "any.pt2")
    assert (found.described.size, found.described.batch, found.described.outputs) == (None, None, 3)
    opened = load_exported(found.plain, "it")
    for shape in ((1, 1, 17, 40), (5, 1, 64, 33)):
        x = torch.rand(shape)
        torch.testing.assert_close(opened(x), net(x))
