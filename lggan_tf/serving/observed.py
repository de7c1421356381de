"""Around every request: a deadline, an answer whatever happens, one log line, the metrics."""

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass, field

import orjson
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lggan_tf.serving.metrics import Metrics
from lggan_tf.serving.request_error import RequestError

log = logging.getLogger(__name__)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_GONE = 499  # the client closed the connection; nobody sees it but the log


@dataclass
class Record:
    """What is known of a request, for its log line.

    Attributes:
        route: which of the server's routes it took.
        model, version: what it asked, once that is known to exist.
        timing: name -> seconds, also sent as `Server-Timing`.
    """

    id: str
    route: str = "none"
    model: str = ""
    version: int | None = None
    error: str = ""
    status: int = 0
    bytes_out: int = 0
    timing: dict[str, float] = field(default_factory=dict)


async def answer_error(request: Request, error: RequestError) -> Response:
    """`{"error": SENTENCE}`, the error shape of TensorFlow Serving."""
    request.scope["state"]["record"].error = error.message
    return Response(
        orjson.dumps({"error": error.message}), error.status, error.headers, "application/json"
    )


async def fault(request: Request, error: Exception) -> Response:
    """The answer to a request on which the server itself failed."""
    identity = request.scope["state"]["record"].id
    message = f"the server failed; its log has the reason under the id {identity}"
    return await answer_error(request, RequestError(500, message))


class Observed:
    """ASGI middleware.

    Attributes:
        stopping: once set, every answer closes its connection.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, seconds: float):
        self._app = app
        self._metrics = metrics
        self._seconds = seconds
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or the lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        record = Record(given if _ID.fullmatch(given) else uuid.uuid4().hex)
        scope.setdefault("state", {})["record"] = record

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                record.timing["total"] = time.monotonic() - start
                self._add_headers(MutableHeaders(scope=message), record)
            record.bytes_out += len(message.get("body", b""))
            await send(message)

        self._metrics.in_progress += 1
        try:
            await self._answer(scope, receive, tell, record)
        finally:
            self._metrics.in_progress -= 1
            seconds = time.monotonic() - start
            self._metrics.request_done(record.route, record.model, record.status, seconds)
            self._log(scope, record, seconds)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, record: Record) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, send)
        except ClientDisconnect:
            record.status = record.status or _GONE
        except TimeoutError:
            if not record.status:
                error = RequestError(504, f"there was no answer within {self._seconds:g} s")
                response = await answer_error(Request(scope), error)
                await response(scope, receive, send)
        except Exception as error:
            # `fault` has answered; Starlette raises it again for the log.
            log.error("fault of the server", exc_info=error, extra={"id": record.id})

    def _add_headers(self, headers: MutableHeaders, record: Record) -> None:
        headers["x-request-id"] = record.id
        headers["x-content-type-options"] = "nosniff"
        headers["server-timing"] = ", ".join(
            f"{name};dur={seconds * 1000:.2f}" for name, seconds in record.timing.items()
        )
        if self.stopping:
            headers["connection"] = "close"

    def _log(self, scope: Scope, record: Record, seconds: float) -> None:
        told = {
            "id": record.id,
            "client": (scope.get("client") or ("",))[0],
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": record.status,
            "ms": round(seconds * 1000, 2),
            "bytes_out": record.bytes_out,
        }
        if record.model:
            told |= {"model": record.model, "version": record.version}
        for name, value in record.timing.items():
            if name != "total":
                told[f"{name}_ms"] = round(value * 1000, 2)
        if record.error:
            told["error"] = record.error
        log.info("request", extra=told)
