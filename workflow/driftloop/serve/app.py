"""The HTTP application: the protocol's addresses, joined to engine, capture and metrics."""

from __future__ import annotations

import asyncio
import hmac
import io
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from driftloop import __version__
from driftloop.data.pictures import Form, read_picture
from driftloop.errors import DataError, ParameterError
from driftloop.printable import printable
from driftloop.serve import protocol
from driftloop.serve.capture import Capture
from driftloop.serve.engine import BusyError, Engine, Served
from driftloop.serve.metrics import Metrics
from driftloop.serve.protocol import ProtocolError

MODEL = "production"
"""The one model that is served. Its version is the window whose promotion made it."""
_FOLLOW_SECONDS = 1.0
_HEADER = "inference-header-content-length"

Handler = Callable[[HttpRequest], Awaitable[Response]]


class Service:
    """What answers requests.

    Args:
        engine: computes the answers.
        capture: collects the images. None keeps none of them.
        metrics: counts.
        tell: says a line to whoever runs the server.
        token: that every request but those for health has to bear. None asks for none.
        most_bytes: of a request's body.
    """

    def __init__(
        self,
        engine: Engine,
        capture: Capture | None,
        metrics: Metrics,
        tell: Callable[[str], None],
        *,
        token: str | None = None,
        most_bytes: int = 64 << 20,
    ) -> None:
        self._engine, self._capture, self._metrics, self._tell = engine, capture, metrics, tell
        self._token, self._most_bytes = token, most_bytes

    def app(self) -> Starlette:
        """Return the application."""
        model = f"/v2/models/{MODEL}"
        routes = [
            Route("/v2/health/live", self._open(self._live)),
            Route("/v2/health/ready", self._open(self._live)),
            Route("/v2", self._guarded(self._server)),
            Route("/metrics", self._guarded(self._scrape)),
        ]
        for place in (model, f"{model}/versions/{{version}}"):
            routes += [
                Route(place, self._guarded(self._model)),
                Route(f"{place}/ready", self._guarded(self._ready)),
                Route(f"{place}/infer", self._guarded(self._infer), methods=["POST"]),
            ]
        wrong = {HTTPException: _refused, Exception: _failed}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=wrong)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            await run_in_threadpool(self._engine.close)
            if self._capture:
                await run_in_threadpool(self._capture.close)

    async def _follow(self) -> None:
        """Take up what is promoted or rolled back. It is loaded beside the old one, and swapped at once."""
        told: str | None = None
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            if await run_in_threadpool(self._engine.follow):
                self._tell(f"Now in production: {self._engine.served.owner}.")
            if (trouble := self._engine.trouble) != told and trouble:
                self._tell(f"The model stays as it is: {trouble}")
            told = trouble

    def _open(self, work: Handler) -> Handler:
        """Return a handler whose errors are the protocol's."""

        async def handle(request: HttpRequest) -> Response:
            try:
                return await work(request)
            except ProtocolError as error:
                return JSONResponse({"error": str(error)}, error.status)
            except BusyError:
                return JSONResponse(
                    {"error": "Too many requests wait. Try again."}, 503, {"retry-after": "1"}
                )
            except ClientDisconnect:
                return Response(status_code=400)

        return handle

    def _guarded(self, work: Handler) -> Handler:
        """Return a handler for those who bear the token."""

        async def handle(request: HttpRequest) -> Response:
            given = request.headers.get("authorization", "")
            if self._token and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                raise ProtocolError("The request bears no token, or another one.", 401)
            return await work(request)

        return self._open(handle)

    def _served(self, request: HttpRequest) -> Served:
        served = self._engine.served
        if (version := request.path_params.get("version", served.owner)) != served.owner:
            raise ProtocolError(f"Version {version[:64]!r} is not in production; {served.owner} is.", 404)
        return served

    async def _live(self, _: HttpRequest) -> Response:
        return JSONResponse({"live": True, "ready": True})

    async def _server(self, _: HttpRequest) -> Response:
        told = {"name": "driftloop", "version": __version__, "extensions": ["binary_tensor_data"]}
        return JSONResponse(told)

    async def _scrape(self, _: HttpRequest) -> Response:
        content, kind = await run_in_threadpool(self._metrics.render, self._capture)
        return Response(content, media_type=kind)

    async def _model(self, request: HttpRequest) -> Response:
        served = self._served(request)
        shape, classes = served.classifier.input_shape, served.classifier.classes
        told = protocol.describe_model(MODEL, served.owner, shape, len(classes))
        return JSONResponse(told | {"parameters": {"classes": list(classes), "digest": served.digest}})

    async def _ready(self, request: HttpRequest) -> Response:
        return JSONResponse({"name": MODEL, "version": self._served(request).owner, "ready": True})

    async def _infer(self, request: HttpRequest) -> Response:
        began, status = time.perf_counter(), "500"
        try:
            response = await self._answer(request)
            status = str(response.status_code)
        except ProtocolError as error:
            status = str(error.status)
            raise
        except BusyError:
            status = "503"
            raise
        finally:
            self._metrics.requested(status, time.perf_counter() - began)
        return response

    async def _answer(self, request: HttpRequest) -> Response:
        served = self._served(request)
        asked = protocol.read_request(await self._body(request), request.headers.get(_HEADER))
        if self._capture:
            try:
                self._capture.check(asked.source)
            except ParameterError as error:
                raise ProtocolError(str(error)) from error
        if isinstance(asked.images, list):
            images = await run_in_threadpool(_decoded, asked.images, served.form)
        else:
            images = asked.images
            protocol.check_form(images, served.classifier.input_shape)
        answers = await self._engine.answer(served, images)
        found: dict[str, Any] = {"class": answers.classes, "probabilities": answers.probabilities}
        body, headers = protocol.write_answer(asked, MODEL, served.owner, found | {"filters": answers.acted})
        self._metrics.answered(answers)
        if self._capture:
            self._capture.offer(asked.source, images)
        return Response(body, headers=headers)

    async def _body(self, request: HttpRequest) -> bytes:
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self._most_bytes:
                raise ProtocolError(f"The body is above {self._most_bytes:,} bytes.", 413)
            parts.append(part)
        return b"".join(parts)


async def _refused(request: HttpRequest, error: Exception) -> Response:
    """Answer what asks for no address of the protocol."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": f"There is no {request.method} {request.url.path[:200]} here."}, status)


async def _failed(_: HttpRequest, error: Exception) -> Response:
    """Answer where driftloop itself is at fault; what happened is in the server's log."""
    return JSONResponse({"error": f"The server failed ({type(error).__name__})."}, 500)


def _decoded(pictures: list[bytes], form: Form) -> npt.NDArray[np.uint8]:
    """Return encoded pictures as uint8 images (N, H, W, C), made to fit as the pictures of a window are."""
    changes: Counter[str] = Counter()
    try:
        return np.stack(
            [
                read_picture(io.BytesIO(content), f"picture {place}", form, changes)
                for place, content in enumerate(pictures)
            ]
        )
    except DataError as error:
        raise ProtocolError(printable(str(error))) from error
