"""Pictures of a run: files in `samples/`, and TensorBoard's image tab."""

import keras
import tensorflow as tf

from lggan_tf.runs.folder import RunFolder
from lggan_tf.training.callbacks.every import Every
from lggan_tf.training.callbacks.sample_grid import SampleGrid


class Samples(keras.callbacks.Callback):
    """Draws the fixed batch every so many steps and at the end.

    Args:
        every: steps between grids.
        grid: what is drawn.
        folder: the run's folder.
        writer: of the run's event file.
    """

    def __init__(
        self, every: int, grid: SampleGrid, folder: RunFolder, writer: tf.summary.SummaryWriter
    ):
        super().__init__()
        self._every, self._grid, self._folder, self._writer = Every(every), grid, folder, writer
        self._draw = tf.function(lambda batch: self.model(batch, training=False))

    def on_train_batch_end(self, batch, logs=None):
        """Draws if it is time."""
        if self._every.is_due(batch, logs.steps):
            self._write()

    def on_train_end(self, logs=None):
        """Draws once more, unless it was just done."""
        if self._every.is_pending:
            self._write()

    def _write(self):
        step = self._every.done()
        picture = self._grid.save(self._folder, self._draw(self._grid.batch), step)
        with self._writer.as_default(step):
            tf.summary.image("samples", picture[None])
        self._writer.flush()
