"""Checkpoints of a run."""

import tensorflow as tf

from lggan_tf.metrics.mean_l1 import mean_l1
from lggan_tf.metrics.psnr import psnr
from lggan_tf.metrics.ssim import ssim
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.training.callbacks.every import Periodic
from lggan_tf.training.callbacks.sample_grid import SampleGrid

# `--best_metric`: its function, and whether larger is better.
METRICS = {"mean_l1": (mean_l1, False), "psnr": (psnr, True), "ssim": (ssim, True)}


class SaveCheckpoints(Periodic):
    """Saves every so many steps and at the end, and keeps the best.

    Args:
        every: steps between checkpoints.
        checkpoints: where they go.
        step: the variable that says in a checkpoint how many steps were done.
        best_metric: of `METRICS`, or "none".
        grid: the held-out samples that it is taken on.
    """

    def __init__(
        self,
        every: int,
        checkpoints: Checkpoints,
        step: tf.Variable,
        best_metric: str,
        grid: SampleGrid,
    ):
        super().__init__(every)
        self._checkpoints, self._step = checkpoints, step
        self._best_metric, self._batch = best_metric, grid.batch
        self._score = tf.function(self._score_now)

    def act(self, step):
        """Saves, the best first: a step that is the run's last checkpoint is not scored again."""
        self._step.assign(step)
        if self._best_metric != "none":
            value = float(self._score(self._batch))
            larger = METRICS[self._best_metric][1]
            self._checkpoints.save_best(self._best_metric, value, larger)
        self._checkpoints.save()

    def _score_now(self, batch):
        drawn = tf.cast(self.model(batch, training=False)["image"], "float32")
        photos = tf.cast(self.model.prepare(batch)["image"], "float32")
        return tf.reduce_mean(METRICS[self._best_metric][0](drawn, photos))
