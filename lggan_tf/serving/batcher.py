"""Dynamic batching: requests that fit together share one call of the model.

Requests wait in a bounded queue, grouped by their key (model version, signature, shapes). A group
goes to a worker once it is full or its oldest request has waited long enough; while all workers are
busy groups grow by themselves. Lives in one event loop; models run in threads.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lggan_tf.serving.request_error import RequestError


@dataclass(eq=False)
class Job:
    """One request on its way through a model.

    Attributes:
        key: jobs with equal keys may share a call; None, none may.
        payload: what `run` gets.
        rows: how many rows of a batch it takes.
        pixels: how much of `max_pixels` it takes.
        model_seconds: how long its call of the model took, once it is done.
        wait_seconds: how long it waited for that call.
    """

    key: Hashable
    payload: Any
    rows: int = 1
    pixels: int = 0
    model_seconds: float = 0.0
    wait_seconds: float = 0.0
    arrived: float = field(default_factory=time.monotonic)
    future: asyncio.Future = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Batcher:
    """Groups jobs and runs them in worker threads.

    Args:
        run: list of jobs with one key -> list of results, an exception where a job failed.
        max_batch_size: rows of a group of several jobs; 1 turns grouping off.
        max_pixels: pixels of a group of several jobs.
        timeout: seconds that a job waits for others while a worker is idle.
        queue_size: jobs that may wait.
        workers: calls at a time.
        observe: called after each call with its jobs and seconds.
    """

    def __init__(
        self,
        run: Callable[[list[Job]], list],
        max_batch_size: int,
        max_pixels: int,
        timeout: float,
        queue_size: int,
        workers: int,
        observe: Callable[[list[Job], float], None] = lambda jobs, seconds: None,
    ):
        self._run = run
        self._max_rows = max_batch_size
        self._max_pixels = max_pixels
        self._timeout = timeout if max_batch_size > 1 else 0.0
        self._queue_size = queue_size
        self._idle = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="model")
        self._observe = observe
        self._groups: dict[Hashable, deque[Job]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task] = set()
        self._seconds_per_job = 0.1
        self.waiting = 0

    async def submit(self, job: Job) -> Any:
        """The job's result.

        Raises:
            RequestError: 429, too many jobs wait already; with `Retry-After`.
            Exception: the job's own.
        """
        if self.waiting >= self._queue_size:
            seconds = math.ceil(min(60.0, max(1.0, self.waiting * self._seconds_per_job)))
            raise RequestError(
                429,
                f"{self.waiting} requests are waiting already; try again in {seconds} s",
                {"Retry-After": str(seconds)},
            )
        key = object() if job.key is None or self._max_rows == 1 else job.key
        self._groups.setdefault(key, deque()).append(job)
        self.waiting += 1
        self._dispatch()
        try:
            return await job.future
        except asyncio.CancelledError:
            group = self._groups.get(key)
            if group and job in group:
                group.remove(job)
                self.waiting -= 1
                if not group:
                    del self._groups[key]
            raise

    def close(self) -> None:
        """Ends the threads; call it when all jobs have their results."""
        self._pool.shutdown(wait=True)

    def _dispatch(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        while self._idle and self._groups:
            # Oldest first, so that a busy group starves no other.
            ready = [key for key in self._groups if self._is_ready(key, now)]
            if not ready:
                first = min(group[0].arrived for group in self._groups.values())
                delay = max(0.0, first + self._timeout - now)
                self._timer = asyncio.get_running_loop().call_later(delay, self._dispatch)
                return
            jobs = self._take(min(ready, key=lambda key: self._groups[key][0].arrived))
            self._idle -= 1
            task = asyncio.get_running_loop().create_task(self._work(jobs))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_ready(self, key: Hashable, now: float) -> bool:
        group = self._groups[key]
        # A timer may fire a hair early; a microsecond of slack saves another one.
        if now >= group[0].arrived + self._timeout - 1e-6:
            return True
        rows, pixels = sum(job.rows for job in group), sum(job.pixels for job in group)
        return rows >= self._max_rows or pixels >= self._max_pixels

    def _take(self, key: Hashable) -> list[Job]:
        group, jobs, rows, pixels = self._groups[key], [], 0, 0
        while group:
            rows += group[0].rows
            pixels += group[0].pixels
            if jobs and (rows > self._max_rows or pixels > self._max_pixels):
                break
            jobs.append(group.popleft())
        if not group:
            del self._groups[key]
        self.waiting -= len(jobs)
        return jobs

    async def _work(self, jobs: list[Job]) -> None:
        start = time.monotonic()
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._pool, self._run, jobs)
        except Exception as error:
            results = [error] * len(jobs)
        seconds = time.monotonic() - start
        self._seconds_per_job += 0.2 * (seconds / len(jobs) - self._seconds_per_job)
        self._idle += 1
        self._dispatch()
        self._observe(jobs, seconds)
        for job, result in zip(jobs, results, strict=True):
            job.wait_seconds, job.model_seconds = start - job.arrived, seconds
            if job.future.done():  # its client gave up, or its time was over
                continue
            if isinstance(result, BaseException):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
