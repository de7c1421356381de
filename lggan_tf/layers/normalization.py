"""The two norms of the paper's networks, neither with parameters of its own.

Rounding decides what they give where a map has one class: features are the same at all pixels, the
variance is 0, and what rounding leaves of a difference from the mean is multiplied by
1 / sqrt(epsilon) = 316, once more by each norm behind. So statistics are taken of differences (of a
plane of equal values they are 0 without rounding), and means are taken along one side after the
other, whose rounding grows with the sides of a picture in place of its pixels.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

EPSILON = 1e-5  # PyTorch's; Keras' default of 1e-3 is visibly different on flat features


def normalise(
    inputs: tf.Tensor,
    reference: Callable[[tf.Tensor], tf.Tensor],
    mean: Callable[[tf.Tensor], tf.Tensor],
    epsilon: float,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """(x - m) / sqrt(v + epsilon), m and v being mean and biased variance.

    Args:
        inputs: x `[B,H,W,C]`, float32 or float64.
        reference: gives a value of x near its mean, to subtract first.
        mean: over the pixels that are normalised together, `[.,1,1,C]`.
        epsilon: see above.

    Returns:
        The result, m and v. A gradient passes through the result alone. It is written out, as it
        needs the result and nothing of what led to it.
    """

    @tf.custom_gradient
    def normalised(x):
        near = reference(x)
        difference = x - near
        offset = mean(difference)
        difference -= offset
        # A square behind a difference is one operator to TFLite, which has it in no 16-bit form.
        variance = mean(difference * difference)
        scale = tf.math.rsqrt(variance + epsilon)
        result = difference * scale

        def gradient(upstream, *_):
            along = result * mean(upstream * result)
            return scale * (upstream - mean(upstream) - along)

        return (result, near + offset, variance), gradient

    return normalised(inputs)


def _in_full(inputs):
    """Sums of many pixels need more than 16 bits."""
    return inputs if inputs.dtype == tf.float64 else tf.cast(inputs, "float32")


@keras.saving.register_keras_serializable(package="lggan_tf")
class InstanceNorm(keras.layers.Layer):
    """Instance normalisation: per image and channel, biased variance, no scale and no offset."""

    def __init__(self, epsilon: float = EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs):
        """`[B,H,W,C] -> [B,H,W,C]`."""
        result, *_ = normalise(
            _in_full(inputs),
            reference=lambda x: x[:, :1, :1],
            # Columns first, which is what TensorFlow does faster.
            mean=lambda x: tf.reduce_mean(tf.reduce_mean(x, 2, keepdims=True), 1, keepdims=True),
            epsilon=self.epsilon,
        )
        return tf.cast(result, self.compute_dtype)

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="lggan_tf")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation under SPADE: synchronised over replicas, without parameters.

    As in PyTorch the stored variance is the unbiased one, n / (n - 1) times the batch's; Keras
    stores the biased one, which differs where a map has few pixels (spec, section 7, 14). Keras
    also takes the variance as the difference of two large means, which rounding can make anything
    where features vary little.
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
        inputs = _in_full(inputs)
        pixels = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), inputs.dtype)
        count = _over_devices(pixels)

        def mean(x):
            # Side by side for the rounding, columns first for the time.
            sums = tf.reduce_sum(tf.reduce_sum(x, 2, keepdims=True), 1, keepdims=True)
            return _over_devices(tf.reduce_sum(sums, 0, keepdims=True)) / count

        result, *statistics = normalise(inputs, mean, mean, self.epsilon)
        means, variance = (tf.reshape(s, [-1]) for s in statistics)
        self._store(self.moving_mean, means)
        self._store(self.moving_variance, variance * (count / tf.maximum(count - 1.0, 1.0)))
        return tf.cast(result, self.compute_dtype)

    def _store(self, moving, value):
        before = tf.convert_to_tensor(moving)
        value = tf.cast(value, before.dtype)
        moving.assign(self.momentum * before + (1.0 - self.momentum) * value)

    def get_config(self):
        """Constructor arguments."""
        base = keras.layers.Layer.get_config(self)
        return base | {"momentum": self.momentum, "epsilon": self.epsilon}


def _over_devices(value: tf.Tensor) -> tf.Tensor:
    """The sum over devices of what each has; outside of them, as it is."""
    context = tf.distribute.get_replica_context()
    return value if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, value)
