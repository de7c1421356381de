"""What only a process with a socket shows: `lggan-serve` as it is typed."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import requests

from lggan_tf.serving.client import Client, ServerError

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "load_test.py"


class Process:
    """A running `lggan-serve`."""

    def __init__(self, models_dir, log, *flags):
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "lggan_tf.bin.serve", f"--models_dir={models_dir}"),
                    *("--port=0", "--poll_s=0.1", *flags),
                ],
                stderr=file,
                cwd=ROOT,
                env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
            )
        self.url = self.wait_for('"listening".*"url": "(http://127.0.0.1:[0-9]+)"')[1]
        self.port = int(self.url.rpartition(":")[2])

    def wait_for(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = re.search(pattern, self.log.read_text())
            if found:
                return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        pytest.fail(f"{pattern} did not come: {self.log.read_text()[-2000:]}")

    def wait_ready(self):
        with Client(self.url, retries=0) as client:
            for _ in range(600):
                try:
                    client.request("GET", "/readyz")
                    return
                except ServerError:
                    time.sleep(0.05)
        pytest.fail("not ready")

    def lines(self, event):
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def stop(self):
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def launch(tmp_path_factory):
    running = []

    def start(models_dir, *flags):
        running.append(Process(models_dir, tmp_path_factory.mktemp("log") / "log", *flags))
        running[-1].wait_ready()
        return running[-1]

    yield start
    for process in running:
        process.process.kill()
        process.process.wait()


@pytest.fixture(scope="module")
def served(launch, models_dir):
    """One process for this file."""
    process = launch(models_dir, "--client_timeout_s=1", "--max_request_bytes=200000")
    yield process
    assert process.stop() == 0
    assert "Traceback" not in process.log.read_text()


@pytest.fixture
def client(served):
    with Client(served.url) as client:
        yield client


def talk(port, *pieces, wait=0.0):
    """What the server answers to bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(wait)
        received = b""
        while data := connection.recv(65536):
            received += data
    return received


def test_the_client_speaks_with_the_server(client, maps, png, pixels):
    assert [s["state"] for s in client.status("painter")] == ["AVAILABLE"]
    assert client.metadata("painter").keys() >= {"serving_default", "png", "explain"}
    assert client.metadata("painter", version=3)["png"]["inputs"].keys() == {"labels_bytes"}
    found = client.predict("painter", {"labels": maps.labels})
    assert (found == maps.image).all() and found.dtype == np.uint8
    parts = client.predict("painter", {"labels": maps.labels}, "explain", version=3)
    assert parts["weight_global"].shape == (2, 8, 12, 1)
    assert {value.dtype for value in parts.values()} == {np.dtype("float32")}
    encoded = client.predict("painter", {"labels_bytes": [png(m) for m in maps.labels]}, "png")
    assert (pixels(encoded[1]) == maps.image[1]).all()
    drawn = client.generate(png(maps.labels[0]), "painter", 3)
    assert (pixels(drawn) == maps.image[0]).all()
    mixed = client.generate(png(maps.labels[0]), "mixer", source=png(np.zeros((8, 12, 3))))
    assert (pixels(mixed) == maps.image[0] // 2).all()


def test_the_client_says_what_the_server_refused(client, maps):
    with pytest.raises(ServerError) as caught:
        client.predict("painter", {"labels": maps.labels + 7})
    assert caught.value.status == 400
    assert caught.value.message == "labels must be below 4, and one is 10"
    with pytest.raises(ServerError, match="404: there is no model 'a b'"):
        client.status("a b")
    for url in ("127.0.0.1:8501", "ftp://host", "http://"):
        with pytest.raises(ValueError, match="is no address like"):
            Client(url)


@pytest.mark.parametrize(
    ("pieces", "status", "words"),
    [
        ([b"hello\r\n\r\n"], 400, "no HTTP/1.1 request"),
        ([b"GET / HTTP/1.1\r\n\r\n"], 400, "no HTTP/1.1 request"),
        ([b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000], 400, "its headers exceed 65536"),
        ([b"GET / HT"], 408, "the headers did not arrive within 1 s"),
        (
            [b"POST /generate?model=painter HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc"],
            408,
            "the body did not arrive within 1 s",
        ),
        (
            [b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"],
            400,
            "no HTTP/1.1 request",
        ),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], 400, "no HTTP/1.1 request"),
    ],
    ids=["words", "no host", "headers", "slow headers", "slow body", "length", "tls"],
)
def test_what_is_no_request(served, client, pieces, status, words):
    answer = talk(served.port, *pieces)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/json" in head
    # The body of a 408 may come with a connection that is kept open for a while.
    assert words in json.loads(body)["error"]
    assert client.request("GET", "/healthz")


def test_a_client_that_drips_its_headers(served):
    start = time.monotonic()
    pieces = [b"GET / HTTP/1.1\r\n", *[b"A: b\r\n"] * 100]
    with pytest.raises((ConnectionError, AssertionError)):
        answer = talk(served.port, *pieces, wait=0.05)
        assert b"408" not in answer
    assert time.monotonic() - start < 10


def test_an_idle_connection_is_closed(served):
    assert talk(served.port) == b""


def test_a_broken_chunk_ends_the_connection(served, client):
    head = b"POST /generate?model=painter HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    talk(served.port, head, b"3\r\nabc\r\n", b"not a number\r\n", wait=0.1)
    assert client.request("GET", "/healthz")


def test_an_endless_body_is_refused_and_cut_off(served, client):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("POST", "/generate?model=painter", b"0" * 500_000)
    answer = connection.getresponse()
    assert answer.status == 413
    assert "longer than the 200000 bytes" in json.loads(answer.read())["error"]
    connection.close()
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as endless:
        endless.sendall(
            b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n"
        )
        # It is cut off after a time, in which a fast sender sends a lot.
        deadline = time.monotonic() + 60
        with pytest.raises(ConnectionError):
            while time.monotonic() < deadline:
                endless.sendall(bytes(65536))
    assert client.request("GET", "/healthz")


def test_a_client_that_does_not_take_its_answer(served, client):
    body = json.dumps({"signature_name": "explain", "instances": [[[1] * 256] * 256]}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(
            b"POST /v1/models/painter:predict HTTP/1.1\r\nHost: x\r\n"
            + b"Content-Length: %d\r\n\r\n" % len(body)
            + body
        )
        served.wait_for('"answer not taken"')
    assert client.request("GET", "/healthz")


def test_a_client_that_goes_away(served, client, png, maps):
    body = png(maps.labels[0])
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
            connection.sendall(
                b"POST /generate?model=painter HTTP/1.1\r\nHost: x\r\n"
                + b"Content-Length: %d\r\n\r\n" % len(body)
                + body[: len(body) // 2]
            )
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert client.generate(body, "painter")
    assert "lggan_queue_requests 0.0" in client.request("GET", "/metrics").decode()


def test_the_load_test_prints_what_it_saw(served, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, TOOL, f"--url={served.url}", "--model=painter", "--clients=3"),
            *("--requests=12", "--size=32", "--ids=4", "--areas=4"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
    )
    assert "3 clients" in done.stdout and "12 of 200" in done.stdout
    assert re.search(r"[\d.]+ images/s; p50 \d+, p95 \d+, p99 \d+ ms", done.stdout)
    assert re.search(r"waiting [\d.]+, model [\d.]+ a batch, itself [\d.]+", done.stdout)
    assert re.search(r"memory: \d+ MiB before, \d+ MiB after", done.stdout)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--models_dir=nowhere"], "--models_dir=nowhere is no folder"),
        (["--models_dir={models}/painter/3"], "is a model itself; give the folder that holds NAME"),
        (["--models_dir={run}"], "is the folder of a run, whose models lggan-export puts"),
        (["--models_dir={models}/painter"], "holds versions of one model; give the folder above"),
        (["--models_dir={models}", "--port={port}"], "is in use; choose another with --port"),
        (["--models_dir={models}", "--host=256.1.1.1"], "check --host and --port"),
        (["--port=70000"], "--port=70000 is above 65535"),
        (["--max_batch_size=0"], "max_batch_size"),
    ],
)
def test_what_it_cannot_start_with(served, models_dir, flags, words, capfd, monkeypatch, tmp_path):
    from lggan_tf.bin import runner, serve

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # or starting would set it
    (tmp_path / "config.json").touch()
    given = [f.format(models=models_dir, port=served.port, run=tmp_path) for f in flags]
    with pytest.raises(SystemExit) as stopped:
        runner.run(serve.main, serve.define, ["lggan-serve", *given])
    assert stopped.value.code == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "lggan-serve" in line]
    assert words in line


@pytest.mark.slow
def test_a_version_is_replaced_under_load_and_no_request_is_lost(
    launch, save_painter, models_dir, png, pixels, colours, tmp_path
):
    (tmp_path / "models" / "m").mkdir(parents=True)
    save_painter(tmp_path / "models" / "m" / "1", shade=1.0, slowness=200)
    process = launch(tmp_path / "models", "--queue_size=64")
    labels = np.random.default_rng(0).integers(0, 4, (32, 32), "uint8")
    expected = {1: colours[labels], 2: (colours[labels] * 0.5).astype("uint8")}
    faults, seen, end = [], [], threading.Event()

    def ask():
        with Client(process.url) as client:
            while not end.is_set():
                status, headers, body = client.exchange("POST", "/generate", png(labels), {})
                version = int(headers.get("X-Model-Version", 0))
                seen.append(version)
                if status != 200 or (pixels(body) != expected[version]).any():
                    faults.append((status, version, body[:200]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    save_painter(tmp_path / "models" / "m" / "2", shade=0.5, slowness=200)
    process.wait_for('"version unloaded"')
    shutil.rmtree(tmp_path / "models" / "m" / "1")
    # A third that is broken changes nothing.
    (tmp_path / "models" / "m" / "3").mkdir()
    (tmp_path / "models" / "m" / "3" / "saved_model.pb").write_bytes(b"nonsense")
    process.wait_for('"version not loaded"')
    time.sleep(1)
    end.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert set(seen) == {1, 2} and seen[-1] == 2
    statuses = [line["status"] for line in process.lines("request") if line["path"] == "/generate"]
    assert statuses == [200] * len(seen)
    assert process.stop() == 0


@pytest.mark.slow
def test_sigterm_under_load_answers_what_was_accepted(launch, save_painter, png, tmp_path):
    (tmp_path / "models" / "m").mkdir(parents=True)
    save_painter(tmp_path / "models" / "m" / "1", slowness=1200)
    process = launch(tmp_path / "models", "--max_batch_size=1")
    body = png(np.zeros((32, 32)))
    answered, refused, faults = [], [], []

    def ask(number):
        """Connections of its own for every other client, one that is kept for the rest."""
        client = Client(process.url)
        while True:
            if number % 2:
                client.close()
            try:
                status, headers, _ = client.exchange("POST", "/generate", body, {})
            except requests.RequestException as error:
                (refused if "refused" in str(error) else faults).append((number, repr(error)))
                return client.close()
            answered.append((status, headers["X-Request-Id"]))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    time.sleep(3)
    with Client(process.url) as client:
        waiting = client.request("GET", "/metrics").decode()
    assert float(re.search(r"^lggan_queue_requests (\S+)", waiting, re.MULTILINE)[1]) >= 5
    assert process.stop() == 0
    for thread in threads:
        thread.join()
    assert not faults
    assert len(refused) == 12
    assert {status for status, _ in answered} == {200}
    accepted = {line["id"] for line in process.lines("request") if line["path"] == "/generate"}
    assert {identity for _, identity in answered} == accepted
    # Several were under way when the signal came.
    stopping = process.log.read_text().partition('"stopping"')[2]
    assert stopping.count('"/generate"') >= 5
