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
        steps_per_execution: steps of a call, which are recorded all or none.
        steps_per_epoch: steps of an epoch, whose last call may have fewer.
    """

    def __init__(
        self,
        steps: tuple[int, int] | None,
        logs: Path,
        say: Callable[[str], None],
        steps_per_execution: int,
        steps_per_epoch: int,
    ):
        super().__init__()
        self._steps, self._logs, self._say = steps, logs, say
        self._of_call, self._of_epoch = steps_per_execution, steps_per_epoch
        self._begin, self._is_recorded = None, False

    def on_train_batch_begin(self, batch, logs=None):
        """Starts if it is time; a run that goes on within the steps records the rest of them."""
        if self._begin is None and self._steps and self._is_in_call(batch):
            tf.profiler.experimental.start(str(self._logs))
            self._begin = batch + 1

    def on_train_batch_end(self, batch, logs=None):
        """Stops if it is time; the steps of one call are not taken apart."""
        self._end = batch + 1
        if self._steps and self._end >= self._steps[1]:
            self._close()

    def on_train_end(self, logs=None):
        """Stops in any case, and says so if there was nothing to record."""
        self._close()
        if self._steps and not self._is_recorded:
            first, last = self._steps
            self._say(f"no profile: this start did none of the steps {first} to {last}")

    def _is_in_call(self, batch):
        """Whether one of the steps belongs to the call that begins with step `batch`, from 0."""
        epoch_end = (batch // self._of_epoch + 1) * self._of_epoch
        first, last = self._steps
        return batch < last and first <= min(batch + self._of_call, epoch_end)

    def _close(self):
        if self._begin is not None:
            tf.profiler.experimental.stop()
            self._say(
                f"profile of the steps {self._begin} to {self._end} in "
                f"{self._logs / 'plugins' / 'profile'}; TensorBoard shows it with the package "
                "tensorboard-plugin-profile"
            )
            self._begin, self._is_recorded = None, True
