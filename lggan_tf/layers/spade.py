"""Spatially-adaptive normalisation and its residual block (Park et al. 2019; spec, section 4)."""

import keras
import tensorflow as tf

from lggan_tf.layers.convolution import PaddedConv2D
from lggan_tf.layers.normalization import BatchNorm
from lggan_tf.layers.spectral import SpectralConv2D

LEAKY_SLOPE = 0.2


@keras.saving.register_keras_serializable(package="lggan_tf")
class SPADE(keras.layers.Layer):
    """norm(x) * (1 + gamma(s)) + beta(s), gamma and beta 3x3 convolutions of relu(conv3x3(s)).

    Args:
        filters: channels of x.
        hidden: channels between the two convolutions of the semantic map.
        initializer: "normal" or "xavier".
    """

    def __init__(self, filters: int, hidden: int = 128, initializer: str = "xavier", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.hidden, self.initializer = filters, hidden, initializer
        self.norm = BatchNorm()
        self.shared = PaddedConv2D(hidden, 3, pad=1, initializer=initializer)
        self.gamma = PaddedConv2D(filters, 3, pad=1, initializer=initializer)
        self.beta = PaddedConv2D(filters, 3, pad=1, initializer=initializer)

    def call(self, inputs, semantic, training=None):
        """X `[B,h,w,filters]`, semantic `[B,h,w,S]` already at x's size -> `[B,h,w,filters]`."""
        hidden = tf.nn.relu(self.shared(semantic))
        return self.norm(inputs, training=training) * (1.0 + self.gamma(hidden)) + self.beta(hidden)

    def get_config(self):
        """Constructor arguments."""
        own = {"filters": self.filters, "hidden": self.hidden, "initializer": self.initializer}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="lggan_tf")
class SPADEResnetBlock(keras.layers.Layer):
    """shortcut(x) + conv(lrelu(SPADE(conv(lrelu(SPADE(x)))))).

    All convolutions are spectrally normalised.     The shortcut is SPADE and a 1x1 convolution
    without bias where the number of channels changes, else x.

    Args:
        in_filters: channels of x.
        filters: channels of the result.
        hidden: SPADE's hidden channels.
        initializer: "normal" or "xavier".
    """

    def __init__(
        self,
        in_filters: int,
        filters: int,
        hidden: int = 128,
        initializer: str = "xavier",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.in_filters, self.filters = in_filters, filters
        self.hidden, self.initializer = hidden, initializer
        middle = min(in_filters, filters)
        self.norm_0 = SPADE(in_filters, hidden, initializer)
        self.convolution_0 = SpectralConv2D(middle, 3, pad=1, initializer=initializer)
        self.norm_1 = SPADE(middle, hidden, initializer)
        self.convolution_1 = SpectralConv2D(filters, 3, pad=1, initializer=initializer)
        self.learns_shortcut = in_filters != filters
        if self.learns_shortcut:
            self.norm_s = SPADE(in_filters, hidden, initializer)
            self.convolution_s = SpectralConv2D(filters, 1, use_bias=False, initializer=initializer)

    def call(self, inputs, semantic, training=None):
        """X `[B,h,w,in_filters]`, semantic `[B,h,w,S]` -> `[B,h,w,filters]`."""
        shortcut = inputs
        if self.learns_shortcut:
            shortcut = self.norm_s(inputs, semantic, training=training)
            shortcut = self.convolution_s(shortcut, training=training)
        x = tf.nn.leaky_relu(self.norm_0(inputs, semantic, training=training), LEAKY_SLOPE)
        x = self.convolution_0(x, training=training)
        x = tf.nn.leaky_relu(self.norm_1(x, semantic, training=training), LEAKY_SLOPE)
        return shortcut + self.convolution_1(x, training=training)

    def get_config(self):
        """Constructor arguments."""
        own = {
            "in_filters": self.in_filters,
            "filters": self.filters,
            "hidden": self.hidden,
            "initializer": self.initializer,
        }
        return super().get_config() | own
