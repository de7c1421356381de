"""What happens every so many steps."""

import keras


class Every:
    """A call may do several steps: due is the first call that reaches or passes a multiple.

    Args:
        steps: how many lie between two times.
    """

    def __init__(self, steps: int):
        self._steps, self._now, self._last = steps, None, None

    def is_due(self, batch: int, steps: int) -> bool:
        """Whether it is time.

        Args:
            batch: the last step of a call, counted from 0 (`on_train_batch_end`).
            steps: of the call.
        """
        self._now = batch + 1
        return self._now // self._steps > (self._now - steps) // self._steps

    @property
    def is_pending(self) -> bool:
        """Whether there were steps since it was done."""
        return self._now != self._last

    def done(self) -> int:
        """Notes that it was done, and returns the number of steps done in all."""
        self._last = self._now
        return self._now


class Periodic(keras.callbacks.Callback):
    """Calls `act` every so many steps and, unless it was just done, at the end.

    Args:
        every: steps between two times.
    """

    def __init__(self, every: int):
        super().__init__()
        self._every = Every(every)

    def act(self, step: int) -> None:
        """To be overridden; `step` is the number of steps done in all."""
        raise NotImplementedError

    def on_train_batch_end(self, batch, logs=None):
        """Acts if it is time."""
        if self._every.is_due(batch, logs.steps):
            self.act(self._every.done())

    def on_train_end(self, logs=None):
        """Acts once more, unless it was just done."""
        if self._every.is_pending:
            self.act(self._every.done())
