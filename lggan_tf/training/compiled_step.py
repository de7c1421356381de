"""The model's own step on every device, compiled."""

import tensorflow as tf

from lggan_tf.training.logs import LazyLogs


class CompiledStep:
    """One call does one or more steps on every replica and sums what they return.

    Reading the data is part of the call, so that the call alone says how long it had to wait for
    them. The terms leave it as one vector: several hosts then add them up once a call.

    Args:
        strategy: the devices.
        step: a replica's part of a batch -> its shares of named terms (`LGGAN.step`). It is called
            in the replica's context.
        reads_clock: whether to time the waiting; deterministic operations know no clock, and say
            that no time went by.
    """

    def __init__(self, strategy: tf.distribute.Strategy, step, reads_clock: bool = True):
        self._reads_clock = reads_clock
        self._strategy, self._step, self._names = strategy, step, ()
        self._one = tf.function(self._one_step, reduce_retracing=True)
        self._call = tf.function(self._steps, reduce_retracing=True)

    def __call__(self, iterator, steps: int = 1) -> LazyLogs:
        """Does `steps` steps with the next batches of `iterator`."""
        sums, waited = self._call(iterator, tf.constant(steps) if steps > 1 else None)
        return LazyLogs(self._names, sums, waited, steps)

    def _steps(self, iterator, steps):
        sums, waited = self._one(iterator)
        if steps is not None:
            for _ in tf.range(steps - 1):
                more, longer = self._one(iterator)
                sums, waited = sums + more, waited + longer
        return sums, waited

    def _one_step(self, iterator):
        before = self._now()
        with tf.control_dependencies([before]):
            batch = next(iterator)
        parts = tf.nest.flatten(
            tf.nest.map_structure(self._strategy.experimental_local_results, batch)
        )
        with tf.control_dependencies(parts):
            waited = self._now() - before
        shares = self._strategy.run(self._share, (batch,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, shares, None), waited

    def _now(self):
        return tf.timestamp() if self._reads_clock else tf.constant(0.0, "float64")

    def _share(self, batch):
        terms = self._step(batch)
        self._names = tuple(terms)
        return tf.stack([tf.cast(value, "float32") for value in terms.values()])
