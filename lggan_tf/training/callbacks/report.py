"""Every so many steps the terms are read from the device, once, and all who report get them."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import keras

from lggan_tf.training.callbacks.every import Every


@dataclass(frozen=True)
class Report:
    """What happened since the last report.

    Args:
        step: steps done.
        epoch: of the last of them, counted from 1.
        terms: means of the step's terms over the steps.
        seconds_per_step: wall time. None for a run's first call: it contains the making of the
            graph and says nothing about speed.
        seconds: wall time of all steps.
        images_per_second: over all devices; None like `seconds_per_step`.
        waiting: share of the time that was spent waiting for data, 0 to 1.
    """

    step: int
    epoch: int
    terms: dict[str, float]
    seconds_per_step: float | None
    seconds: float
    images_per_second: float | None
    waiting: float


class Reporter(keras.callbacks.Callback):
    """A callback that also hears of every report."""

    def on_report(self, report: Report) -> None:
        """Called every `--log_every` steps, after the first call and at the end."""


class Reports(keras.callbacks.Callback):
    """Makes the reports. It stands first in the list: what it raises keeps others from saving.

    Args:
        every: steps between reports.
        steps_per_epoch: steps of an epoch.
        batch_size: images per step over all devices.
        reporters: who hears of a report, in this order.
        take_waited: seconds spent waiting for data between steps, since the last question.
    """

    def __init__(
        self,
        every: int,
        steps_per_epoch: int,
        batch_size: int,
        reporters: list[Reporter],
        take_waited: Callable[[], float] = float,
    ):
        super().__init__()
        self._every, self._batch_size = Every(every), batch_size
        self._steps_per_epoch = steps_per_epoch
        self._reporters, self._take_waited, self._logs = reporters, take_waited, None

    def on_train_begin(self, logs=None):
        """The clock starts."""
        self._logs, self._is_first, self._mark = None, True, time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        """Collects; reports if it is time."""
        self._logs = logs if self._logs is None else self._logs + logs
        self._step = batch + 1
        if self._every.is_due(batch, logs.steps) or self._is_first:
            self._report()

    def on_train_end(self, logs=None):
        """Reports what is left."""
        if self._logs is not None:
            self._report()

    def _report(self):
        logs, self._logs = self._logs, None
        terms = dict(logs)  # waits for the device, so the time is read afterwards
        now = time.monotonic()
        seconds, self._mark = now - self._mark, now
        each = None if self._is_first else seconds / logs.steps
        self._is_first = False
        report = Report(
            step=self._step,
            epoch=(self._step - 1) // self._steps_per_epoch + 1,
            terms=terms,
            seconds_per_step=each,
            seconds=seconds,
            images_per_second=None if each is None else self._batch_size / each,
            waiting=(float(logs.waited) + self._take_waited()) / seconds,
        )
        for reporter in self._reporters:
            reporter.on_report(report)
