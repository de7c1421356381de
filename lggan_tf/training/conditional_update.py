"""An update of a network that all devices make, or none."""

import tensorflow as tf

from lggan_tf.training.update import apply_gradients


def apply_if(allowed: tf.Tensor, optimizer, gradients, variables, clip_norm: float = 0.0) -> None:
    """Makes the update if `allowed`, which is the same on all devices; leaves all as it is if not.

    Args:
        allowed: scalar bool.
        optimizer: a built Keras optimizer.
        gradients: this device's share.
        variables: the optimizer's, in the order of the gradients.
        clip_norm: largest norm of the whole gradient; 0: any.
    """

    def apply(*shares):
        apply_gradients(optimizer, list(shares), variables, clip_norm)
        return tf.constant(True)

    def on_all_devices(strategy, allowed, *shares):
        # An optimizer adds up over devices, which it cannot do in a branch that a device takes.
        return tf.cond(
            strategy.experimental_local_results(allowed)[0],
            lambda: strategy.extended.call_for_each_replica(apply, args=shares),
            lambda: strategy.extended.call_for_each_replica(lambda: tf.constant(False)),
        )

    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        tf.cond(allowed, lambda: apply(*gradients), lambda: tf.constant(False))
    else:
        tf.distribute.get_replica_context().merge_call(on_all_devices, args=(allowed, *gradients))
