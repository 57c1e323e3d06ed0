"""Model files as exporters write them, made by those exporters when the tests run; `CASES` is the table of them.

docs/models.md is made from the table, and tests/unit/test_model_files.py holds driftloop against it.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
STORED = HERE / "stored_models"
"""Files of exporters that are too large to install for a test; its README says how each was made."""

TRAINING, ALONE = "in training mode", "it is run one image at a time"


@dataclass(frozen=True)
class Case:
    """A model file, and what comes of it.

    Attributes:
        by: the exporter.
        what: the file, for the page.
        write: writes it as the path that it is given, and returns the file if that is another.
        refused: a part of the message, or None for a file that is taken.
        remedy: a part of the same message: what to do.
        note: a part of what is said of a file that is taken.
        output: `model.output`.
        images: which images it takes, see `images_of`.
        std: `model.std`; the mean is 0.
        embedding: how many numbers an embedding has, where that is known.
        needs: packages that have to be there.
    """

    by: str
    what: str
    write: Callable[[Path], Path | None]
    refused: str | None = None
    remedy: str = ""
    note: str = ""
    output: str | None = None
    images: str = "digits"
    std: float = 1.0
    embedding: int | None = None
    needs: tuple[str, ...] = ()
    ending: str = field(default=".onnx")

    @property
    def name(self) -> str:
        return f"{self.by}: {self.what}"


# The images


@cache
def images_of(kind: str) -> np.ndarray:
    """Return real images, uint8 (N, H, W, C): 8 x 8 digits, or pieces of two photographs."""
    from sklearn.datasets import load_digits, load_sample_images

    if kind == "digits":
        levels = load_digits().images
        return np.rint(levels * 255 / 16).astype(np.uint8)[:40, ..., None]
    whole = load_sample_images().images[1]
    side = int(kind.removeprefix("photographs of "))
    return np.stack([whole[20 * n : 20 * n + side, 30 * n : 30 * n + side] for n in range(12)])


# The networks


@cache
def network() -> Any:
    """Return a small convolutional network that reads digits, with batch norm and dropout, trained here."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        levels, labels = load_digits(return_X_y=True)
        x, y = torch.tensor(levels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(labels)
        body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128, 24),
            nn.ReLU(),
            nn.Dropout(0.3),
        )
        net = nn.Sequential(body, nn.Linear(24, 10))
        optimiser = torch.optim.Adam(net.parameters(), 0.01)
        for _ in range(6):
            for part in torch.randperm(1200).split(64):
                optimiser.zero_grad()
                nn.functional.cross_entropy(net(x[part]), y[part]).backward()
                optimiser.step()
    return net.eval()


def plain(*, training: bool = False) -> Any:
    """Return the network, in training mode where that is asked for."""
    import copy

    return copy.deepcopy(network()).train(training)


def without_batch_norm() -> Any:
    """Return a network in training mode whose dropout is all that differs there."""
    import torch

    net = plain().train()
    net[0][1] = torch.nn.Identity()
    return net


def around(before: Callable[[Any], Any], after: Callable[[Any], Any] = lambda y: y) -> Any:
    """Return a module that does something before the network, or after it."""
    import torch

    class Around(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = plain()

        def forward(self, x: Any) -> Any:
            return after(self.net(before(x)))

    return Around().eval()


def with_features() -> Any:
    import torch

    class Features(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = plain()

        def forward(self, x: Any) -> Any:
            features = self.net[0](x)
            return {"features": features, "logits": self.net[1](features)}

    return Features().eval()


def with_loss() -> Any:
    import torch

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = plain()

        def forward(self, x: Any, labels: Any) -> Any:
            logits = self.net(x)
            return logits, torch.nn.functional.cross_entropy(logits, labels)

    return Loss().eval()


def with_temperature() -> Any:
    import torch

    class Temperature(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = plain()

        def forward(self, x: Any, temperature: Any) -> Any:
            return self.net(x) / temperature

    return Temperature().eval()


def scaled(x: Any) -> Any:
    return x.float() / 255


def nhwc(x: Any) -> Any:
    return x.permute(0, 3, 1, 2)


def standardised(x: Any) -> Any:
    return (x - x.mean()) / x.std()


# Exporters


@contextlib.contextmanager
def quietly() -> Any:
    """Let an exporter say what it likes."""
    import logging

    before, nowhere = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def example(kind: str = "float", n: int = 4, shape: tuple[int, int, int] = (1, 8, 8)) -> Any:
    import torch

    if kind == "uint8":
        return torch.randint(0, 256, (n, *shape), dtype=torch.uint8)
    return torch.rand(
        n, *shape, dtype={"float": torch.float32, "half": torch.half, "double": torch.double}[kind]
    )


def dynamo(module: Callable[[], Any], given: Callable[[], Any] = example, **options: Any) -> Any:
    """torch.onnx.export as it is today."""

    def write(path: Path) -> None:
        import torch

        many = {0: torch.export.Dim("n", min=1, max=4096)}
        options.setdefault("dynamic_shapes", (many,))
        with quietly(), torch.random.fork_rng(devices=[]):
            x = given()
            torch.onnx.export(module(), x if isinstance(x, tuple) else (x,), path, **options)

    return write


def script(module: Callable[[], Any], given: Callable[[], Any] = example, **options: Any) -> Any:
    """torch.onnx.export through TorchScript, as it was before torch 2.9."""

    def write(path: Path) -> None:
        import torch

        with quietly():
            named: dict[str, Any] = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
            torch.onnx.export(module(), (given(),), path, dynamo=False, **(named | options))

    return write


def training(**options: Any) -> Any:
    def write(path: Path) -> None:
        import torch

        net = options.pop("net", lambda: plain(training=True))
        script(net, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)(path)

    return write


def exported(
    module: Callable[[], Any], given: Callable[[], Any] = example, *, many: bool = True, core: bool = False
) -> Any:
    """torch.export.save."""

    def write(path: Path) -> None:
        import torch

        with quietly():
            shapes = ({0: torch.export.Dim("n", min=1, max=4096)},) if many else None
            program = torch.export.export(module(), (given(),), dynamic_shapes=shapes)
            torch.export.save(program.run_decompositions() if core else program, path)

    return write


def edited(change: Callable[[Any], Any], write: Callable[[Path], Any] | None = None) -> Any:
    """A file of the TorchScript exporter whose message is changed by onnx."""

    def then(path: Path) -> None:
        import onnx

        (write or script(plain))(path)
        model = onnx.load_model(path)
        path.write_bytes((change(model) or model).SerializeToString())

    return then


def stored(name: str) -> Any:
    def write(path: Path) -> None:
        shutil.copy(STORED / name, path)

    return write


# Changes to a file


def set_batch(value: int | None) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for each in (*model.graph.input, *model.graph.output):
            dim = each.type.tensor_type.shape.dim[0]
            dim.Clear()
            if value is not None:
                dim.dim_value = value

    return change


def drop_shapes(model: Any) -> None:
    for each in (*model.graph.input, *model.graph.output):
        each.type.tensor_type.ClearField("shape")


def set_ir(version: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.ir_version = version

    return change


def set_opset(version: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.opset_import[0].version = version

    return change


def weights_as_inputs(model: Any) -> None:
    """As files of IR version 3 had it."""
    from onnx import helper

    model.ir_version = 3
    there = {each.name for each in model.graph.input}
    for each in (each for each in model.graph.initializer if each.name not in there):
        model.graph.input.append(helper.make_tensor_value_info(each.name, each.data_type, each.dims))


def weights_as_constants(model: Any) -> None:
    from onnx import helper

    for each in list(model.graph.initializer):
        model.graph.node.insert(0, helper.make_node("Constant", [], [each.name], value=each))
    del model.graph.initializer[:]


def take_whole_numbers(model: Any) -> None:
    from onnx import TensorProto, helper

    name = model.graph.input[0].name
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    for node in model.graph.node:
        node.input[:] = ["floats" if each == name else each for each in node.input]
    model.graph.node.insert(0, helper.make_node("Cast", [name], ["floats"], to=TensorProto.FLOAT))


def many_files(path: Path) -> None:
    import onnx

    script(plain)(path)
    model = onnx.load_model(path)
    onnx.save_model(model, path, save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0)


def leaving(path: Path) -> Path:
    import onnx

    inner = path.parent / "inner"
    inner.mkdir()
    dynamo(plain)(inner / path.name)
    model = onnx.load_model(inner / path.name, load_external_data=False)
    shutil.move(inner / f"{path.name}.data", path.parent)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = f"../{entry.value}"
    (inner / path.name).write_bytes(model.SerializeToString())
    return inner / path.name


def left_behind(path: Path) -> None:
    dynamo(plain)(path)
    path.with_name(f"{path.name}.data").unlink()


def truncated(path: Path) -> None:
    script(plain)(path)
    path.write_bytes(path.read_bytes()[:9000])


def converted(path: Path) -> None:
    import onnx
    from onnx import version_converter

    script(plain, opset_version=13)(path)
    onnx.save_model(version_converter.convert_version(onnx.load_model(path), 21), path)


def optimised(path: Path) -> None:
    import onnxruntime

    script(plain)(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path.with_name("optimised.onnx"))
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    path.with_name("optimised.onnx").replace(path)


def halved(path: Path) -> None:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    script(plain)(path)
    with quietly():
        onnx.save_model(convert_float_to_float16(onnx.load_model(path), keep_io_types=True), path)


# Quantisation


def dynamic(path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    script(plain)(path.with_name("whole.onnx"))
    with quietly():
        quantize_dynamic(path.with_name("whole.onnx"), path)


def static(kind: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

        class Reader(CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                x = images_of("digits").transpose(0, 3, 1, 2).astype(np.float32) / 255
                self.parts = iter(np.split(x, 4))

            def get_next(self) -> Any:
                part = next(self.parts, None)
                return None if part is None else {"x": part}

        script(plain)(path.with_name("whole.onnx"))
        with quietly():
            quantize_static(
                path.with_name("whole.onnx"), path, Reader(), quant_format=getattr(QuantFormat, kind)
            )

    return write


# Other libraries


def of_scikit_learn(path: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    levels, labels = load_digits(return_X_y=True)
    with quietly():
        model = LogisticRegression(max_iter=50).fit(levels[:500], labels[:500])
        path.write_bytes(to_onnx(model, levels[:1].astype(np.float32)).SerializeToString())


def of_keras(*, softmax: bool = True) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import os

        os.environ["KERAS_BACKEND"] = "torch"
        with quietly():
            import keras

            keras.utils.set_random_seed(0)
            layers = keras.layers
            net = keras.Sequential(
                [
                    keras.Input((8, 8, 1)),
                    layers.Rescaling(1 / 255),
                    layers.Conv2D(8, 3, padding="same", activation="relu"),
                    layers.BatchNormalization(),
                    layers.MaxPooling2D(),
                    layers.Flatten(),
                    layers.Dropout(0.3),
                    layers.Dense(24, activation="relu"),
                    layers.Dense(10, activation="softmax" if softmax else None),
                ]
            )
            net(np.zeros((1, 8, 8, 1), np.float32))  # it has no graph before it is called
            net.export(path, format="onnx", verbose=False)

    return write


def of_torchvision(name: str, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        import torch
        from tests.torchvision_here import torchvision

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return getattr(torchvision().models, name)(weights=None, num_classes=10, **options).eval()

    return make


def transformer() -> Any:
    import torch
    from tests.torchvision_here import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = torchvision().models.vision_transformer.VisionTransformer(
            image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=10
        )
        # As it comes, its last layer is all zeros.
        torch.nn.init.normal_(net.heads.head.weight)
    return net.eval()


def photographs(side: int = 32) -> Callable[[], Any]:
    return lambda: example(shape=(3, side, side))


def of_driftloop(path: Path) -> None:
    from driftloop.models.classifier import Classifier, ClassifierSpec
    from driftloop.models.export import export_model

    spec = ClassifierSpec(
        {"_target_": "driftloop.models.networks.ConvNet", "width": 8},
        (8, 8, 1),
        tuple("0123456789"),
        (0.3,),
        (0.4,),
    )
    with quietly():
        export_model(Classifier(spec).eval(), path)


def of_torch_jit(path: Path) -> None:
    import torch

    with quietly():
        torch.jit.save(torch.jit.trace(plain(), example()), path)


NOW, BEFORE = "PyTorch, torch.onnx.export", "PyTorch, torch.onnx.export(dynamo=False)"
EDITED, QUANTISED = "edited with onnx", "onnxruntime.quantization"
SAVED, VISION = "PyTorch, torch.export.save", "torchvision"

CASES = (
    Case(NOW, "its weights in a second file, as it writes by default", dynamo(plain), note="are kept inside", embedding=24),
    Case(NOW, "`external_data=False`", dynamo(plain, external_data=False), embedding=24),
    Case(NOW, "a fixed batch of 4", dynamo(plain, dynamic_shapes=None), embedding=24),
    Case(NOW, "float16 in and out", dynamo(lambda: plain().half(), lambda: example("half")), embedding=24),
    Case(
        NOW, "float64, of which onnxruntime has no convolution", dynamo(lambda: plain().double(), lambda: example("double")),
        refused="Could not find an implementation for Conv", remedy="Export it in float32",
    ),
    Case(
        NOW, "uint8 images (N, H, W, C), the preprocessing inside",
        dynamo(lambda: around(lambda x: nhwc(scaled(x))), lambda: example("uint8", shape=(8, 8, 1))), embedding=24,
    ),
    Case(
        NOW, "uint8 images (N, C, H, W), the preprocessing inside",
        dynamo(lambda: around(scaled), lambda: example("uint8")), embedding=24,
    ),
    Case(
        NOW, "float images (N, H, W, C)",
        dynamo(lambda: around(nhwc), lambda: example(shape=(8, 8, 1))), embedding=24,
    ),
    Case(NOW, "ending in a softmax", dynamo(lambda: around(lambda x: x, lambda y: y.softmax(1))), embedding=24),
    Case(
        NOW, "in training mode (it keeps the dropout at work)", dynamo(lambda: plain(training=True)),
        note="Dropout, exported in training mode, is switched off", embedding=24,
    ),
    Case(
        NOW, "two outputs, none named", dynamo(with_features), refused="has 2 outputs", remedy="model.output=",
    ),
    Case(
        NOW, "two outputs, `model.output=logits`",
        dynamo(with_features, output_names=["features", "logits"]), output="logits", note="logits that is used",
        embedding=24,
    ),
    Case(
        NOW, "a loss and its labels besides, `model.output=logits`",
        dynamo(
            with_loss, lambda: (example(), label_example()), output_names=["logits", "loss"],
            dynamic_shapes=None,
        ),
        output="logits", embedding=24,
    ),
    Case(
        NOW, "a second input, a temperature",
        dynamo(with_temperature, lambda: (example(), number_example()), dynamic_shapes=None, input_names=["x", "temperature"]),
        refused=r"needs 2 inputs \(x, temperature\)", remedy="Export it with the others fixed",
    ),
    Case(
        NOW, "scales by the whole batch", dynamo(lambda: around(standardised)), note=ALONE, embedding=24,
    ),
    Case(
        NOW, "draws noise in its forward", dynamo(lambda: around(lambda x: x + 0.3 * noise_like(x))),
        refused="answers otherwise when it is asked about the same images again", remedy="has to be taken out",
    ),
    Case(BEFORE, "opset 20", script(plain, opset_version=20), embedding=24),
    Case(BEFORE, "opset 17", script(plain, opset_version=17), embedding=24),
    Case(BEFORE, "opset 11", script(plain, opset_version=11), embedding=24),
    Case(BEFORE, "opset 7", script(plain, opset_version=7), embedding=24),
    Case(BEFORE, "in training mode, with batch norm", training(), refused=TRAINING, remedy=r"model\.eval\(\)"),
    Case(
        BEFORE, "in training mode, with dropout alone", training(net=without_batch_norm),
        note="is switched off", embedding=24,
    ),
    Case(EDITED, "the batch is written as -1, as PaddlePaddle's exporter does", edited(set_batch(-1)), embedding=24),
    Case(EDITED, "the batch has neither a name nor a number", edited(set_batch(None)), embedding=24),
    Case(EDITED, "no shapes at all", edited(drop_shapes), embedding=24),
    Case(EDITED, "IR version 3, the weights among the inputs", edited(weights_as_inputs, script(plain, opset_version=8)), embedding=24),
    Case(EDITED, "IR version 8", edited(set_ir(8), script(plain, opset_version=17)), embedding=24),
    Case(EDITED, "an IR version that is too new", edited(set_ir(99)), refused="IR version 99, and 1. is the highest", remedy="pip install --upgrade onnx onnxruntime"),
    Case(EDITED, "an opset that is too new", edited(set_opset(99)), refused="opset 99, and 2. is the highest", remedy="pip install --upgrade onnx onnxruntime"),
    Case(EDITED, "converted to opset 21", converted, embedding=24),
    Case(EDITED, "the weights as constants", edited(weights_as_constants), embedding=24),
    Case(EDITED, "a file for each weight", many_files, note="are kept inside", embedding=24),
    Case(EDITED, "its weights in another folder", leaving, refused="only files in its own folder", remedy="onnx.save_model"),
    Case(EDITED, "its weights left behind", left_behind, refused="is not there", remedy="Put it beside the model"),
    Case(EDITED, "takes int64", edited(take_whole_numbers), refused="takes int64 numbers", remedy="given as float, float16, double or uint8"),
    Case(EDITED, "cut short", truncated, refused="is no ONNX model", remedy="ONNX"),
    Case("onnxruntime", "saved after its own optimisation", optimised, embedding=24),
    Case("onnxruntime", "turned into float16", halved, embedding=24),
    Case(QUANTISED, "`quantize_dynamic`", dynamic, note=ALONE, embedding=24),
    Case(QUANTISED, "`quantize_static`, QDQ", static("QDQ"), embedding=24),
    Case(QUANTISED, "`quantize_static`, QOperator", static("QOperator"), embedding=24),
    Case("scikit-learn, skl2onnx", "a classifier of rows of numbers", of_scikit_learn, refused="takes 2 dimensions", remedy="images have four", needs=("skl2onnx",)),
    Case("Keras 3, model.export", "ending in a softmax, (N, H, W, C) of 0 to 255", of_keras(), std=1 / 255, embedding=24, needs=("keras",)),
    Case("Keras 3, model.export", "ending in logits", of_keras(softmax=False), std=1 / 255, embedding=24, needs=("keras",)),
    Case(SAVED, "any batch", exported(plain), ending=".pt2", embedding=24),
    Case(SAVED, "a fixed batch of 4", exported(plain, many=False), ending=".pt2", embedding=24),
    Case(SAVED, "after `run_decompositions`", exported(plain, core=True), ending=".pt2", embedding=24),
    Case(SAVED, "float16 in and out", exported(lambda: plain().half(), lambda: example("half")), ending=".pt2", embedding=24),
    Case(SAVED, "in training mode, with batch norm", exported(lambda: plain(training=True)), ending=".pt2", refused="changes its own", remedy=r"model\.eval\(\)"),
    Case(SAVED, "in training mode, with dropout alone", exported(without_batch_norm), ending=".pt2", refused=TRAINING, remedy=r"model\.eval\(\)"),
    Case(SAVED, "a dictionary of outputs, `model.output=logits`", exported(with_features), ending=".pt2", output="logits", embedding=24),
    Case(SAVED, "a dictionary of outputs, none named", exported(with_features), ending=".pt2", refused="has 2 outputs", remedy="model.output="),
    Case(SAVED, "by torch 2.6, in the format before 2.7", stored("torch-2.6.0.pt2"), ending=".pt2", refused="torch 2.6 and older", remedy="pip install --upgrade torch"),
    Case("driftloop export", "uint8 images (N, H, W, C), `.pt2`", of_driftloop, ending=".pt2", embedding=96),
    Case("driftloop export", "uint8 images (N, H, W, C), `.onnx`", of_driftloop, embedding=96),
    Case("PyTorch, torch.jit.save", "TorchScript", of_torch_jit, ending=".torchscript", refused="ends in .onnx", remedy="torch.export"),
    Case(VISION, "ResNet-18, ONNX", dynamo(of_torchvision("resnet18"), photographs(64)), images="photographs of 64", embedding=512, needs=("torchvision",)),
    Case(VISION, "MobileNet v3, `.pt2`", exported(of_torchvision("mobilenet_v3_small"), photographs(64)), images="photographs of 64", embedding=1024, ending=".pt2", needs=("torchvision",)),
    Case(VISION, "SqueezeNet, which ends in a convolution, `.onnx` of opset 17", script(of_torchvision("squeezenet1_1"), photographs(64), opset_version=17), images="photographs of 64", note="no linear layer was found", needs=("torchvision",)),
    Case(VISION, "a vision transformer, `.pt2`", exported(transformer, photographs()), images="photographs of 32", embedding=32, ending=".pt2", needs=("torchvision",)),
    Case(VISION, "a vision transformer, `.onnx` of opset 17", script(transformer, photographs(), opset_version=17), images="photographs of 32", embedding=32, needs=("torchvision",)),
)  # fmt: skip


def label_example() -> Any:
    import torch

    return torch.zeros(4, dtype=torch.int64)


def number_example() -> Any:
    import torch

    return torch.tensor(2.0)


def noise_like(x: Any) -> Any:
    import torch

    return torch.rand_like(x)


def page() -> str:
    """Return docs/models.md: what comes of each file in the table."""
    rows = "".join(f"| {case.by} | {case.what} | {_outcome(case)} |\n" for case in CASES)
    taken = sum(case.refused is None for case in CASES)
    return (
        "# Model files\n\n<!-- Made by `make reference` from tests/unit/model_files.py. -->\n\n"
        f"What comes of `driftloop init --model FILE`, for {len(CASES)} files: {taken} are taken, and the others are "
        "refused before anything is written. A test makes each file by its exporter. One that is taken gives the "
        "probabilities that its own runtime gives, to 1e-4. One that is refused says what mends it.\n\n"
        f"| made by | the file | what happens |\n|---|---|---|\n{rows}"
    )


def _outcome(case: Case) -> str:
    if case.refused is None:
        return f"taken; said: “{case.note} …”" if case.note else "taken"
    plain = [
        each.replace("\\", "").replace("99, and 1.", "99, and 14").replace("99, and 2.", "99, and 28")
        for each in (case.refused, case.remedy)
    ]
    return f"refused: “{plain[0]} … {plain[1]}”"
