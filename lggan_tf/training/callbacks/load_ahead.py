"""Samples that are slow to make are there before the steps that want them."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

import keras

from lggan_tf.data.sample import LOADING_THREADS, CachedSource, Source
from lggan_tf.training.callbacks.time_limit import TimeLimit

SECONDS_BETWEEN_LINES = 5.0
# How much of what is wanted the second step waits for, and at most how many samples. The rest is
# loaded beside the steps, and is then there in time: two cores draw about as many places of the
# town as `town_cross_view` trains on meanwhile.
LEAD, LONGEST_LEAD = 1 / 3, 512


class LoadAhead(keras.callbacks.Callback):
    """Loads samples in threads of its own; the second step waits until some are there.

    A place of the town takes as long to draw as a step takes to train on it. Drawn one by one as
    the steps ask for them, a step would wait for data a fifth of its time.

    A context manager around the run: whatever ends it, no more samples are loaded.

    Args:
        source: the training samples; nothing is done unless it is a `CachedSource` that is slow.
        indices: samples in the order in which they will be wanted.
        limit: how long the run may take.
        signals: those received; the wait ends when there is one.
        say: where lines for the user go.
    """

    def __init__(
        self,
        source: Source,
        indices: Iterable[int],
        limit: TimeLimit,
        signals: list[int],
        say: Callable[[str], None],
    ):
        super().__init__()
        self._source, self._limit, self._signals, self._say = source, limit, signals, say
        is_slow = isinstance(source, CachedSource) and source.is_slow
        self._indices = list(dict.fromkeys(indices)) if is_slow else []
        self._first, self._waited = [], 0.0

    def __enter__(self) -> "LoadAhead":
        """Starts to load."""
        self._pool = ThreadPoolExecutor(LOADING_THREADS, "ahead")
        futures = [self._pool.submit(self._source.load, index) for index in self._indices]
        self._first = futures[: min(int(len(futures) * LEAD), LONGEST_LEAD)]
        self._pool.shutdown(wait=False)  # the threads end with what they were given
        return self

    def __exit__(self, *_):
        """Forgets what is not loaded yet."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def take_waited(self) -> float:
        """Seconds that were waited here since the last question."""
        waited, self._waited = self._waited, 0.0
        return waited

    def on_train_batch_end(self, batch, logs=None):
        """After the first call of the step: waits for the first samples.

        Raises:
            UserError: one of them cannot be loaded.
        """
        start = said = time.monotonic()
        count, left, self._first = len(self._first), set(self._first), []
        while left and self._limit.seconds_left > 0 and not self._signals:
            done, left = wait(left, timeout=0.2)
            for future in done:
                future.result()
            if left and time.monotonic() - said >= SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                self._say(f"drawing the town: {count - len(left)} of {count} places to begin with")
        self._waited += time.monotonic() - start
