"""An update of a network that all devices make, or none, from gradients that they agree on."""

import keras
import tensorflow as tf

from lggan_tf.runs.adam import Adam


def apply_if(allowed: tf.Tensor, optimizer, gradients: list, variables: list) -> None:
    """Makes the update if `allowed`, which is the same on all devices; leaves all as it is if not.

    With float16 one device alone may overflow. As the optimizer is given sums, which are not
    finite on any device if a share is not on one, all skip the update and lower the scale together.

    Args:
        allowed: scalar bool.
        optimizer: that was built for these variables; gradients are of its `scale_loss`.
        gradients: sums over devices (`lggan_tf.losses.shares`); None where a variable has no part.
        variables: the optimizer's, in the order of the gradients.
    """
    strategy = tf.distribute.get_strategy()
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    # Other optimizers add up over devices once more.
    share = 1 if isinstance(inner, Adam) else strategy.num_replicas_in_sync

    def apply(*sums):
        shares = [g if g is None or share == 1 else g / share for g in sums]
        optimizer.apply_gradients(zip(shares, variables, strict=True))
        return tf.constant(True)

    def on_all_devices(strategy, allowed, *sums):
        # In a branch that one device takes nothing can be said to the others.
        return tf.cond(
            strategy.experimental_local_results(allowed)[0],
            lambda: strategy.extended.call_for_each_replica(apply, args=sums),
            lambda: strategy.extended.call_for_each_replica(lambda: tf.constant(False)),
        )

    # A strategy of one device is one too: its optimizer speaks to all devices, not in a branch.
    if not tf.distribute.has_strategy():
        tf.cond(allowed, lambda: apply(*gradients), lambda: tf.constant(False))
    else:
        context = tf.distribute.get_replica_context()
        context.merge_call(on_all_devices, args=(allowed, *gradients))


def restore_unless(allowed: tf.Tensor, variables: list, values: list) -> None:
    """Gives variables back the values that they had, unless `allowed`, the same on all devices.

    Args:
        allowed: scalar bool.
        variables: Keras variables.
        values: what this device read of each.
    """
    if not variables:
        return

    def on_all_devices(strategy, allowed, *values):
        def restore():
            for variable, value in zip(variables, values, strict=True):
                strategy.extended.update(
                    variable.value, lambda own, before: own.assign(before), args=(value,)
                )
            return tf.constant(False)

        flag = strategy.experimental_local_results(allowed)[0]
        return tf.cond(flag, lambda: tf.constant(True), restore)

    context = tf.distribute.get_replica_context()
    context.merge_call(on_all_devices, args=(allowed, *values))


def with_loss_scale(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer with a loss scale that adapts itself, as float16's short range needs it."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)
