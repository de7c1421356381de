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
        jit_compile: whether XLA compiles it.
        reads_clock: whether to time the waiting; deterministic operations know no clock, and say
            that no time went by.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        step,
        jit_compile: bool = False,
        reads_clock: bool = True,
    ):
        self._reads_clock = reads_clock
        self._strategy, self._step, self._names = strategy, step, ()
        self._loops = False
        self._share = tf.function(self._own, jit_compile=True) if jit_compile else self._own
        self._one = tf.function(self._one_step, reduce_retracing=True)
        self._call = tf.function(self._steps, reduce_retracing=True)

    def __call__(self, iterator, steps: int = 1, vote: bool | None = None) -> LazyLogs:
        """Does `steps` steps with the next batches of `iterator`.

        Args:
            iterator: of batches.
            steps: how many.
            vote: this process' opinion; how many replicas said True is in the logs' `votes`. None:
                nobody asks.
        """
        # One graph serves calls of all lengths, once there was a longer one.
        self._loops = self._loops or steps > 1
        sums, waited, votes = self._call(
            iterator,
            tf.constant(steps) if self._loops else None,
            None if vote is None else tf.constant(float(vote)),
        )
        return LazyLogs(self._names, sums, waited, steps, votes)

    def _steps(self, iterator, steps, vote):
        sums, waited = self._one(iterator)
        if steps is not None:
            for _ in tf.range(steps - 1):
                more, longer = self._one(iterator)
                sums, waited = sums + more, waited + longer
        votes = None
        if vote is not None:
            own = self._strategy.run(tf.identity, (vote,))
            votes = self._strategy.reduce(tf.distribute.ReduceOp.SUM, own, None)
        return sums, waited, votes

    def _one_step(self, iterator):
        before = self._now()
        with tf.control_dependencies([before]):
            batch = next(iterator)
        results = self._strategy.experimental_local_results
        parts = tf.nest.flatten(tf.nest.map_structure(results, batch))
        with tf.control_dependencies(parts):
            waited = self._now() - before
        # Nothing begins before the clock was read: it would be read when a core is free again.
        with tf.control_dependencies([waited]):
            batch = tf.nest.map_structure(_same, batch, expand_composites=True)
        shares = self._strategy.run(self._share, (batch,))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, shares, None), waited

    def _now(self):
        return tf.timestamp() if self._reads_clock else tf.constant(0.0, "float64")

    def _own(self, batch):
        terms = self._step(batch)
        self._names = tuple(terms)
        return tf.stack([tf.cast(value, "float32") for value in terms.values()])


def _same(tensor):
    with tf.device(tensor.device):
        return tf.identity(tensor)
