"""What every pretrained feature network is: frozen float32 convolutions."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf


class FeatureNetwork(keras.Model):
    """Base of the pretrained networks; subclasses implement `call`.

    Call: images `[batch, height, width, 3]`, any float dtype, RGB in [-1, 1] -> list of float32
    feature maps `[batch, height_k, width_k, channels_k]`, fine to coarse. The network scales its
    input as its weights expect.

    Its variables are frozen from birth (a `GradientTape` never watches them), and it computes in
    float32 under a mixed precision policy too: features of unnormalised images overflow float16,
    and a distance needs the digits.

    It is a helper of training and evaluation, not a part of the user's model: whoever holds it
    keeps it out of the model's tracked attributes, or the pretrained weights end up in every
    checkpoint.

    Attributes:
        layer_weights: one float per feature map, the weights of
            `losses.perceptual.perceptual_loss`.
    """

    def __init__(self, layer_weights: tuple[float, ...], name: str):
        """Set what the subclasses have in common; see the attributes above."""
        super().__init__(name=name, dtype="float32", trainable=False)
        self.layer_weights = tuple(layer_weights)


class FrozenConv2D(keras.layers.Layer):
    """Convolution with given, fixed weights and "same" padding, then bias and activation.

    `keras.layers.Conv2D` would create trainable variables first: `trainable = False` hides them
    from Keras, but a tape still watches them. Here there is nothing to freeze.

    Call: `[batch, height, width, in]` float32 -> `[batch, height', width', out]`, where a primed
    size is the size divided by the stride, rounded up.
    """

    def __init__(
        self,
        kernel: np.ndarray,
        bias: np.ndarray,
        strides: int = 1,
        depthwise: bool = False,
        activation: str = "linear",
        name: str | None = None,
    ):
        """Create the variables.

        Args:
            kernel: `[height, width, in, out]`, or `[height, width, in, 1]` if depthwise.
            bias: `[out]`.
            strides: of both directions.
            depthwise: one kernel per channel.
            activation: name of a Keras activation.
            name: of the layer.
        """
        super().__init__(name=name, dtype="float32", trainable=False)
        self.strides = strides
        self.depthwise = depthwise
        self.activation = keras.activations.get(activation)
        self.kernel = self._constant("kernel", kernel)
        self.bias = self._constant("bias", bias)

    def _constant(self, name, value):
        value = np.asarray(value, np.float32)
        return self.add_weight(
            name=name, shape=value.shape, initializer=lambda *_, **__: value, trainable=False
        )

    def call(self, x):
        """Convolve."""
        strides = [1, self.strides, self.strides, 1]
        convolve = tf.nn.depthwise_conv2d if self.depthwise else tf.nn.conv2d
        x = convolve(x, tf.convert_to_tensor(self.kernel), strides, "SAME")
        return self.activation(tf.nn.bias_add(x, tf.convert_to_tensor(self.bias)))
