"""The Open Inference Protocol (KServe v2) over REST: bodies in, images out; answers in, bodies out.

Tensors come as JSON, or as bytes behind the JSON (the binary tensor data extension). The header
`Inference-Header-Content-Length` then says where the JSON ends.
Sources: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
and Triton's protocol extensions, 2.x.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

INPUT = "images"
OUTPUTS = {"class": "BYTES", "probabilities": "FP32", "filters": "BOOL"}
"""What can be asked for, and its type."""
_USUAL = ("class", "probabilities")
_MOST_IMAGES = 4096

Output = npt.NDArray[np.float32] | npt.NDArray[np.bool_] | list[str]


class ProtocolError(Exception):
    """A request that cannot be answered: one sentence for its sender, and the status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """What somebody asks.

    Attributes:
        id: comes back with the answer. None for none.
        images: uint8 (N, H, W, C), or N encoded pictures.
        outputs: names of the outputs that are wanted, and whether each comes as bytes behind the JSON.
        source: which camera, line or tenant the images come from. Each source has its own windows.
    """

    id: str | None
    images: npt.NDArray[np.uint8] | list[bytes]
    outputs: Mapping[str, bool]
    source: str


def read_request(body: bytes, header: str | None) -> Request:
    """Read the body of an inference request.

    Args:
        body: the whole of it.
        header: `Inference-Header-Content-Length`: bytes of JSON, where tensors follow. None without it.

    Raises:
        ProtocolError: it is malformed, or asks for what there is not.
    """
    length = _header_length(body, header)
    try:
        asked = json.loads(body[:length])
    except (ValueError, RecursionError) as error:
        raise ProtocolError("The body is not valid JSON.") from error
    if not isinstance(asked, dict):
        raise ProtocolError("The body is not a JSON object.")
    inputs = asked.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise ProtocolError(f'Give one input, named "{INPUT}".')
    parameters = _mapping(asked.get("parameters"))
    name, source = asked.get("id"), parameters.get("source", "")
    if not isinstance(name, str | None) or not isinstance(source, str):
        raise ProtocolError("The id and the parameter source are texts.")
    return Request(
        name, _images(inputs[0], body[length:]), _outputs(asked.get("outputs"), parameters), source
    )


def _header_length(body: bytes, header: str | None) -> int:
    if header is None:
        return len(body)
    if not header.isascii() or not header.isdigit() or len(header) > 12 or int(header) > len(body):
        raise ProtocolError("Inference-Header-Content-Length is not a length within the body.")
    return int(header)


def _mapping(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProtocolError("parameters is not a JSON object.")
    return value


def _images(tensor: Mapping[str, Any], rest: bytes) -> npt.NDArray[np.uint8] | list[bytes]:
    shape, kind = tensor.get("shape"), tensor.get("datatype")
    if tensor.get("name") != INPUT:
        raise ProtocolError(f'The one input is named "{INPUT}".')
    if not isinstance(shape, list) or not all(type(side) is int and 0 < side < 1 << 24 for side in shape):
        raise ProtocolError(f'The shape of "{INPUT}" is a list of positive whole numbers.')
    size = _mapping(tensor.get("parameters")).get("binary_data_size")
    if size is not None and (type(size) is not int or size != len(rest)):
        raise ProtocolError(f'binary_data_size of "{INPUT}" is not the number of bytes that follow the JSON.')
    content: object = tensor.get("data") if size is None else rest
    if kind == "UINT8" and len(shape) == 4:
        return _numbers(content, shape)
    if kind == "BYTES" and len(shape) in (1, 2) and shape[1:] in ([], [1]):
        pictures = _encoded(content) if isinstance(content, bytes) else _base64(content)
        if len(pictures) != shape[0]:
            raise ProtocolError(f'"{INPUT}" has {len(pictures)} elements; its shape says {shape[0]}.')
        return pictures
    raise ProtocolError(
        f'"{INPUT}" is UINT8 of shape [N, H, W, C], or BYTES of shape [N]: one encoded picture each.'
    )


def _numbers(content: object, shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    n = math.prod(shape)
    if isinstance(content, bytes):
        found = np.frombuffer(content, np.uint8)
    else:
        try:
            given = np.asarray(content)
        except ValueError:
            given = np.zeros(0)
        if given.dtype.kind not in "iu" or (given.size and (given.min() < 0 or given.max() > 255)):
            raise ProtocolError(f'The data of "{INPUT}" is not a list of whole numbers from 0 to 255.')
        found = given.astype(np.uint8).reshape(-1)
    if len(found) != n:
        raise ProtocolError(f'"{INPUT}" has {len(found)} elements; its shape says {n}.')
    return found.reshape(shape)


def _encoded(content: bytes) -> list[bytes]:
    """Take elements apart: each one's length comes before it, in four bytes, the lowest first."""
    found: list[bytes] = []
    at = 0
    while at < len(content):
        if len(found) == _MOST_IMAGES or at + 4 > len(content):
            raise ProtocolError(f'The bytes of "{INPUT}" are cut short, or are too many elements.')
        (size,) = struct.unpack_from("<I", content, at)
        found.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(content):
        raise ProtocolError(f'The last element of "{INPUT}" is cut short.')
    return found


def _base64(content: object) -> list[bytes]:
    try:
        flat = [each[0] if isinstance(each, list) else each for each in content]  # type: ignore[attr-defined]
        return [base64.b64decode(each, validate=True) for each in flat]
    except (TypeError, ValueError, IndexError, binascii.Error) as error:
        raise ProtocolError(f'In JSON, each picture of "{INPUT}" is a text in base64.') from error


def _outputs(wanted: object, parameters: Mapping[str, Any]) -> dict[str, bool]:
    usual = parameters.get("binary_data_output") is True
    if wanted is None or wanted == []:
        return dict.fromkeys(_USUAL, usual)
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
        raise ProtocolError("outputs is not a list of objects.")
    found = {}
    for each in wanted:
        if each.get("name") not in list(OUTPUTS):  # a name that is a list has no hash
            raise ProtocolError(f"The outputs are {', '.join(OUTPUTS)}.")
        found[each["name"]] = _mapping(each.get("parameters")).get("binary_data", usual) is True
    return found


def check_form(images: npt.NDArray[np.uint8], shape: tuple[int, int, int]) -> None:
    """Raise ProtocolError unless uint8 images (N, H, W, C) are at most 4,096 of this (H, W, C)."""
    if images.shape[1:] != shape:
        raise ProtocolError(
            f'Images of "{INPUT}" are {list(images.shape[1:])}; the model takes {list(shape)}.'
        )
    if len(images) > _MOST_IMAGES:
        raise ProtocolError(f"{len(images)} images in one request; at most {_MOST_IMAGES}.", 413)


def write_answer(
    asked: Request, model: str, version: str, found: Mapping[str, Output]
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of an answer.

    Args:
        asked: the request.
        model: name of the model.
        version: of the model.
        found: each output: texts (N), or an array whose first axis is N.
    """
    tensors, behind = [], []
    for name, binary in asked.outputs.items():
        value = found[name]
        shape = list(value.shape) if isinstance(value, np.ndarray) else [len(value)]
        tensor: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name], "shape": shape}
        if binary:
            content = value.tobytes() if isinstance(value, np.ndarray) else b"".join(map(_element, value))
            behind.append(content)
            tensor["parameters"] = {"binary_data_size": len(content)}
        else:
            tensor["data"] = value.reshape(-1).tolist() if isinstance(value, np.ndarray) else value
        tensors.append(tensor)
    told = {"model_name": model, "model_version": version, "outputs": tensors}
    head = json.dumps(told | ({} if asked.id is None else {"id": asked.id})).encode()
    if not behind:
        return head, {"content-type": "application/json"}
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return b"".join([head, *behind]), headers


def _element(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<I", len(content)) + content


def describe_model(name: str, version: str, shape: tuple[int, int, int], classes: int) -> dict[str, Any]:
    """Return the model's metadata.

    Args:
        name: of the model.
        version: of it.
        shape: (H, W, C) of its images.
        classes: how many it tells apart.
    """
    sides = {"class": [-1], "probabilities": [-1, classes], "filters": [-1, -1]}
    return {
        "name": name,
        "versions": [version],
        "platform": "driftloop",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *shape]}],
        "outputs": [{"name": each, "datatype": kind, "shape": sides[each]} for each, kind in OUTPUTS.items()],
    }
