"""How a base image is asked for: by the real client, from an engine that tells what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import docker
import pytest

from driftloop.containers.docker import _check_base
from driftloop.containers.image import host_architecture

DIGEST = "sha256:" + "0123456789abcdef" * 4


class _Engine(BaseHTTPRequestHandler):
    """Has no image until one is pulled, and keeps the names that it is asked to pull."""

    pulled: tuple[str, str] | None = None

    def do_GET(self) -> None:
        asked = unquote(urlsplit(self.path).path).partition("/images/")[2].removesuffix("/json")
        name, tag = type(self).pulled or ("", "")
        if type(self).pulled and asked == name + ("@" if ":" in tag else ":") + tag:
            self._answer(200, {"Id": DIGEST, "Architecture": host_architecture()})
        else:
            self._answer(404, {"message": "No such image"})

    def do_POST(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        type(self).pulled = (asked["fromImage"][0], asked["tag"][0])
        self._answer(200, {"status": "pulled"})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    """The client of an engine without images."""
    _Engine.pulled = None
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = docker.DockerClient(base_url=f"tcp://127.0.0.1:{server.server_port}", version="1.43")
    yield client
    client.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("base", "pulled"),
    [
        ("python", ("python", "latest")),
        ("python:3.11-slim", ("python", "3.11-slim")),
        (f"python@{DIGEST}", ("python", DIGEST)),
        ("localhost:5000/python", ("localhost:5000/python", "latest")),
        ("localhost:5000/python:3.11", ("localhost:5000/python", "3.11")),
        (f"localhost:5000/python@{DIGEST}", ("localhost:5000/python", DIGEST)),
    ],
)
def test_a_base_image_is_pulled_by_the_name_that_was_given(
    engine: docker.DockerClient, base: str, pulled: tuple[str, str]
) -> None:
    _check_base(engine, base, lambda *_: None)
    assert _Engine.pulled == pulled
