#!/usr/bin/env bash
# onnxruntime and a Dropout in training mode, as an ONNX file has it that was exported before model.eval().
# The file is valid: ONNX defines training_mode=true as "drop, with a new draw at each call".
#
# 1. Asked for the last layer's output alone, onnxruntime takes the Dropout out: the answers are the same at
#    each call, and no warning says that the file asked for something else.
# 2. With a second output that is the Dropout's own result, as one adds to read the embedding before the last
#    layer, the Dropout stays. Now the first output is random, too: naming an output changed another one.
# 3. With the second output taken before the Dropout, the answers are those of 1 again.
#
# Seen with onnx 1.23.2 and onnxruntime 1.32.0, Python 3.11:
#
#    logits alone: same at each call True
#    with what the dropout leaves as an output: same at each call False
#    with what goes into the dropout as an output: same at each call True, and as alone True
#
# What follows for a reader of embeddings: tap before a Dropout, and ask twice before believing an answer.
set -eu
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'P'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
weights = [
    numpy_helper.from_array(rng.standard_normal((32, width)).astype(np.float32), name)
    for name, width in (("first", 32), ("last", 4))
]
weights += [numpy_helper.from_array(np.float32(0.5), "ratio"), numpy_helper.from_array(np.array(True), "training")]
nodes = [
    helper.make_node("MatMul", ["x", "first"], ["before"]),
    helper.make_node("Dropout", ["before", "ratio", "training"], ["after"]),
    helper.make_node("MatMul", ["after", "last"], ["logits"]),
]
batch = rng.standard_normal((16, 32)).astype(np.float32)


def ask(*outputs):
    shown = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]) for name in outputs]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 32])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [given], shown, weights), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 10
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [session.run(["logits"], {"x": batch})[0] for _ in range(2)]


alone, pinned, tapped = ask("logits"), ask("logits", "after"), ask("logits", "before")
same = [np.array_equal(*each) for each in (alone, pinned, tapped)]
agree = bool(np.allclose(alone[0], tapped[0], atol=1e-5))
print(f"logits alone: same at each call {same[0]}")
print(f"with what the dropout leaves as an output: same at each call {same[1]}")
print(f"with what goes into the dropout as an output: same at each call {same[2]}, and as alone {agree}")
assert same == [True, False, True]
assert agree
P
