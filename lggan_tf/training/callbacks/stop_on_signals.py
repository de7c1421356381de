"""Ctrl-C and SIGTERM: the step ends, the run is saved, then it stops; a second ends the process."""

import os
import signal
import socket
import threading
import time

import keras

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Signals that come closer together, in seconds, are one request: `timeout` and some schedulers
# send one to the process and one to its group.
TOGETHER = 0.1


class StopOnSignals(keras.callbacks.Callback):
    """Collects SIGINT and SIGTERM, so that the step can end; a second one ends the process at once.

    Python runs its handlers when a call of the compiled step returns, which may take minutes. So
    the second one is looked for in a thread, to which the interpreter writes every signal when it
    comes. Nothing is lost by the sudden end: checkpoints appear whole or not at all.

    A context manager around the run, in the main thread, so that all is taken back whatever
    happens.
    """

    def __init__(self):
        super().__init__()
        self.received: list[int] = []

    def __enter__(self) -> "StopOnSignals":
        """Takes the signals."""
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in SIGNALS:
            signal.signal(number, self._note)
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._watcher = threading.Thread(target=_watch, args=(self._reader,), daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_):
        """Gives them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._writer.close()
        self._watcher.join()
        self._reader.close()

    def _note(self, number, frame):
        self.received.append(number)

    def on_epoch_begin(self, epoch, logs=None):
        """Stops if a signal came before the first step."""
        self._check()

    def on_train_batch_end(self, batch, logs=None):
        """Stops if a signal came."""
        self._check()

    def _check(self):
        if self.received:
            self.model.stop_training = True


def _watch(reader: socket.socket) -> None:
    """Ends the process at the second request; returns when the other side is closed."""
    first = None
    while numbers := reader.recv(64):
        ours = [number for number in numbers if number in SIGNALS]
        if not ours:
            continue
        if first is None:
            first = time.monotonic()
        elif time.monotonic() - first > TOGETHER:
            os._exit(128 + ours[-1])
