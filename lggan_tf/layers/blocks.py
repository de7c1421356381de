"""Blocks of the ResNet-style parts (spec, section 1). IN is instance normalisation."""

import keras
import tensorflow as tf

from lggan_tf.layers.convolution import PaddedConv2D, UpConv2D
from lggan_tf.layers.normalization import instance_norm


class _ConfiguredLayer(keras.layers.Layer):
    """A layer whose configuration is `filters` and `initializer`."""

    def __init__(self, filters: int, initializer: str = "normal", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.initializer = initializer

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"filters": self.filters, "initializer": self.initializer}


@keras.saving.register_keras_serializable(package="lggan_tf")
class StemBlock(_ConfiguredLayer):
    """Reflection padding 3, 7x7 convolution, IN, ReLU: `[B,H,W,C] -> [B,H,W,filters]`."""

    def __init__(self, filters: int, initializer: str = "normal", **kwargs):
        super().__init__(filters, initializer, **kwargs)
        self.convolution = PaddedConv2D(
            filters, 7, pad=3, padding_mode="reflect", initializer=initializer
        )
        self.norm = instance_norm()

    def call(self, inputs):
        """`[B,H,W,C] -> [B,H,W,filters]`."""
        return tf.nn.relu(self.norm(self.convolution(inputs)))


@keras.saving.register_keras_serializable(package="lggan_tf")
class DownBlock(_ConfiguredLayer):
    """3x3 convolution of stride 2 with zero padding 1, IN, ReLU: halves height and width."""

    def __init__(self, filters: int, initializer: str = "normal", **kwargs):
        super().__init__(filters, initializer, **kwargs)
        self.convolution = PaddedConv2D(filters, 3, strides=2, pad=1, initializer=initializer)
        self.norm = instance_norm()

    def call(self, inputs):
        """`[B,H,W,C] -> [B,H/2,W/2,filters]`."""
        return tf.nn.relu(self.norm(self.convolution(inputs)))


@keras.saving.register_keras_serializable(package="lggan_tf")
class UpBlock(_ConfiguredLayer):
    """Transposed convolution, IN, ReLU: doubles height and width."""

    def __init__(self, filters: int, initializer: str = "normal", **kwargs):
        super().__init__(filters, initializer, **kwargs)
        self.convolution = UpConv2D(filters, initializer=initializer)
        self.norm = instance_norm()

    def call(self, inputs):
        """`[B,H,W,C] -> [B,2H,2W,filters]`."""
        return tf.nn.relu(self.norm(self.convolution(inputs)))


@keras.saving.register_keras_serializable(package="lggan_tf")
class ResidualBlock(keras.layers.Layer):
    """x + f(x), f two reflection-padded 3x3 convolutions, each with IN; ReLU between.

    There is none after the sum.     Its kernels always start at N(0, 0.02), as the authors' do.
    """

    def __init__(self, filters: int, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.convolution_1 = PaddedConv2D(filters, 3, pad=1, padding_mode="reflect")
        self.norm_1 = instance_norm()
        self.convolution_2 = PaddedConv2D(filters, 3, pad=1, padding_mode="reflect")
        self.norm_2 = instance_norm()

    def call(self, inputs):
        """`[B,H,W,filters] -> [B,H,W,filters]`."""
        hidden = tf.nn.relu(self.norm_1(self.convolution_1(inputs)))
        return inputs + self.norm_2(self.convolution_2(hidden))

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"filters": self.filters}
