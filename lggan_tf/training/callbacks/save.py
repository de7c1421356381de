"""Checkpoints of a run."""

import keras
import tensorflow as tf

from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.training.callbacks.every import Every


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves every so many steps and at the end.

    Args:
        every: steps between checkpoints.
        checkpoints: where they go.
        step: the variable that says in a checkpoint how many steps were done.
    """

    def __init__(self, every: int, checkpoints: Checkpoints, step: tf.Variable):
        super().__init__()
        self._every, self._checkpoints, self._step = Every(every), checkpoints, step

    def on_train_batch_end(self, batch, logs=None):
        """Saves if it is time."""
        if self._every.is_due(batch, logs.steps):
            self._save()

    def on_train_end(self, logs=None):
        """Saves once more, unless it was just done."""
        if self._every.is_pending:
            self._save()

    def _save(self):
        self._step.assign(self._every.done())
        self._checkpoints.save()
