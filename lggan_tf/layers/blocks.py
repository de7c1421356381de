"""Blocks of the ResNet-style parts (spec, section 1). IN is instance normalisation.

Layers that hold others say in `build` of which shape their variables are: Keras would find out by
tracing a call, and one within the other, which takes longer than all else at a start.
"""

from collections.abc import Iterable

import keras
import tensorflow as tf

from lggan_tf.layers.convolution import PaddedConv2D, UpConv2D
from lggan_tf.layers.label_windows import LabelMap, convolve_ids, label_windows, spread
from lggan_tf.layers.normalization import InstanceNorm


def build_in_turn(layers: Iterable[keras.layers.Layer], channels: int) -> int:
    """Creates the variables of layers behind each other and returns the last one's channels.

    Args:
        layers: layers and blocks that have `filters`.
        channels: those of the first one's input.
    """
    for layer in layers:
        layer.build((None, None, None, channels))
        channels = layer.filters
    return channels


class _ConfiguredLayer(keras.layers.Layer):
    """A layer whose configuration is `filters` and `initializer`."""

    def __init__(self, filters: int, initializer: str = "normal", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.initializer = initializer

    def build(self, inputs_shape):
        """Creates the variables."""
        self.convolution.build(inputs_shape)

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
        self.norm = InstanceNorm()

    def call(self, inputs, label_map: LabelMap | None = None):
        """`[B,H,W,C] -> [B,H,W,filters]`.

        Args:
            inputs: the conditions.
            label_map: the same by symbols; then the convolution is computed for each distinct
                window of labels, if they are few. The result differs by rounding alone.
        """
        if label_map is None:
            convolved = self.convolution(inputs)
        else:
            margin = [[0, 0], [3, 3], [3, 3]]
            windows = label_windows(tf.pad(label_map.symbols, margin, "REFLECT"), 7)
            convolved = tf.cond(
                windows.are_few,
                lambda: self._convolve_by_windows(windows, label_map.values, tf.shape(inputs)),
                lambda: self.convolution(inputs),
            )
        return tf.nn.relu(self.norm(convolved))

    def _convolve_by_windows(self, windows, values, shape):
        dtype = self.compute_dtype
        kernel, bias = (tf.cast(w, dtype) for w in (self.convolution.kernel, self.convolution.bias))
        table = convolve_ids(windows, tf.cast(values, dtype), kernel)
        table = tf.cast(table + tf.cast(bias, table.dtype), dtype)
        return tf.reshape(spread(windows, table), tf.concat([shape[:-1], [self.filters]], 0))


@keras.saving.register_keras_serializable(package="lggan_tf")
class DownBlock(_ConfiguredLayer):
    """3x3 convolution of stride 2 with zero padding 1, IN, ReLU: halves height and width."""

    def __init__(self, filters: int, initializer: str = "normal", **kwargs):
        super().__init__(filters, initializer, **kwargs)
        self.convolution = PaddedConv2D(filters, 3, strides=2, pad=1, initializer=initializer)
        self.norm = InstanceNorm()

    def call(self, inputs):
        """`[B,H,W,C] -> [B,H/2,W/2,filters]`."""
        return tf.nn.relu(self.norm(self.convolution(inputs)))


@keras.saving.register_keras_serializable(package="lggan_tf")
class UpBlock(_ConfiguredLayer):
    """Transposed convolution, IN, ReLU: doubles height and width."""

    def __init__(self, filters: int, initializer: str = "normal", **kwargs):
        super().__init__(filters, initializer, **kwargs)
        self.convolution = UpConv2D(filters, initializer=initializer)
        self.norm = InstanceNorm()

    def call(self, inputs):
        """`[B,H,W,C] -> [B,2H,2W,filters]`."""
        return tf.nn.relu(self.norm(self.convolution(inputs)))


@keras.saving.register_keras_serializable(package="lggan_tf")
class ResidualBlock(keras.layers.Layer):
    """x + f(x), f two reflection-padded 3x3 convolutions, each with IN; ReLU between.

    There is none after the sum. Its kernels always start at N(0, 0.02), as the authors' do.
    """

    def __init__(self, filters: int, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.convolution_1 = PaddedConv2D(filters, 3, pad=1, padding_mode="reflect")
        self.norm_1 = InstanceNorm()
        self.convolution_2 = PaddedConv2D(filters, 3, pad=1, padding_mode="reflect")
        self.norm_2 = InstanceNorm()

    def build(self, inputs_shape):
        """Creates the variables."""
        build_in_turn([self.convolution_1, self.convolution_2], inputs_shape[-1])

    def call(self, inputs):
        """`[B,H,W,filters] -> [B,H,W,filters]`."""
        hidden = tf.nn.relu(self.norm_1(self.convolution_1(inputs)))
        return inputs + self.norm_2(self.convolution_2(hidden))

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"filters": self.filters}
