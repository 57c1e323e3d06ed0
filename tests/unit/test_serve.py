"""The protocol of `driftloop serve`, and the windows that it makes of traffic."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from driftloop.errors import ParameterError
from driftloop.serve.capture import Capture, Plan, Reservoir
from driftloop.serve.protocol import ProtocolError, read_request, write_answer

IMAGES = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4, 1)
TENSOR = {"name": "images", "datatype": "UINT8", "shape": [2, 4, 4, 1]}


def in_json(**changes: object) -> bytes:
    return json.dumps({"id": "7", "inputs": [{**TENSOR, "data": IMAGES.tolist(), **changes}]}).encode()


def in_bytes(content: bytes, **changes: object) -> tuple[bytes, str]:
    tensor = {**TENSOR, "parameters": {"binary_data_size": len(content)}, **changes}
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + content, str(len(head))


def test_images_come_in_every_form_of_the_protocol() -> None:
    elements = [b"\x89PNG", b""]
    framed = b"".join(struct.pack("<I", len(each)) + each for each in elements)
    encoded = [base64.b64encode(each).decode() for each in elements]
    flat = in_json(data=IMAGES.reshape(-1).tolist())
    for body, header in ((in_json(), None), (flat, None), in_bytes(IMAGES.tobytes())):
        assert np.array_equal(read_request(body, header).images, IMAGES)
    for body, header in (
        in_bytes(framed, datatype="BYTES", shape=[2]),
        (in_json(datatype="BYTES", shape=[2, 1], data=encoded), None),
    ):
        assert read_request(body, header).images == elements


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"inputs": []}', "one input"),
        (in_json(name="x"), 'named "images"'),
        (in_json(shape=[2, 4, 4]), "UINT8 of shape"),
        (in_json(shape=[3, 4, 4, 1]), "32 elements; its shape says 48"),
        (in_json(shape=[2, 4, -4, 1]), "positive"),
        (in_json(shape=[1 << 23] * 4), "32 elements"),
        (in_json(data=[[1, 2], [3]]), "whole numbers"),
        (in_json(data=[256] * 32), "0 to 255"),
        (in_json(data=[0.5] * 32), "whole numbers"),
        (in_json(data="x"), "whole numbers"),
        (in_json(datatype="FP32"), "UINT8 of shape"),
        (in_json(datatype="BYTES", shape=[2], data=["*", "*"]), "base64"),
        (in_json(datatype="BYTES", shape=[1], data=[[]]), "base64"),
        (in_json(parameters={"binary_data_size": 5}), "number of bytes"),
        (b'{"inputs": [%s], "outputs": [{"name": "x"}]}' % json.dumps(TENSOR).encode(), "elements|whole"),
        (json.dumps(json.loads(in_json()) | {"outputs": [{"name": []}]}).encode(), "outputs are"),
        (b'{"parameters": 3, "inputs": [%s]}' % json.dumps(TENSOR).encode(), "parameters"),
    ],
)
def test_a_malformed_request_gets_one_sentence(body: bytes, said: str) -> None:
    with pytest.raises(ProtocolError, match=said) as refused:
        read_request(body, None)
    assert refused.value.status == 400


def test_a_thousand_damaged_requests_are_read_or_refused() -> None:
    rng = np.random.default_rng(0)
    framed = struct.pack("<I", 3) + b"abc"
    good = [(in_json(), None), in_bytes(IMAGES.tobytes()), in_bytes(framed, datatype="BYTES", shape=[1])]
    for body, header in good:
        read_request(body, header)
    refused = 0
    for turn in range(1000):
        body, header = good[turn % 3]
        damaged = bytearray(body)
        for place in rng.integers(len(body), size=3):
            damaged[place] = rng.integers(256)
        cut = bytes(damaged[: rng.integers(len(body) // 2, len(body) + 1)])
        try:
            read_request(cut, header if turn % 7 else str(turn))
        except ProtocolError:
            refused += 1
    assert refused > 500


def test_an_answer_holds_what_was_asked_for() -> None:
    body = json.dumps(
        {
            "id": "7",
            "inputs": [{**TENSOR, "data": IMAGES.tolist()}],
            "outputs": [{"name": "class"}, {"name": "filters", "parameters": {"binary_data": True}}],
        }
    ).encode()
    acted = np.array([[True], [False]])
    answer, headers = write_answer(
        read_request(body, None), "m", "w02", {"class": ["a", "b"], "filters": acted}
    )
    length = int(headers["inference-header-content-length"])
    told = json.loads(answer[:length])
    assert told["id"] == "7"
    assert told["model_version"] == "w02"
    assert told["outputs"][0] == {"name": "class", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}
    assert answer[length:] == acted.tobytes()


def images(n: int, level: int) -> np.ndarray:
    return np.full((n, 8, 8, 1), level, np.uint8)


def test_each_source_has_windows_of_its_own(tmp_path: Path) -> None:
    capture = Capture(Plan(tmp_path / "inbox", size=20))
    for _ in range(5):
        capture.offer("left", images(9, 1))
        capture.offer("right", images(4, 2))
    capture.close()
    windows = sorted((tmp_path / "inbox").iterdir())
    assert [path.name.split("-")[0] for path in windows] == ["left", "left", "right"]
    assert [np.load(path).shape[0] for path in windows] == [20, 20, 20]
    assert [set(np.load(path).flat) for path in windows] == [{1}, {1}, {2}]
    assert (capture.captured, capture.windows, capture.dropped) == (65, 3, 0)


def test_a_window_by_time_is_a_random_sample_of_its_period(tmp_path: Path) -> None:
    now = [0.0]
    capture = Capture(Plan(tmp_path, size=50, seconds=60), clock=lambda: now[0])
    for level in range(200):
        capture.offer("", images(1, level))
    capture.close()
    (path,) = tmp_path.iterdir()
    kept = np.load(path)[:, 0, 0, 0]
    assert len(kept) == 50
    assert 70 < kept.mean() < 130  # neither the first nor the last ones
    assert len(set(kept.tolist())) == 50


def test_every_image_is_as_likely_to_stay_in_the_sample() -> None:
    counts, rng = np.zeros(40), np.random.default_rng(0)
    for _ in range(2000):
        held = Reservoir(10, began=0.0)
        for place in range(40):
            held.add(np.array([place], np.uint8), rng)
        counts[[int(image[0]) for image in held.images]] += 1
    assert abs(counts / 2000 - 0.25).max() < 0.05


def test_a_disk_that_takes_nothing_costs_the_window_alone(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("in the way")
    capture = Capture(Plan(tmp_path / "inbox", size=20))
    capture.offer("", images(20, 1))
    capture.close()
    assert (capture.windows, capture.dropped) == (0, 20)
    assert "could not be written" in str(capture.trouble)


def test_what_no_window_can_be_is_refused(tmp_path: Path) -> None:
    for wrong in ({"size": 19}, {"seconds": 0}, {"share": 0}, {"share": 1.5}):
        with pytest.raises(ParameterError):
            Plan(tmp_path, **wrong)
    capture = Capture(Plan(tmp_path))
    for source in ("../x", "a b", "x" * 41, "reference"):
        with pytest.raises(ParameterError, match="source"):
            capture.check(source)
    capture.check("")
    capture.close()
