"""Ctrl-C and SIGTERM: the step ends, the run is saved, then it stops."""

import signal

import keras


class StopOnSignals(keras.callbacks.Callback):
    """Collects the first SIGINT or SIGTERM, so that the step can end; a second ends the process.

    A context manager around the run, so that the handlers are taken back whatever happens.
    """

    def __init__(self):
        super().__init__()
        self.received: list[int] = []

    def __enter__(self) -> "StopOnSignals":
        """Takes the signals."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        self._before = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        """Gives them back."""
        self._restore()

    def _note(self, number, frame):
        self.received.append(number)
        # Not Python's own handlers: they wait for the end of the step, which the user does not.
        for other in self._before:
            signal.signal(other, signal.SIG_DFL)

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def on_epoch_begin(self, epoch, logs=None):
        """Stops if a signal came before the first step."""
        self._check()

    def on_train_batch_end(self, batch, logs=None):
        """Stops if a signal came."""
        self._check()

    def _check(self):
        if self.received:
            self.model.stop_training = True
