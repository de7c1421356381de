"""The client beside servers that are slow, full, gone, and there again."""

import email.utils
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import requests

from lggan_tf.serving.client import Client, ServerError


@pytest.fixture
def serve():
    """Function: answers of a server, one after the other -> it; the last one stays.

    An answer is (status, headers, body, seconds to wait first), with the times of requests in
    `times`.
    """
    running = []

    def start(*answers, port=0):
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.server.times.append(time.monotonic())
                status, headers, body, seconds = left.pop(0) if len(left) > 1 else left[0]
                time.sleep(seconds)
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except OSError:  # the client did not wait
                    self.close_connection = True

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads, server.times = True, []
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


FINE = (200, {}, b"fine", 0.0)


def test_it_lives_on_after_an_answer_that_did_not_come(serve):
    slow = (200, {}, b"late", 0.5)
    server = serve(slow, slow, slow, FINE)
    with Client(server.url, timeout=0.1) as client:
        with pytest.raises(requests.RequestException):
            client.request("GET", "/")
        with pytest.raises(requests.RequestException):
            client.exchange("GET", "/", None, {})
        assert client.request("POST", "/", b"map") == b"fine"
        assert client.exchange("GET", "/", None, {})[2] == b"fine"


def test_it_lives_on_after_a_refused_connection(serve):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client:
        for _ in range(2):
            with pytest.raises(requests.ConnectionError, match="refused"):
                client.request("GET", "/")
        serve(FINE, port=port)
        assert client.request("GET", "/") == b"fine"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date", "none"])
def test_it_waits_as_a_full_server_says(serve, status, form):
    after = {
        "seconds": {"Retry-After": "1"},
        "date": {"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)},
        "none": {},
    }[form]
    server = serve((status, after, b'{"error": "full"}', 0.0), FINE)
    with Client(server.url) as client:
        assert client.request("POST", "/", b"map") == b"fine"
    first, second = server.times
    least = {"seconds": 0.95, "date": 0.5, "none": 0.0}[form]
    assert least <= second - first < 5


def test_it_gives_up_with_the_servers_sentence(serve):
    server = serve((429, {"Retry-After": "0"}, b'{"error": "full"}', 0.0))
    with Client(server.url, retries=2) as client, pytest.raises(ServerError, match="429: full"):
        client.request("GET", "/")
    assert len(server.times) == 3


def test_predict_gives_the_types_of_the_metadata(serve):
    described = {"a": "DT_UINT8", "b": "DT_FLOAT", "c": "DT_STRING", "d": "DT_BOOL"}
    outputs = {name: {"dtype": dtype} for name, dtype in described.items()}
    metadata = {"metadata": {"signature_def": {"signature_def": {"s": {"outputs": outputs}}}}}
    found = {"outputs": {"a": [[1]], "b": [2], "c": [{"b64": "aGk="}], "d": [True]}}
    server = serve(*((200, {}, json.dumps(body).encode(), 0.0) for body in (found, metadata)))
    with Client(server.url) as client:
        arrays = client.predict("m", {"labels": [[0]]}, "s")
    assert [arrays[name].dtype for name in "abcd"] == ["uint8", "float32", "object", "bool"]
    assert arrays["c"].tolist() == [b"hi"] and np.shape(arrays["a"]) == (1, 1)
