"""A profile of some steps on request (`--profile_steps`), for TensorBoard's profile plugin."""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf


class Profile(keras.callbacks.Callback):
    """Records from the begin of one step to the end of another.

    Args:
        steps: the first and the last step recorded, counted from 1; None: nothing is recorded.
        logs: where the trace goes: `plugins/profile/TIME/HOST.xplane.pb` below it.
        say: where a line for the user goes.
    """

    def __init__(self, steps: tuple[int, int] | None, logs: Path, say: Callable[[str], None]):
        super().__init__()
        self._first, self._last = steps or (1, 0)
        self._logs, self._say = logs, say
        self._begin = None

    def on_train_batch_begin(self, batch, logs=None):
        """Starts if it is time; a run that goes on within the steps records the rest of them."""
        if self._begin is None and self._first <= batch + 1 <= self._last:
            tf.profiler.experimental.start(str(self._logs))
            self._begin = batch + 1

    def on_train_batch_end(self, batch, logs=None):
        """Stops if it is time; the steps of one call are not taken apart."""
        self._end = batch + 1
        if self._end >= self._last:
            self._close()

    def on_train_end(self, logs=None):
        """Stops in any case."""
        self._close()

    def _close(self):
        if self._begin is not None:
            tf.profiler.experimental.stop()
            self._say(
                f"profile of the steps {self._begin} to {self._end} in "
                f"{self._logs / 'plugins' / 'profile'}; TensorBoard shows it with the package "
                "tensorboard-plugin-profile"
            )
            self._begin = None
