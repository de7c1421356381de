"""The web server: sockets, signals, and what goes wrong before there is a request.

uvicorn's protocol is extended by what it leaves out: a deadline for headers, another for taking in
the answer, and JSON for what is no HTTP.
"""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from http import HTTPStatus
from pathlib import Path

import h11
import orjson
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lggan_tf.errors import UserError
from lggan_tf.serving import logs
from lggan_tf.serving.app import Api
from lggan_tf.serving.settings import Settings
from lggan_tf.serving.versions import MODEL_FILE

log = logging.getLogger(__name__)
_MOST_HEADER_BYTES = 64 << 10
# Seconds between a signal to stop and the last accepted connection: answers say "Connection: close"
# by then, so that clients which reuse connections do not run into a closed one.
_DRAIN = 0.5


def run(models_dir: Path, host: str, port: int, settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; then answers what was accepted, and returns.

    Args:
        models_dir: holds `NAME/VERSION/saved_model.pb`.
        host: address to listen at.
        port: 0 for one that the system chooses; the log says which.
        settings: limits.

    Raises:
        UserError: no such folder, or an address that cannot be listened at.
    """
    _check_folder(models_dir)
    sock = _listen(host, port)
    logs.write_json_logs()
    api = Api(models_dir, settings)

    class Protocol(_Protocol):
        client_timeout = settings.client_timeout

    config = uvicorn.Config(
        api.app,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=max(1, int(settings.client_timeout)),
        timeout_graceful_shutdown=int(settings.request_timeout) + 1,
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
    )
    address, bound = sock.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    log.info("listening", extra={"url": f"http://{shown}:{bound}", "models_dir": models_dir})
    _Server(config, api).run(sockets=[sock])
    log.info("stopped")


def _check_folder(models_dir: Path) -> None:
    if not models_dir.is_dir():
        raise UserError(
            f"--models_dir={models_dir} is no folder; it holds NAME/VERSION/saved_model.pb, as "
            "lggan-export writes it"
        )
    if (models_dir / "config.json").is_file():
        raise UserError(
            f"--models_dir={models_dir} is the folder of a run, whose models lggan-export puts "
            f"into {models_dir / 'savedmodels'}; give that one"
        )
    if (models_dir / MODEL_FILE).is_file():
        raise UserError(
            f"--models_dir={models_dir} is a model itself; give the folder that holds "
            f"NAME/VERSION/{MODEL_FILE}"
        )
    if any(p.name.isdecimal() and (p / MODEL_FILE).exists() for p in models_dir.iterdir()):
        raise UserError(
            f"--models_dir={models_dir} holds versions of one model; give the folder above it"
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen()
        except OSError:
            sock.close()
            raise
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: f"port {port} is in use; choose another with --port",
            errno.EACCES: f"port {port} is not for this user; choose one above 1023 with --port",
        }
        reason = reasons.get(error.errno, f"{error.strerror}; check --host and --port")
        raise UserError(f"cannot listen at {host}:{port}: {reason}") from error
    return sock


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, api: Api):
        super().__init__(config)
        self._api = api

    @contextlib.contextmanager
    def capture_signals(self):
        """Stops at SIGTERM and SIGINT, and leaves the process to end as it likes."""
        handled = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets=None) -> None:
        log.info("stopping", extra={"connections": len(self.server_state.connections)})
        self._api.app.stopping = True
        await asyncio.sleep(_DRAIN)
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    client_timeout = 15.0
    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._started = False
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        self._started = True
        super().data_received(data)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_header_timer()
        super().connection_lost(exc)

    def _watch_headers(self) -> None:
        """Runs a timer while a request is expected or half there."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_header_timer()
        elif self._header_timer is None and not self.transport.is_closing():
            self._header_timer = self.loop.call_later(self.client_timeout, self._too_slow)

    def _end_header_timer(self) -> None:
        if self._header_timer:
            self._header_timer.cancel()
            self._header_timer = None

    def _too_slow(self) -> None:
        self._header_timer = None
        if self._started:
            self._refuse(408, f"the headers did not arrive within {self.client_timeout:g} s")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(
            400, f"this is no HTTP/1.1 request, or its headers exceed {_MOST_HEADER_BYTES} bytes"
        )

    def _refuse(self, status: int, message: str) -> None:
        body = orjson.dumps({"error": message})
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        log.info("connection refused", extra={"status": status, "error": message})
        # An answer may be under way already, as when the body's encoding is broken.
        with contextlib.suppress(h11.LocalProtocolError):
            for event in (
                h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self.client_timeout, self._drop_if_unread, self.cycle)

    def _drop_if_unread(self, cycle) -> None:
        """Gives up on a client that does not take in its answer."""
        if self.cycle is cycle and self.transport.get_write_buffer_size():
            log.info("answer not taken", extra={"client": (self.client or ("",))[0]})
            self.transport.abort()
