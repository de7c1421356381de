"""What `/metrics` tells Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from lggan_tf.serving.batcher import Job

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one server; label values are a closed set, whatever clients send."""

    def __init__(self):
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "lggan_requests",
            "Requests by route, model and status.",
            ("route", "model", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "lggan_request_seconds",
            "Seconds from a request's first line to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._model_seconds = Histogram(
            "lggan_model_seconds",
            "Seconds of a call of a model.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch_rows = Histogram(
            "lggan_batch_rows",
            "Rows in a call of a model.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self._registry,
        )
        self._gauge("lggan_requests_in_progress", "Requests without an answer yet.", self._open)
        self.in_progress = 0

    def _open(self) -> int:
        return self.in_progress

    def _gauge(self, name: str, words: str, value: Callable[[], float]) -> None:
        Gauge(name, words, registry=self._registry).set_function(value)

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Shows how many requests wait for a model."""
        self._gauge("lggan_queue_requests", "Requests that wait for a model.", waiting)

    def watch_versions(self, loaded: Callable[[], int]) -> None:
        """Shows how many versions are loaded."""
        self._gauge("lggan_versions_loaded", "Versions that can be asked.", loaded)

    def batch_done(self, jobs: list[Job], seconds: float) -> None:
        """Counts a call of a model."""
        self._model_seconds.observe(seconds)
        self._batch_rows.observe(sum(job.rows for job in jobs))

    def request_done(self, route: str, model: str, status: int, seconds: float) -> None:
        """Counts an answer."""
        self._requests.labels(route, model, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
