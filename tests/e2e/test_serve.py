"""`driftloop serve` with a real client: answers, windows from traffic, and a model that is swapped."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from tests.support import BIN, run
from tritonclient import http as triton

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warmed")]

MODEL = "production"


@contextmanager
def serving(project: Path, *options: str, **environment: str) -> Iterator[str]:
    """Serve a project; yields host and port. In the end the server is asked to end, and does."""
    process = subprocess.Popen(
        [BIN / "driftloop", "serve", "--port", "0", *options],
        cwd=project,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in process.stdout:
            if found := re.search(r"http://([\w.]+:\d+)", line):
                break
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert "Traceback" not in said


def ask(client: triton.InferenceServerClient, images: np.ndarray, *, binary: bool = True, **more: object):
    tensor = triton.InferInput("images", list(images.shape), "BYTES" if images.dtype == object else "UINT8")
    tensor.set_data_from_numpy(images, binary_data=binary)
    return client.infer(MODEL, [tensor], **more)


def as_png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image[..., 0]).save(stream, "PNG")
    return stream.getvalue()


def test_a_real_client_gets_what_predict_says_and_follows_production(copied: Path) -> None:
    images = np.load(copied / "data/splits/test/images.npy")[:12]
    np.save(copied / "images.npy", images)
    lines = run(copied, "driftloop", "predict", "--jsonl", "images.npy").stdout.splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    with serving(copied) as address:
        client = triton.InferenceServerClient(address)
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.get_model_metadata(MODEL)["inputs"][0]["shape"] == [-1, 8, 8, 1]
        answer = ask(client, images)
        assert answer.as_numpy("class").tolist() == [row["class"].encode() for row in rows]
        sure = answer.as_numpy("probabilities").max(1)
        assert np.allclose(sure, [row["confidence"] for row in rows], atol=2e-6)
        json_outputs = [triton.InferRequestedOutput("probabilities", binary_data=False)]
        pictures = np.array([as_png(image) for image in images], dtype=object)
        for other in (ask(client, images, binary=False, outputs=json_outputs), ask(client, pictures)):
            assert np.array_equal(other.as_numpy("probabilities"), answer.as_numpy("probabilities"))
        before = answer.get_response()["model_version"]
        assert before != "reference"
        run(copied, "driftloop", "metrics", "--textfile", "figures.prom").check_returncode()
        assert (
            f'driftloop_production_since_seconds{{model="{before}"}}' in (copied / "figures.prom").read_text()
        )
        run(copied, "driftloop", "promote", "reference").check_returncode()
        assert swapped(client, images, "reference")
        run(copied, "driftloop", "rollback").check_returncode()
        assert swapped(client, images, before)
        _check_errors(address)
        families = {
            each.name: each for each in text_string_to_metric_families(get(f"http://{address}/metrics"))
        }
        assert sum(sample.value for sample in families["driftloop_images"].samples) >= 36
        assert {sample.labels["state"] for sample in families["driftloop_windows"].samples} >= {"kept"}


def swapped(client: triton.InferenceServerClient, images: np.ndarray, owner: str) -> bool:
    """Whether the model of `owner` answers within half a minute; until then each request is answered."""
    for _ in range(300):
        if ask(client, images[:1]).get_response()["model_version"] == owner:
            return True
        time.sleep(0.1)
    return False


def get(url: str, body: bytes | None = None, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:  # noqa: S310
        return answer.read().decode()


def _check_errors(address: str) -> None:
    infer = f"http://{address}/v2/models/{MODEL}/infer"
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 4, 4, 1], "data": [0] * 16}
    no_picture = {"name": "images", "datatype": "BYTES", "shape": [1], "data": ["AAAA"]}
    for url, body, status, said in (
        (infer, b"{", 400, "not valid JSON"),
        (infer, json.dumps({"inputs": [tensor]}).encode(), 400, "the model takes [8, 8, 1]"),
        (infer, json.dumps({"inputs": [no_picture]}).encode(), 400, "picture 0"),
        (infer, b"x" * (65 << 20), 413, "above"),
        (infer.replace(MODEL, "other"), b"{}", 404, "There is no POST"),
        (infer.replace("/infer", "/versions/9/infer"), b"{}", 404, "is not in production"),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(url, body)
        assert refused.value.code == status
        assert said in json.loads(refused.value.read())["error"]


def test_other_machines_need_a_token(copied: Path) -> None:
    refused = run(copied, "driftloop", "serve", "--host", "0.0.0.0")  # noqa: S104
    assert refused.returncode == 2
    assert "DRIFTLOOP_TOKEN" in refused.stdout
    assert "ASCII" in run(copied, "driftloop", "serve", DRIFTLOOP_TOKEN="gehöm").stdout
    with serving(copied, DRIFTLOOP_TOKEN="secret") as address:
        url = f"http://{address}/v2/models/{MODEL}"
        for token in ({}, {"Authorization": "Bearer other"}):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                get(url, **token)
        assert json.loads(get(url, Authorization="Bearer secret"))["name"] == MODEL
        assert get(f"http://{address}/v2/health/ready")


def test_traffic_becomes_windows_that_the_loop_checks(copied: Path) -> None:
    params = copied / "params.yaml"
    text = params.read_text()
    assert "inbox: null" in text
    params.write_text(text.replace("inbox: null", "inbox: {folder: inbox, settle: 0, cut: null}"))
    clean = np.load(copied / "data/splits/test/images.npy")[:100]
    noise = np.random.default_rng(0).random(clean.shape) < 0.3
    noisy = np.where(noise, 255 - clean, clean).astype(np.uint8)
    with serving(copied, "--capture", "--window", "100") as address:
        client = triton.InferenceServerClient(address)
        for source, images in (("a-clean", clean), ("b-noisy", noisy)):
            for start in range(0, 100, 10):
                ask(client, images[start : start + 10], parameters={"source": source})
        with pytest.raises(triton.InferenceServerException, match="letters, digits"):
            ask(client, clean[:1], parameters={"source": "../out"})
    first, second = sorted(path.name for path in (copied / "inbox").iterdir())
    assert np.array_equal(np.load(copied / "inbox" / first), clean)
    watched = run(copied, "driftloop", "watch", "--once")
    assert watched.returncode == 75, watched.stdout
    states = {
        row["window"]: row["state"] for row in json.loads(run(copied, "driftloop", "status", "--json").stdout)
    }
    assert states[first.removesuffix(".npy")] == "kept"
    assert states[second.removesuffix(".npy")] == "pending"
