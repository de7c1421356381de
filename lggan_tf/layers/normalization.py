"""The two norms of the paper's networks, neither with parameters of its own."""

import keras
import tensorflow as tf

EPSILON = 1e-5  # PyTorch's; Keras' default of 1e-3 is visibly different on flat features


@keras.saving.register_keras_serializable(package="lggan_tf")
class InstanceNorm(keras.layers.GroupNormalization):
    """Instance normalisation: per image and channel, biased variance, no scale and no offset.

    Of a single image it is what a batch norm does, for which TensorFlow has a kernel that takes a
    third of the time of Keras' operations one by one; it exists in single and half precision. In
    training it is not used: oneDNN's is rounded 1.7 times as much, which batch norms of few pixels
    behind it make visible (1e-4 of the authors' images).

    Attributes:
        is_fused: whether that kernel may be used; not where TFLite is to quantise.
    """

    is_fused = True

    def __init__(self, epsilon: float = EPSILON, **kwargs):
        super().__init__(groups=-1, epsilon=epsilon, center=False, scale=False, **kwargs)

    def call(self, inputs, training=None):
        """`[B,H,W,C] -> [B,H,W,C]`."""
        if training or not self.is_fused or inputs.shape[0] != 1 or inputs.dtype == tf.float64:
            return super().call(inputs)
        channels = inputs.shape[-1]
        normalised, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.ones([channels]),
            offset=tf.zeros([channels]),
            mean=tf.constant([], "float32"),
            variance=tf.constant([], "float32"),
            epsilon=self.epsilon,
            is_training=True,
        )
        return tf.cast(normalised, self.compute_dtype)

    def get_config(self):
        """Constructor arguments."""
        return keras.layers.Layer.get_config(self) | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="lggan_tf")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation under SPADE: synchronised over replicas, without parameters.

    As in PyTorch the stored variance is the unbiased one, n / (n - 1) times the batch's; Keras
    stores the biased one, which differs where a map has few pixels (spec, section 7, 14).
    """

    def __init__(self, **kwargs):
        kwargs = {"momentum": 0.9, "epsilon": EPSILON} | kwargs
        super().__init__(**kwargs | {"center": False, "scale": False, "synchronized": True})

    def takes_batch(self, training) -> bool:
        """Whether a call takes the statistics of its batch, not the stored ones."""
        return bool(training and self.trainable)

    def stored_affine(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Factor and shift `[C]` with which the stored statistics normalise: x * factor + shift."""
        factor = tf.math.rsqrt(tf.convert_to_tensor(self.moving_variance) + self.epsilon)
        return factor, -factor * self.moving_mean

    def call(self, inputs, training=None):
        """`[B,H,W,C] -> [B,H,W,C]`; statistics of the batch if `training`, else the stored ones."""
        if not self.takes_batch(training):
            return super().call(inputs, training=training)
        before = tf.convert_to_tensor(self.moving_variance)
        outputs = super().call(inputs, training=True)
        kept = self.momentum * before
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), before.dtype)
        count *= tf.distribute.get_strategy().num_replicas_in_sync
        unbiased = (
            (tf.convert_to_tensor(self.moving_variance) - kept)
            * count
            / tf.maximum(count - 1.0, 1.0)
        )
        self.moving_variance.assign(kept + unbiased)
        return outputs

    def get_config(self):
        """Constructor arguments."""
        base = keras.layers.Layer.get_config(self)
        return base | {"momentum": self.momentum, "epsilon": self.epsilon}
