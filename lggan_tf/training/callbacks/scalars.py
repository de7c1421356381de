"""Numbers of a run in TensorBoard."""

import tensorflow as tf

from lggan_tf.training.callbacks.memory import memory_peaks
from lggan_tf.training.callbacks.report import Report, Reporter


class Scalars(Reporter):
    """Terms, metrics, learning rates, speed, the share of time spent waiting for data, memory.

    Args:
        writer: of the run's event file.
    """

    def __init__(self, writer: tf.summary.SummaryWriter):
        super().__init__()
        self._writer = writer

    def on_report(self, report: Report) -> None:
        """Writes, and lets a running TensorBoard see it."""
        values = {
            name if name.startswith("metric/") else f"loss/{name}": value
            for name, value in report.terms.items()
        }
        values |= memory_peaks()
        for name in ("generator", "discriminator"):
            optimizer = getattr(self.model, f"{name}_optimizer")
            values[f"learning_rate/{name}"] = optimizer.learning_rate
        values["waiting_for_data"] = report.waiting
        if report.images_per_second is not None:
            values["images_per_second"] = report.images_per_second
        with self._writer.as_default(report.step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writer.flush()
