"""Ends a run after some wall time."""

import time

import keras


class TimeLimit(keras.callbacks.Callback):
    """The clock starts when it is made, so that the making of the graph counts.

    Args:
        minutes: wall time after which the run stops; 0: none.
    """

    def __init__(self, minutes: float):
        super().__init__()
        self._end = time.monotonic() + minutes * 60 if minutes else float("inf")

    @property
    def seconds_left(self) -> float:
        """Until the limit; infinite if there is none."""
        return self._end - time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        """Stops before the first step if there is no time for it."""
        self._check()

    def on_train_batch_end(self, batch, logs=None):
        """Stops when the limit is reached."""
        self._check()

    def _check(self):
        if self.seconds_left <= 0:
            self.model.stop_training = True
