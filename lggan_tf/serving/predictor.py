"""From named arrays to named arrays: limits, batching, the model's own errors."""

import logging
import math

import numpy as np
import tensorflow as tf

from lggan_tf.serving import pictures
from lggan_tf.serving.batcher import Batcher, Job
from lggan_tf.serving.loaded_model import Signature
from lggan_tf.serving.metrics import Metrics
from lggan_tf.serving.request_error import from_tensorflow
from lggan_tf.serving.settings import Settings
from lggan_tf.serving.versions import Version

log = logging.getLogger(__name__)


class Predictor:
    """Runs signatures for many requests at a time."""

    def __init__(self, settings: Settings, metrics: Metrics):
        self._max_pixels = settings.max_pixels
        self._batcher = Batcher(
            run_jobs,
            settings.max_batch_size,
            settings.max_batch_pixels,
            settings.batch_timeout,
            settings.queue_size,
            settings.workers,
            metrics.batch_done,
        )
        metrics.watch_queue(lambda: self._batcher.waiting)

    async def predict(
        self, version: Version, signature: Signature, inputs: dict[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], Job]:
        """Outputs of a signature, and the job that they came by.

        Args:
            version: a leased version; the lease must last until this returns.
            signature: one of its signatures.
            inputs: arrays as the signature wants them (`tensors.to_array`).

        Raises:
            RequestError: 413, too many pixels; 429, too many requests; what the model refuses.
        """
        sizes = {name: _picture_sizes(array, name) for name, array in inputs.items()}
        pixels = max((_pixels(array, sizes[name]) for name, array in inputs.items()), default=0)
        if pixels > self._max_pixels:
            raise pictures.too_many_pixels(pixels, self._max_pixels)
        rows = {array.shape[0] for array in inputs.values() if array.ndim}
        key = None
        if signature.batches and len(rows) == 1:
            shapes = tuple((n, a.shape[1:], frozenset(sizes[n])) for n, a in inputs.items())
            key = (version, signature.name, shapes)
        job = Job(key, (signature, inputs), max(rows, default=1), pixels)
        return await self._batcher.submit(job), job

    def close(self) -> None:
        """Ends the worker threads."""
        self._batcher.close()


def run_jobs(jobs: list[Job]) -> list:
    """Runs jobs of one signature together; outputs or a `RequestError` for each.

    If the graph refuses the batch each job is run alone, so that a bad request harms no other.
    """
    if len(jobs) == 1:
        return [_run_one(*jobs[0].payload)]
    signature = jobs[0].payload[0]
    try:
        outputs = signature(
            {
                name: np.concatenate([job.payload[1][name] for job in jobs])
                for name in signature.inputs
            }
        )
    except tf.errors.OpError:
        return [_run_one(*job.payload) for job in jobs]
    ends = np.cumsum([job.rows for job in jobs])
    if any(array.ndim == 0 or array.shape[0] != ends[-1] for array in outputs.values()):
        # The signature promised a free first axis and does something else with it.
        return [_run_one(*job.payload) for job in jobs]
    parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
    return [{name: part[i] for name, part in parts.items()} for i in range(len(jobs))]


def _run_one(signature: Signature, inputs: dict[str, np.ndarray]):
    try:
        return signature(inputs)
    except Exception as error:
        refused = from_tensorflow(error)
        if refused.status >= 500:
            log.error("model failed", exc_info=error, extra={"signature": signature.name})
        return refused


def _picture_sizes(array: np.ndarray, name: str) -> list[tuple[int, int] | None]:
    """Width and height of each encoded picture among strings; nothing for other arrays."""
    if array.dtype != object:
        return []
    return [pictures.picture_size(data, f"input {name}") for data in array.flat]


def _pixels(array: np.ndarray, sizes: list) -> int:
    if array.dtype == object:
        return sum(width * height for width, height in filter(None, sizes))
    return math.prod(array.shape[:3]) if array.ndim >= 3 else 0
