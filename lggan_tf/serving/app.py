"""The routes.

| route | what |
|---|---|
| `GET /v1/models/NAME[/versions/V or /labels/L]` | states of versions |
| `GET .../metadata` | signatures |
| `POST ...:predict` | TensorFlow Serving's predict API (`tensors`) |
| `POST /generate?model=NAME&version=V` | PNG in, PNG out (`generate`) |
| `GET /healthz`, `/readyz`, `/metrics` | for whoever runs the server |
| `GET /` | a page to try it |
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from lggan_tf.serving import generate, label_maps, metrics, page, tensors
from lggan_tf.serving.body import BodyReader
from lggan_tf.serving.loaded_model import Signature
from lggan_tf.serving.observed import Observed, Record, answer_error, fault
from lggan_tf.serving.predictor import Predictor
from lggan_tf.serving.request_error import RequestError
from lggan_tf.serving.settings import Settings
from lggan_tf.serving.versions import Version, Versions, models_are_loading
from lggan_tf.serving.warm_up import load_warm
from lggan_tf.serving.watcher import Watcher

_MODEL = re.compile(
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>[^/:]+)|/labels/(?P<label>[^/:]+))?"
    r"(?::(?P<verb>[a-z]+)|(?P<metadata>/metadata))?"
)


class Api:
    """What the routes share.

    Attributes:
        app: the ASGI application.
    """

    def __init__(self, models_dir: Path, settings: Settings):
        self._metrics = metrics.Metrics()
        self._versions = Versions(models_dir, load_warm)
        self._metrics.watch_versions(lambda: len(self._versions.available))
        self._settings = settings
        self._bodies = BodyReader(settings.max_bytes, settings.client_timeout, settings.queue_size)
        # One thread: numbers in JSON take many times their bytes in memory while they are read.
        self._codec = ThreadPoolExecutor(1, thread_name_prefix="json")
        routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/healthz", self._health, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/metrics", self._show_metrics, methods=["GET"]),
            Route("/generate", self._generate, methods=["POST"]),
            Route("/v1/{rest:path}", _AnyMethod(self._models)),
        ]
        starlette = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={RequestError: answer_error, HTTPException: _refuse, 500: fault},
        )
        starlette.router.redirect_slashes = False
        self.app = Observed(starlette, self._metrics, settings.request_timeout)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette):
        self._predictor = Predictor(self._settings, self._metrics)
        watcher = Watcher(self._versions, self._settings.poll_interval)
        watcher.start()
        try:
            yield
        finally:
            watcher.stop()
            self._predictor.close()
            self._codec.shutdown()

    async def _health(self, request: Request) -> Response:
        _record(request).route = "/healthz"
        return _json({"status": "ok"})

    async def _ready(self, request: Request) -> Response:
        _record(request).route = "/readyz"
        if self.app.stopping:
            raise RequestError(503, "the server is stopping")
        if not self._versions.scanned:
            raise models_are_loading()
        if not self._versions.names:
            raise RequestError(503, "there is no model that could be loaded")
        return _json({"status": "ready", "models": self._versions.names})

    async def _show_metrics(self, request: Request) -> Response:
        _record(request).route = "/metrics"
        return Response(self._metrics.text(), media_type=metrics.CONTENT_TYPE)

    async def _page(self, request: Request) -> Response:
        _record(request).route = "/"
        return HTMLResponse(page.html(self._versions.available), headers=page.HEADERS)

    async def _models(self, request: Request) -> Response:
        match = _MODEL.fullmatch(request.scope["path"])
        if not match:
            raise RequestError(
                404,
                "there is no such path; it is /v1/models/NAME[/versions/VERSION|/labels/LABEL] "
                "with nothing, /metadata or :predict behind it",
            )
        target = match["name"], _number(match["version"]), match["label"]
        verb, method = match["verb"], request.method
        if verb in ("classify", "regress"):
            raise RequestError(501, f":{verb} is not supported; :predict is")
        if verb not in (None, "predict"):
            raise RequestError(404, f"there is no :{verb[:50]}; :predict is the one there is")
        allowed = ("POST",) if verb else ("GET", "HEAD")
        if method not in allowed:
            raise RequestError(
                405, f"{method} is not for this path; use {allowed[0]}", {"Allow": allowed[0]}
            )
        if verb:
            return await self._predict(request, target)
        if match["metadata"]:
            return self._metadata(request, target)
        _record(request).route = "status"
        return _json({"model_version_status": self._versions.status(*target)})

    def _metadata(self, request: Request, target: tuple) -> Response:
        with self._versions.lease(*target) as version:
            _asked(request, "metadata", version)
            return _json(
                {
                    "model_spec": {
                        "name": version.model,
                        "signature_name": "",
                        "version": str(version.number),
                    },
                    "metadata": {"signature_def": {"signature_def": version.loaded.signature_def}},
                }
            )

    async def _predict(self, request: Request, target: tuple) -> Response:
        body = await self._bodies.read(request)
        with self._versions.lease(*target) as version:
            record = _asked(request, "predict", version)

            def decode():
                document = tensors.parse_json(body)
                signature = find_signature(version, tensors.signature_name(document))
                return signature, *tensors.to_arrays(document, signature)

            signature, inputs, rows = await self._in_codec(decode)
            outputs, job = await self._predictor.predict(version, signature, inputs)
        record.timing |= {"wait": job.wait_seconds, "model": job.model_seconds}
        content = await self._in_codec(tensors.to_json, outputs, rows)
        return Response(content, media_type="application/json")

    async def _generate(self, request: Request) -> Response:
        query = request.query_params
        if not query.get("model") and not self._versions.scanned:
            raise models_are_loading()
        target = (
            generate.choose_model(query.get("model"), self._versions.names),
            _number(query.get("version")),
            query.get("label"),
        )
        body = await self._bodies.read(request)
        with self._versions.lease(*target) as version:
            record = _asked(request, "generate", version)
            signature = find_signature(version, "png")
            inputs = await generate.read_inputs(request.headers, body, signature)
            inputs = await self._in_codec(
                label_maps.with_plain_maps, inputs, version.loaded, self._settings.max_pixels
            )
            outputs, job = await self._predictor.predict(version, signature, inputs)
        record.timing |= {"wait": job.wait_seconds, "model": job.model_seconds}
        named = {"X-Model": quote(version.model), "X-Model-Version": str(version.number)}
        return Response(generate.picture(outputs), headers=named, media_type="image/png")

    async def _in_codec(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self._codec, function, *arguments)


def find_signature(version: Version, name: str) -> Signature:
    """A signature of a version.

    Raises:
        RequestError: 400, it has none of that name.
    """
    signatures = version.loaded.signatures
    if name not in signatures:
        raise RequestError(
            400,
            f"model {version.model} has no signature {name[:100]!r}; "
            f"it has: {', '.join(sorted(signatures)) or 'none'}",
        )
    return signatures[name]


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise RequestError(400, f"a version is a whole number, and {text[:50]!r} is none")
    return int(text)


def _record(request: Request) -> Record:
    return request.scope["state"]["record"]


def _asked(request: Request, route: str, version: Version) -> Record:
    record = _record(request)
    record.route, record.model, record.version = route, version.model, version.number
    return record


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


class _AnyMethod:
    """An endpoint that sees to methods itself."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Response]]):
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


async def _refuse(request: Request, error: HTTPException) -> Response:
    """What the router refuses, in our shape."""
    headers = dict(error.headers or {})
    if error.status_code == 405:
        message = f"{request.method[:50]} is not for this path; use {headers['Allow']}"
    else:
        message = "there is no such path; there are /generate, /v1/models/NAME, /healthz, /readyz, "
        message += "/metrics and /"
    return await answer_error(request, RequestError(error.status_code, message, headers))
