"""Loads a server for some seconds and prints what came of it.

    python tools/load_test.py --url=http://127.0.0.1:8501 --model=town --clients=32 --seconds=60

Every client has a connection of its own and sends `POST /generate` with a label map of areas, one
after the other. What a server says of itself in `Server-Timing` is printed beside the clients'
times, and its memory from `/metrics` before and after.
"""

import argparse
import io
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lggan_tf.serving.client import Client

_TIMING = re.compile(r"(\w+);dur=([\d.]+)")


def label_map(size: int, ids: int, areas: int, seed: int) -> bytes:
    """A PNG of `areas` x `areas` rectangles with random ids below `ids`."""
    labels = np.random.default_rng(seed).integers(0, ids, (areas, areas), "uint8")
    picture = Image.fromarray(labels).resize((size, size), Image.Resampling.NEAREST)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    return encoded.getvalue()


class Load:
    """What all clients saw.

    Attributes:
        statuses: status or name of an exception -> how many.
        seconds: of each answered request.
        timing: name -> milliseconds, of each answered request, as the server says.
    """

    def __init__(self, options: argparse.Namespace):
        self._options = options
        self._lock = threading.Lock()
        self._left = options.requests or 10**12
        self._end = time.monotonic() + options.seconds
        self.statuses = Counter()
        self.seconds = []
        self.timing = {}

    def run(self) -> float:
        """Runs all clients to their end; returns the seconds that it took."""
        start = time.monotonic()
        threads = [
            threading.Thread(target=self._client, args=(n,)) for n in range(self._options.clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - start

    def _take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0 and time.monotonic() < self._end

    def _client(self, number: int) -> None:
        options = self._options
        body = label_map(options.size, options.ids, options.areas, number)
        path, kind = f"/generate?model={options.model}", {"Content-Type": "image/png"}
        client = Client(options.url, timeout=options.timeout)
        while self._take():
            start = time.monotonic()
            try:
                status, headers, _ = client.exchange("POST", path, body, kind)
            except OSError as error:
                status, headers = type(error).__name__, {}
                client.close()
            taken = time.monotonic() - start
            timing = dict(_TIMING.findall(headers.get("Server-Timing", "")))
            with self._lock:
                self.statuses[status] += 1
                if status == 200:
                    self.seconds.append(taken)
                    for name, value in timing.items():
                        self.timing.setdefault(name, []).append(float(value))
            if status == 429:
                time.sleep(float(headers["Retry-After"]))
        client.close()


def memory(url: str) -> float:
    """MiB that the server's process holds."""
    with Client(url) as client:
        text = client.request("GET", "/metrics").decode()
    return float(re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)[1]) / 2**20


def main() -> None:
    """Parses the command line, loads, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default, text in (
        ("url", "http://127.0.0.1:8501", "address of the server"),
        ("model", "", "name of the model"),
    ):
        parser.add_argument(f"--{name}", default=default, help=text, required=not default)
    for name, default, text in (
        ("clients", 32, "clients at a time"),
        ("seconds", 60.0, "how long"),
        ("requests", 0, "stop after as many requests; 0: after --seconds"),
        ("size", 256, "height and width of the label maps"),
        ("ids", 12, "label ids are below this"),
        ("areas", 8, "a map is of areas x areas rectangles"),
        ("timeout", 120.0, "seconds that a client waits"),
    ):
        text += f" ({default})"
        parser.add_argument(f"--{name}", type=type(default), default=default, help=text)
    options = parser.parse_args()
    before = memory(options.url)
    load = Load(options)
    taken = load.run()
    after = memory(options.url)
    statuses = ", ".join(f"{n} of {s}" for s, n in sorted(load.statuses.items(), key=str))
    print(f"{options.clients} clients, {taken:.1f} s, {options.size}x{options.size}: {statuses}")
    if load.seconds:
        p50, p95, p99 = (1000 * q for q in np.quantile(load.seconds, (0.5, 0.95, 0.99)))
        rate = len(load.seconds) / taken
        print(f"{rate:.2f} images/s; p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms")
        mean = {name: float(np.mean(values)) for name, values in load.timing.items()}
        if mean.keys() >= {"total", "wait", "model"}:
            own = mean["total"] - mean["wait"] - mean["model"]
            print(
                f"in the server, mean ms: waiting {mean['wait']:.1f}, model {mean['model']:.1f} a "
                f"batch, itself {own:.2f}"
            )
    print(f"server's memory: {before:.0f} MiB before, {after:.0f} MiB after")


if __name__ == "__main__":
    main()
