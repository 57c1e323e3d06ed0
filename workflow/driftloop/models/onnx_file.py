"""ONNX files as exporters write them, made one self-contained program with an embedding to see.

An ONNX file is a protobuf message. Its weights may lie in other files (`external_data`), which the file
names. Those are read only out of the file's own folder. See https://onnx.ai/onnx/repo-docs/ExternalData.html
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from driftloop.errors import ModelError
from driftloop.models.program_files import (
    LARGEST,
    Piece,
    ProgramFile,
    choose_output,
    describe,
    read_piece,
)

_FLOATS = ("FLOAT", "FLOAT16", "DOUBLE")
_TAKEN = (*_FLOATS, "UINT8")
_LINEAR = ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "QGemm", "FusedMatMul", "FusedGemm")
_BARE = ("DynamicQuantizeLinear", "Dropout", "Identity")
"""Nodes before a linear layer that an embedding is taken in front of."""
_LARGE = "{} has weights of more than 2 GiB, which no self-contained ONNX file holds."
_SHOWN = 400
_EVAL = "Call model.eval() before torch.onnx.export, and export it anew."


def read_onnx(path: Path, output: str | None = None) -> ProgramFile:
    """Read a program in ONNX. See `driftloop.models.program_files.read_program`."""
    onnx = import_onnx("onnx")
    content, piece = read_piece(path)
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf raises its own kinds
        raise ModelError(f"{path} is no ONNX model ({runtime_reason(error)}).") from error
    pieces = [piece, *_bring_in(model, path)]
    graph = model.graph
    if not graph.output or not graph.node:
        raise ModelError(f"{path} is no ONNX model: it has no graph with an output.")
    if len(_inputs(model)) == 1:
        _taken(model, path, onnx)
    names = [each.name for each in graph.output]
    possible = [each.name for each in graph.output if _can_be_logits(each, onnx)]
    chosen = graph.output[choose_output(names, possible, output, path)]
    notes = [] if len(names) == 1 else [f"of its outputs {', '.join(names)} it is {chosen.name} that is used"]
    if len(pieces) > 1:
        beside = ", ".join(f"{each.name} ({each.bytes:,} bytes)" for each in pieces[1:])
        notes.append(f"its weights in {beside} are kept inside")
    if len(graph.output) > 1 or len(_inputs(model)) > 1:
        _keep_only(model, chosen)
    taken, kind = _taken(model, path, onnx)
    if chosen.name not in possible:
        raise ModelError(f"{path}: the output {chosen.name} has no floats, (N, number of classes).")
    plain = _serialised(model, path)
    open_session(plain, str(path))
    if _end_training(model, path):
        notes.append("its Dropout, exported in training mode, is switched off, as onnxruntime does")
    kept = []
    if tap := _before_the_last_linear(graph, chosen.name):
        graph.output.append(onnx.ValueInfoProto(name=tap))
        kept.append(_serialised(model, path))
        del graph.output[1:]
    kept.append(_serialised(model, path))
    described = describe(taken, _sizes(chosen), pixels=kind == "UINT8")
    return ProgramFile(described, plain, tuple(kept), tuple(pieces), tuple(notes))


def open_session(content: bytes, name: str, threads: int = 0) -> Any:
    """Open a program with onnxruntime, on the CPU.

    Args:
        content: of the ONNX file.
        name: for messages.
        threads: how many it may use. 0 for all.

    Raises:
        ModelError: it is newer than the onnxruntime here, or cannot be run by it.
    """
    runtime = import_onnx("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.load_model_format", "ONNX")  # no other that its bytes may spell
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own kinds, which it does not export
        text = str(error)
        what = f"{name} cannot be run by onnxruntime {runtime.__version__}"
        if found := re.search(r"IR version: (\d+), max supported IR version: (\d+)", text):
            raise ModelError(_too_new(what, "IR version", *found.groups())) from error
        if found := re.search(r"Opset (\d+) is under.*is till opset (\d+)", text, re.DOTALL):
            raise ModelError(_too_new(what, "opset", *found.groups())) from error
        mending = " Export it in float32, by operators of ONNX itself." if "NOT_IMPLEMENTED" in text else ""
        raise ModelError(f"{what} ({runtime_reason(error)}).{mending}") from error


def refuse_data_outside(content: bytes, name: str) -> None:
    """Refuse a program whose weights lie in other files: onnxruntime would read whatever file it names.

    Raises:
        ModelError: it has such weights, or is no ONNX model.
    """
    onnx = import_onnx("onnx")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf raises its own kinds
        raise ModelError(f"{name} is no ONNX model ({runtime_reason(error)}).") from error
    tensors = _messages(model, "TensorProto")
    if any(each.data_location == onnx.TensorProto.EXTERNAL or each.external_data for each in tensors):
        raise ModelError(f"{name} names weights in other files, which are not read.")


def _too_new(what: str, kind: str, got: str, most: str) -> str:
    anew = f"opset_version={most}" if kind == "opset" else "an older onnx"
    return (
        f"{what}: it is of {kind} {got}, and {most} is the highest that is supported. "
        f"Upgrade (pip install --upgrade onnx onnxruntime), or export it anew with {anew}."
    )


def runtime_reason(error: BaseException) -> str:
    """Return what onnx or onnxruntime say, without the places in their source, no longer than is read."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^(Load model from .*? failed:)?\s*/\S+:\d+ .*?\)( const)? (?=[A-Z])", "", text)
    text = text.rstrip(".")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} … {text[-_SHOWN // 2 :]}"


def import_onnx(name: str) -> Any:
    """Import onnx or onnxruntime.

    Raises:
        ModelError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(f"ONNX models need {name}; pip install 'driftloop[onnx]' adds it.") from error


def _bring_in(model: Any, path: Path) -> list[Piece]:
    """Put the weights that lie in other files into the model, and return those files.

    Raises:
        ModelError: one lies outside of the model's folder, behind a link, is missing or too short.
    """
    contents: dict[str, bytes] = {}
    pieces = []
    room = LARGEST
    for tensor in _messages(model, "TensorProto"):
        if tensor.data_location != tensor.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if location not in contents:
            contents[location], piece = read_piece(_beside(path, location))
            pieces.append(piece)
        start, length = (_number(entries.get(key), path, tensor.name) for key in ("offset", "length"))
        start = start or 0
        end = len(contents[location]) if length is None else start + length
        if end > len(contents[location]):
            raise ModelError(
                f"{path}: {location} ends at byte {len(contents[location]):,}, but {tensor.name} goes up to "
                f"{end:,}. Is it the file that was written with this model?"
            )
        room -= end - start
        if room < 0:
            raise ModelError(
                f"{path} has weights of more than 2 GiB, which no self-contained ONNX file holds."
            )
        tensor.raw_data = contents[location][start:end]
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    return pieces


def _beside(path: Path, location: str) -> Path:
    """Return the file that a model names for its weights: it lies in the model's own folder, as no link."""
    named = PurePosixPath(location)
    leaves = (
        not location or named.is_absolute() or ".." in named.parts or "\\" in location or "\0" in location
    )
    if leaves:
        raise ModelError(
            f"{path} keeps weights in {location!r}; only files in its own folder are read. "
            f"Otherwise {_one_file(path)}"
        )
    place = path.parent
    for part in named.parts:
        place = place / part
        if place.is_symlink():
            raise ModelError(f"{path} keeps weights in {place}, which is a link. Otherwise {_one_file(path)}")
    if not place.is_file():
        raise ModelError(
            f"{path} keeps weights in {location}, which is not there. Put it beside the model. "
            f"Or, where it is: {_one_file(path)}"
        )
    return place


def _one_file(path: Path) -> str:
    return (
        'Save it as one file: python -c "import onnx; '
        f"onnx.save_model(onnx.load('{path.name}'), 'whole.onnx')\""
    )


def _number(value: str | None, path: Path, name: str) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,15}", value):
        raise ModelError(f"{path}: the weights of {name} lie at {value[:40]!r}, which is no number of bytes.")
    return int(value)


def _messages(message: Any, kind: str) -> Iterator[Any]:
    """Yield every message of a kind in an ONNX model, those of inner graphs and functions too."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for each in (value,) if hasattr(value, "ListFields") else value:
            if each.DESCRIPTOR.name == kind:
                yield each
            yield from _messages(each, kind)


def _inputs(model: Any) -> list[Any]:
    """Return the inputs that have to be given: those without a value in the file."""
    made = {tensor.name for tensor in model.graph.initializer}
    return [each for each in model.graph.input if each.name not in made]


def _taken(model: Any, path: Path, onnx: Any) -> tuple[list[int | None], str]:
    """Return the four sizes of the images, and the name of their type."""
    inputs = _inputs(model)
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs)
        raise ModelError(
            f"{path} needs {len(inputs)} inputs{f' ({names})' if names else ''}; images alone are given. "
            "Export it with the others fixed, or name an output that needs only the images: model.output=NAME"
        )
    tensor = inputs[0].type.tensor_type
    kind = str(onnx.TensorProto.DataType.Name(tensor.elem_type))
    if kind not in _TAKEN:
        raise ModelError(
            f"{path} takes {kind.lower()} numbers; images are given as float, float16, double or uint8."
        )
    taken: list[int | None] = _sizes(inputs[0]) if tensor.HasField("shape") else [None] * 4
    if len(taken) != 4:
        raise ModelError(
            f"{path} takes {len(taken)} dimensions; images have four: (N, C, H, W) or (N, H, W, C)."
        )
    return taken, kind


def _sizes(value: Any) -> list[int | None]:
    """Return the sizes of an input or output. None for what is open, which some exporters write as -1."""
    return [dim.dim_value if dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim]


def _can_be_logits(value: Any, onnx: Any) -> bool:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return False
    sizes = _sizes(value)
    single = not tensor.HasField("shape") or (len(sizes) >= 2 and all(size == 1 for size in sizes[2:]))
    return single and onnx.TensorProto.DataType.Name(tensor.elem_type) in _FLOATS


def _keep_only(model: Any, output: Any) -> None:
    """Take out of a graph all that one output does not need."""
    graph = model.graph
    wanted, nodes = _needed(graph, output.name)
    for field, kept in (
        (graph.node, nodes),
        (graph.output, [output]),
        (graph.input, [each for each in graph.input if each.name in wanted]),
        (graph.initializer, [each for each in graph.initializer if each.name in wanted]),
    ):
        copies = [type(each).FromString(each.SerializeToString()) for each in kept]
        del field[:]
        field.extend(copies)


def _needed(graph: Any, output: str) -> tuple[set[str], list[Any]]:
    """Return the names and the nodes that an output is computed from; not every exporter sorts its nodes."""
    maker = {name: place for place, node in enumerate(graph.node) for name in node.output}
    wanted, open_names, places = {output}, [output], set()
    while open_names:
        place = maker.get(open_names.pop())
        if place is None or place in places:
            continue
        places.add(place)
        node = graph.node[place]
        named = [*node.input, *(name for inner in _messages(node, "NodeProto") for name in inner.input)]
        open_names += [name for name in named if name not in wanted]
        wanted.update(named)
    return wanted, [graph.node[place] for place in sorted(places)]


def _end_training(model: Any, path: Path) -> bool:
    """Switch off what a file does only while it is trained. Tell whether there was something.

    onnxruntime leaves out a Dropout by itself, whatever its mode, unless its output is looked at; so it is
    left out here too. It does run a BatchNormalization in training mode, by the statistics of the batch.
    """
    ended = False
    for node in _messages(model, "NodeProto"):
        if node.op_type == "Dropout" and len(node.input) > 2:
            del node.input[2:]
            ended = True
        if node.op_type == "BatchNormalization" and any(
            each.name == "training_mode" and each.i for each in node.attribute
        ):
            raise ModelError(
                f"{path} was exported in training mode: its BatchNormalization takes the statistics of each "
                f"batch, not those that it learned. {_EVAL}"
            )
    return ended


def _before_the_last_linear(graph: Any, output: str) -> str | None:
    """Return the name of what goes into the last linear layer before an output. None without one."""
    made = {tensor.name for tensor in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}
    nodes = _needed(graph, output)[1]
    linear = [node for node in nodes if node.op_type in _LINEAR and node.input[0] not in made]
    if not linear:
        return None
    name = str(linear[-1].input[0])
    while (node := maker.get(name)) is not None and node.op_type in _BARE:
        name = str(node.input[0])
    return name


def _serialised(model: Any, path: Path) -> bytes:
    try:
        content: bytes = model.SerializeToString()
    except Exception as error:  # protobuf's own kinds, above its own limit
        raise ModelError(_LARGE.format(path)) from error
    return content
