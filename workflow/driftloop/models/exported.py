"""Programs saved by torch.export (.pt2), opened without running anything that they bring along.

`torch.export.load` alone would do so: an archive may hold Python source for its guards, names of any
function of torch, expressions that are evaluated, pickles and compiled libraries. What is opened here is a
copy with operators of aten only, plain symbolic sizes, weights alone and no guards.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from driftloop.errors import ModelError

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
_SYMBOLS = re.compile(r"[su]\d+|Symbol|Integer|positive|nonnegative|integer|True|False|Max|Min|Mod|FloorDiv")
_LARGEST_JSON = 1 << 28


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
        elif key == "expr_str" and isinstance(value, str):
            words = re.findall(r"[A-Za-z_]\w*", value)
            plain = re.fullmatch(r"[\w\s()+\-*/,'=]*", value) and len(value) < 1000
            if not plain or not all(_SYMBOLS.fullmatch(word) for word in words):
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
    return lines[0][:200] if lines else type(error).__name__
