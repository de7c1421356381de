"""What a run starts with: its settings for TensorBoard's HParams tab, its class balance."""

from collections.abc import Callable

import keras
import tensorflow as tf
from tensorboard.plugins.hparams import api

from lggan_tf.config import Config
from lggan_tf.data.class_balance import ClassBalance
from lggan_tf.data.classes import ClassTable
from lggan_tf.runs.build import build_local_classes
from lggan_tf.training.callbacks.balance_table import balance_rows, markdown_table, terminal_table


class Settings(keras.callbacks.Callback):
    """Writes them once.

    Args:
        config: of the run.
        trial: the run's name in the HParams tab.
        classes: names of the label ids.
        balance: of the classes, if any.
        writer: of the run's event file.
        say: where lines for the user go.
    """

    def __init__(
        self,
        config: Config,
        trial: str,
        classes: ClassTable,
        balance: ClassBalance | None,
        writer: tf.summary.SummaryWriter,
        say: Callable[[str], None],
    ):
        super().__init__()
        self._config, self._trial, self._classes = config, trial, classes
        self._balance, self._writer, self._say = balance, writer, say

    def on_train_begin(self, logs=None):
        """A run that goes on writes them again under the same name: one row of the tab."""
        with self._writer.as_default(0):
            api.hparams(self._config.to_flat(), trial_id=self._trial)
            if self._balance is not None:
                self._tell_balance()

    def _tell_balance(self):
        table = build_local_classes(self._config, self._classes).table
        rows = balance_rows(self._balance, self._classes, table)
        strength = self._config.train.class_balance
        self._say(f"class balance {strength:g}: shares of pixels, the rarest classes first")
        for line in terminal_table(rows):
            self._say(f"  {line}")
        tf.summary.text("class_balance", markdown_table(rows))
