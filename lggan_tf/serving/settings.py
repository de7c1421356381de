"""What a server is told: the flags of `lggan-serve` without absl."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Limits and pace of a server.

    Attributes:
        max_batch_size: rows that one call of a model may get; 1 turns batching off.
        batch_timeout: seconds that a request waits for others when a worker is idle.
        queue_size: requests that may wait for a model, and bodies that may be read at a time.
        workers: calls of models at a time.
        max_bytes: of a request's body.
        max_batch_pixels: height x width x rows of such a call, if it is for several requests; on a
            processor large batches are slower than small ones.
        max_pixels: height x width x batch of a request.
        request_timeout: seconds from a request's first line to its answer.
        client_timeout: seconds that a client may take to send its request, and to take its answer.
        poll_interval: seconds between two looks into the folder of models.
    """

    max_batch_size: int = 8
    batch_timeout: float = 0.005
    queue_size: int = 128
    workers: int = 1
    max_bytes: int = 16 << 20
    max_batch_pixels: int = 1 << 16
    max_pixels: int = 1 << 20
    request_timeout: float = 60.0
    client_timeout: float = 15.0
    poll_interval: float = 2.0
