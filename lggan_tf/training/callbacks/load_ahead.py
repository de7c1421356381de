"""Samples that are slow to make are there before the steps that want them."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

import keras

from lggan_tf.data.sample import CachedSource, Source
from lggan_tf.training.callbacks.time_limit import TimeLimit

SECONDS_BETWEEN_LINES = 5.0
# More than there are processes that draw the town: each is then always asked for something.
THREADS = 16


class LoadAhead(keras.callbacks.Callback):
    """Loads samples while the first step builds its graph; the second one waits for the rest.

    A place of the town takes as long to draw as a step takes to train on it. Drawn beside the
    steps, both would want all cores, and a step would wait for data a fifth of its time.

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
        self._futures, self._pool = [], None

    def __enter__(self) -> "LoadAhead":
        """Starts to load."""
        self._pool = ThreadPoolExecutor(THREADS)
        self._futures = [self._pool.submit(self._source.load, index) for index in self._indices]
        return self

    def __exit__(self, *_):
        """Forgets what is not loaded yet."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def on_train_batch_end(self, batch, logs=None):
        """After the first call of the step: waits until all are there.

        Raises:
            UserError: a sample cannot be loaded.
        """
        futures, self._futures = self._futures, []
        said, left = time.monotonic(), set(futures)
        while left and self._limit.seconds_left > 0 and not self._signals:
            done, left = wait(left, timeout=0.2)
            for future in done:
                future.result()
            if left and time.monotonic() - said >= SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                self._say(f"drawing the town: {len(futures) - len(left)} of {len(futures)} places")
