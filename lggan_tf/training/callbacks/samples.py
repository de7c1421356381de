"""Pictures of a run: files in `samples/`, and TensorBoard's image tab."""

import tensorflow as tf

from lggan_tf.runs.folder import RunFolder
from lggan_tf.training.callbacks.every import Periodic
from lggan_tf.training.callbacks.sample_grid import SampleGrid


class Samples(Periodic):
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
        super().__init__(every)
        self._grid, self._folder, self._writer = grid, folder, writer
        self._draw = tf.function(lambda batch: self.model(batch, training=False))

    def act(self, step):
        """Draws."""
        picture = self._grid.save(self._folder, self._draw(self._grid.batch), step)
        with self._writer.as_default(step):
            tf.summary.image("samples", picture[None])
        self._writer.flush()
