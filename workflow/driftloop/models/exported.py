"""Programs saved by torch.export (.pt2), opened without running anything that they bring along.

`torch.export.load` alone would do so. An archive may hold Python source for its guards and names of any
function of torch. It may also hold expressions that are evaluated, pickles and compiled libraries. This
module opens a copy with operators of aten only, plain symbolic sizes, weights alone and no guards.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from driftloop.errors import ModelError
from driftloop.models.program_files import ProgramFile, choose_output, describe, read_piece
from driftloop.models.sizes import is_plain

_KEPT = re.compile(
    r"data/(weights/(weight_\d+|[\w.]+_weights_config\.json)|constants/(tensor_\d+|[\w.]+_config\.json)"
    r"|sample_inputs/\w+\.pt)|models/\w+\.json|archive_format|archive_version|byteorder"
    r"|\.data/(version|serialization_id)"
)
_OPERATOR = re.compile(
    r"torch\.ops\.aten\.[a-z0-9_]+\.\w+|torch\.sym_[a-z]+|_operator\.(getitem|add|sub|mul|neg|mod|floordiv|"
    r"truediv|pow|eq|ne|lt|le|gt|ge)"
)
_FORBIDDEN = re.compile(r"torch\.ops\.aten\.(from_file|save|_?print)\b")
_LARGEST_JSON = 1 << 28


_KINDS = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.uint8)
_OLDER = ("serialized_exported_program.json", "serialized_state_dict.pt", "serialized_state_dict.json")
_EVAL = "Call model.eval() before torch.export.export, and export it anew."


def read_exported(path: Path, output: str | None = None) -> ProgramFile:
    """Read a program saved by torch.export. See `driftloop.models.program_files.read_program`."""
    content, piece = read_piece(path)
    content = tame(content, str(path))
    module = load_exported(content, str(path))
    _refuse_training(module, path)
    places = [node for node in module.graph.nodes if node.op == "placeholder"]
    if len(places) != 1 or not isinstance(places[0].meta.get("val"), Tensor):
        raise ModelError(f"{path} takes {len(places)} inputs; one tensor of images is given.")
    taken = places[0].meta["val"]
    if taken.dtype not in _KINDS:
        kinds = ", ".join(str(kind).removeprefix("torch.") for kind in _KINDS)
        raise ModelError(f"{path} takes {taken.dtype} numbers; images are given as one of {kinds}.")
    if taken.ndim != 4:
        raise ModelError(
            f"{path} takes {taken.ndim} dimensions; images have four: (N, C, H, W) or (N, H, W, C)."
        )
    given = dict(zip(output_names(module), _outputs(module), strict=True))
    possible = [name for name, node in given.items() if _can_be_logits(node)]
    chosen = choose_output(list(given), possible, output, path)
    name, node = list(given.items())[chosen]
    if name not in possible:
        raise ModelError(f"{path}: the output {name} has no floats, (N, number of classes).")
    notes = () if len(given) == 1 else (f"of its outputs {', '.join(given)} it is {name} that is used",)
    described = describe(
        _sizes(taken),
        _sizes(node.meta["val"]) if "val" in node.meta else (),
        pixels=taken.dtype == torch.uint8,
    )
    return ProgramFile(described, content, (content,), (piece,), notes, chosen)


def _outputs(module: torch.fx.GraphModule) -> list[Any]:
    end = next(node for node in module.graph.nodes if node.op == "output")
    return list(end.args[0]) if isinstance(end.args[0], tuple | list) else [end.args[0]]


def output_names(module: torch.fx.GraphModule) -> list[str]:
    """Return the names of a program's outputs: of a dictionary its keys, else those in the graph."""
    found = _outputs(module)
    information = getattr(module.graph._codegen, "pytree_info", None)
    structure = getattr(information, "out_spec", None)
    if structure is not None and structure.type is dict and len(structure.context) == len(found):
        return [str(key) for key in structure.context]
    return [str(node) for node in found]


def _can_be_logits(node: Any) -> bool:
    value = node.meta.get("val") if isinstance(node, torch.fx.Node) else None
    if not isinstance(value, Tensor):
        return False
    return value.is_floating_point() and value.ndim >= 2 and all(size == 1 for size in value.shape[2:])


def _sizes(value: Tensor) -> list[int | None]:
    return [size if isinstance(size, int) else None for size in value.shape]


def _refuse_training(module: torch.fx.GraphModule, path: Path) -> None:
    """Refuse a program that was saved in training mode: it draws by chance, or changes its own state.

    Nothing sets it right: `eval()` on what torch.export.load returns does nothing, or raises.
    """
    for node in module.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None:
            continue
        operator = str(node.target).removeprefix("aten.").partition(".")[0]
        for place, argument in enumerate(schema.arguments):
            value = node.args[place] if place < len(node.args) else node.kwargs.get(argument.name)
            if argument.name in ("train", "training") and value is True:
                raise ModelError(f"{path} was exported in training mode: it has {operator} at work. {_EVAL}")
            written = argument.alias_info is not None and argument.alias_info.is_write
            if written and isinstance(value, torch.fx.Node) and value.op == "get_attr":
                raise ModelError(f"{path} changes its own {value.target} while it predicts. {_EVAL}")


def tame(content: bytes, name: str) -> bytes:
    """Return a copy of an exported program that nothing but tensors comes out of.

    Args:
        content: of the .pt2 file.
        name: for messages.

    Raises:
        ModelError: it is no such program, or it needs what is not opened here.
    """
    copy = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as tamed:
            for member in archive.infolist():
                inner = member.filename.partition("/")[2]
                if member.filename in _OLDER:
                    raise ModelError(
                        f"{name} is of the format that torch 2.6 and older write; that of torch 2.7 and "
                        "newer is read. Export the model anew: pip install --upgrade torch"
                    )
                if not _KEPT.fullmatch(inner):
                    raise ModelError(f"{name} holds {member.filename!r}, which driftloop does not open.")
                data = archive.read(member)
                if inner.startswith("models/"):
                    data = json.dumps(_tame_graph(_parse(data, name), name)).encode()
                tamed.writestr(f"program/{inner}", data)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, ValueError) as error:
        raise ModelError(f"{name} is not a program saved by torch.export.save ({error}).") from error
    return copy.getvalue()


def load_exported(content: bytes, name: str) -> torch.fx.GraphModule:
    """Return the program as a module.

    Raises:
        ModelError: see `tame`, or this torch cannot read it.
    """
    tamed = tame(content, name)
    try:
        with _weights_only():
            module = torch.export.load(io.BytesIO(tamed)).module()
    except Exception as error:  # torch raises almost anything on a damaged program
        raise ModelError(
            f"{name} cannot be read by torch {torch.__version__} ({first_line(error)})."
        ) from error
    if not isinstance(module, torch.fx.GraphModule):
        raise ModelError(f"{name} is no program of one graph.")
    return module


def _parse(data: bytes, name: str) -> Any:
    if len(data) > _LARGEST_JSON:
        raise ModelError(f"{name} has a graph of {len(data):,} bytes; that cannot be right.")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ModelError(f"{name} has a graph that is nested too deep.") from error


def _tame_graph(program: Any, name: str) -> Any:
    if not isinstance(program, dict):
        raise ModelError(f"{name} has no graph.")
    for key, value in _walk(program):
        if key == "target" and isinstance(value, str):
            if not _OPERATOR.fullmatch(value) or _FORBIDDEN.match(value):
                raise ModelError(f"{name} calls {value!r}; driftloop runs operators of aten only.")
        elif key == "expr_str" and isinstance(value, str) and not is_plain(value):
            raise ModelError(f"{name} has the size {value[:60]!r}, which driftloop does not evaluate.")
    return program | {"guards_code": []}


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key of nested mappings with its value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


@contextmanager
def _weights_only() -> Iterator[None]:
    """Keep torch from opening a pickle of more than tensors, also where it would itself."""
    variable = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, no longer than a message of ours can bear."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"
