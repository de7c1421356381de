"""From a replica's gradients to an update that is the same on all of them."""

import keras
import tensorflow as tf


def apply_gradients(
    optimizer: keras.optimizers.Optimizer, gradients: list, variables: list, clip_norm: float = 0.0
) -> None:
    """Updates variables with the sum of all replicas' gradients; called in a replica's context.

    With float16 one replica alone may overflow. Keras' `LossScaleOptimizer` looks at what it is
    given: given a replica's own gradients, one replica would skip the update and the other not. So
    it gets the sum, which is not finite on any replica if it is not on one: all skip the update and
    lower the scale together. The clipped norm, too, is that of the sum.

    Args:
        optimizer: that was built for these variables; gradients are of its `scale_loss`.
        gradients: one per variable; None where a variable has no part in the loss.
        variables: what is updated.
        clip_norm: largest global norm of the (unscaled) gradient of all variables; 0: any.
    """
    is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if clip_norm or is_scaled:
        used = [i for i, gradient in enumerate(gradients) if gradient is not None]
        summed = [gradients[i] for i in used]
        if replicas > 1:
            context = tf.distribute.get_replica_context()
            summed = context.all_reduce(tf.distribute.ReduceOp.SUM, summed)
        if clip_norm:
            limit = optimizer.scale_loss(tf.constant(clip_norm, summed[0].dtype))
            summed, _ = tf.clip_by_global_norm(summed, limit)
        gradients = [None] * len(gradients)
        for i, gradient in zip(used, summed, strict=True):
            gradients[i] = gradient / replicas  # the optimizer sums over replicas once more
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def with_loss_scale(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer with a loss scale that adapts itself, as float16's short range needs it."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)
