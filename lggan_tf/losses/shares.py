"""Sums over devices of what each has of a global batch."""

import tensorflow as tf


def sum_over_devices(values: list) -> list:
    """Every device's sum of all devices' values; None stays None. In a replica's context."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return list(values)
    used = [i for i, value in enumerate(values) if value is not None]
    context = tf.distribute.get_replica_context()
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, [values[i] for i in used])
    found = [None] * len(values)
    for i, value in zip(used, sums, strict=True):
        found[i] = value
    return found
