"""Ends a run whose losses or gradients are no numbers any more."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.training.callbacks.every import Every
from lggan_tf.training.callbacks.failure import failure_error
from lggan_tf.training.callbacks.report import Report, Reporter


class FiniteCheck(Reporter):
    """Asks the model's guard at every report and before every checkpoint.

    From the first step on that was not finite the guard keeps all updates out, so that nothing is
    lost by looking late.

    Args:
        every: steps between checkpoints.
        folder: the run's folder.
        checkpoints: the run's.
        step: the variable that says in a checkpoint how many steps were done.
        batch: step, counted from 0 -> its compact batch.
        names: step, counted from 0 -> names of the samples of its batch.
        is_chief: whether this process saves the failure; all processes end.
    """

    def __init__(
        self,
        every: int,
        folder: RunFolder,
        checkpoints: Checkpoints,
        step: tf.Variable,
        batch: Callable[[int], dict[str, np.ndarray]],
        names: Callable[[int], list[str]],
        is_chief: bool = True,
    ):
        super().__init__()
        self._every, self._folder, self._checkpoints = Every(every), folder, checkpoints
        self._step, self._batch, self._names = step, batch, names
        self._is_chief = is_chief

    def on_train_begin(self, logs=None):
        """Tells the guard where the run is."""
        self.model.guard.start(int(self._step.numpy()))

    def on_train_batch_end(self, batch, logs=None):
        """Looks before a checkpoint."""
        if self._every.is_due(batch, logs.steps):
            self._check()

    def on_report(self, report: Report) -> None:
        """Looks."""
        self._check()

    def _check(self):
        failure = self.model.guard.failure()
        if failure is None:
            return
        if not self._is_chief:
            raise UserError(
                f"{failure.culprit} is not finite in step {failure.step}; see the chief"
            )
        before = failure.step - 1
        self._step.assign(before)
        raise failure_error(
            failure,
            self._folder,
            self._batch(before),
            self._names(before),
            self._checkpoints.latest,
            lambda folder: Checkpoints(folder, self.model, self._step).save(),
        )
