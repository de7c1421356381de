"""A profile of some steps on request (`--profile_steps`), for TensorBoard's profile plugin."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf


class StepProfile:
    """Records from the begin of one step to the end of another.

    Args:
        steps: the first and the last step recorded, counted from 1; None: nothing is recorded.
        logs: where the trace goes: `plugins/profile/TIME/HOST.xplane.pb` below it.
        say: where a line for the user goes.
    """

    def __init__(self, steps: tuple[int, int] | None, logs: Path, say: Callable[[str], None]):
        self._first, self._last = steps or (1, 0)
        self._logs, self._say = logs, say
        self._recorded: list[int] = []

    def before(self, step: int) -> None:
        """To be called before a step."""
        # A run that goes on within the steps records the rest of them.
        if self._first <= step <= self._last:
            if not self._recorded:
                tf.profiler.experimental.start(str(self._logs))
            self._recorded.append(step)

    def after(self, step: int) -> None:
        """To be called after a step."""
        if step >= self._last:
            self.close()

    def close(self) -> None:
        """Writes what was recorded so far, if anything."""
        if self._recorded:
            tf.profiler.experimental.stop()
            self._say(
                f"profile of the steps {self._recorded[0]} to {self._recorded[-1]} in "
                f"{self._logs / 'plugins' / 'profile'}; TensorBoard shows it with the package "
                "tensorboard-plugin-profile"
            )
            self._recorded = []
