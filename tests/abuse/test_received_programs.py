"""Programs that came with a model folder: none reads another file, and none keeps us busy for ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftloop.errors import ModelError
from driftloop.models.exported import _takes_long
from driftloop.models.programs import OnnxProgram

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


@pytest.mark.parametrize("size", ["s0", "2*s0 + 1", "(s0**2)//4", "FloorDiv(s0 - 3, 2)", "s0**2 + s1**3"])
def test_a_size_of_a_real_model_is_worked_out(size: str) -> None:
    assert not _takes_long(size)


@pytest.mark.parametrize("size", ["2**3", "s0**2**3", "(s0**2)**9", "s0**99", "s0**s1", "9" * 13])
def test_a_size_that_may_never_end_is_refused(size: str) -> None:
    assert _takes_long(size)
