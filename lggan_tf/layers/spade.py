"""Spatially-adaptive normalisation and its residual block (Park et al. 2019; spec, section 4)."""

from typing import NamedTuple

import keras
import tensorflow as tf

from lggan_tf.layers.convolution import PaddedConv2D
from lggan_tf.layers.label_windows import (
    LabelMap,
    LabelWindows,
    convolve_columns,
    convolve_ids,
    label_windows,
    spread,
)
from lggan_tf.layers.normalization import BatchNorm
from lggan_tf.layers.spectral import SpectralConv2D

LEAKY_SLOPE = 0.2
# Pixels of a batch of maps below which nearly every window is distinct.
FEWEST_PIXELS = 256


class SpadeWindows(NamedTuple):
    """The 5x5 windows of labels that gamma and beta are functions of, shared by norms of a scale.

    Attributes:
        inner: the 3x3 windows of symbols, on which the hidden channels depend.
        outer: the 3x3 windows of those.
        values: `[S+1,C]`, the semantic channels of every symbol; zeros, outside the image, first.
    """

    inner: LabelWindows
    outer: LabelWindows
    values: tf.Tensor


def spade_windows(labels: LabelMap | None) -> SpadeWindows | None:
    """The windows of a map already at the size of x; None for none and for tiny ones."""
    if labels is None or _num_pixels(labels.symbols) < FEWEST_PIXELS:
        return None
    inner = label_windows(_surrounded(labels.symbols), 3)
    outer = label_windows(_surrounded(tf.reshape(inner.places, tf.shape(labels.symbols))), 3)
    # Inner windows are part of outer ones; with too many of those the inner ones are not used.
    outer = outer._replace(are_few=inner.are_few & outer.are_few)
    return SpadeWindows(inner, outer, tf.pad(labels.values, [[1, 0], [0, 0]]))


def _num_pixels(symbols):
    return symbols.shape.num_elements() or FEWEST_PIXELS


def _surrounded(ids):
    """Ids from 1, in a margin of one pixel of 0."""
    return tf.pad(ids + 1, [[0, 0], [1, 1], [1, 1]])


@keras.saving.register_keras_serializable(package="lggan_tf")
class SPADE(keras.layers.Layer):
    """norm(x) * (1 + gamma(s)) + beta(s), gamma and beta 3x3 convolutions of relu(conv3x3(s)).

    Args:
        filters: channels of x.
        hidden: channels between the two convolutions of the semantic map.
        initializer: "normal" or "xavier".
    """

    folded = False

    def __init__(self, filters: int, hidden: int = 128, initializer: str = "xavier", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.hidden, self.initializer = filters, hidden, initializer
        self.norm = BatchNorm()
        self.shared = PaddedConv2D(hidden, 3, pad=1, initializer=initializer)
        self.gamma = PaddedConv2D(filters, 3, pad=1, initializer=initializer)
        self.beta = PaddedConv2D(filters, 3, pad=1, initializer=initializer)

    def build(self, inputs_shape, semantic_shape=None):
        """Creates the variables."""
        self.norm.build(inputs_shape)
        self.shared.build(semantic_shape)
        for convolution in (self.gamma, self.beta):
            convolution.build((*semantic_shape[:-1], self.hidden))

    def call(self, inputs, semantic, training=None, windows: SpadeWindows | None = None):
        """Normalises and modulates.

        Args:
            inputs: x `[B,h,w,filters]`.
            semantic: s `[B,h,w,S]` already at x's size.
            training: whether the norm takes the batch's statistics.
            windows: those of s where it is a map of labels; then gamma and beta are computed for
                each distinct one, if they are few. The result differs by rounding alone.

        Returns:
            `[B,h,w,filters]`.

        Raises:
            ValueError: `training` after `fold`.
        """
        if self.folded and training:
            raise ValueError("the layer was folded, so it cannot be trained any more")
        if windows is None:
            scale, offset = self._modulation(semantic)
        else:
            scale, offset = tf.cond(
                windows.outer.are_few,
                lambda: self._modulation_by_windows(windows, tf.shape(semantic)),
                lambda: self._modulation(semantic),
            )
        normalised = inputs if self.folded else self.norm(inputs, training=training)
        return normalised * scale + offset

    def fold(self) -> None:
        """For inference alone: the norm becomes part of the convolutions behind it.

        With mean m, variance v and a = 1 / sqrt(v + epsilon), norm(x) * (1 + gamma) + beta is
        x * a (1 + gamma) + (beta - m a (1 + gamma)), and both factors are convolutions as before.
        """
        if self.folded:
            return
        gain = tf.math.rsqrt(self.norm.moving_variance + self.norm.epsilon)
        kernel, bias = self.gamma.kernel * gain, (1.0 + self.gamma.bias) * gain
        mean = tf.convert_to_tensor(self.norm.moving_mean)
        self.beta.kernel.assign(self.beta.kernel - kernel * mean)
        self.beta.bias.assign(self.beta.bias - bias * mean)
        self.gamma.kernel.assign(kernel)
        self.gamma.bias.assign(bias)
        self.folded = True

    def _modulation(self, semantic):
        """Factor and offset, 1 + gamma and beta, `[B,h,w,filters]` each."""
        hidden = tf.nn.relu(self.shared(semantic))
        return self._factor(self.gamma(hidden)), self.beta(hidden)

    def _factor(self, gamma):
        # The 1 is part of a folded bias: added apart it would cost digits of a small gain.
        return gamma if self.folded else 1.0 + gamma

    def _modulation_by_windows(self, windows, shape):
        dtype = self.compute_dtype
        values = tf.cast(windows.values, dtype)

        def weights(*convolutions):
            kernels = tf.concat([tf.cast(c.kernel, dtype) for c in convolutions], axis=-1)
            return kernels, tf.concat([tf.cast(c.bias, dtype) for c in convolutions], axis=-1)

        kernel, bias = weights(self.shared)
        hidden = convolve_ids(windows.inner, values, kernel)
        hidden = tf.cast(tf.nn.relu(hidden + tf.cast(bias, hidden.dtype)), dtype)
        kernel, bias = weights(self.gamma, self.beta)
        # Behind the edge of the image hidden channels are 0, not relu(bias).
        table = convolve_columns(windows.outer, tf.pad(hidden, [[1, 0], [0, 0]]), kernel)
        table += tf.cast(bias, table.dtype)
        shape = tf.concat([shape[:-1], [self.filters]], 0)
        return tuple(
            tf.reshape(spread(windows.outer, tf.cast(part, dtype)), shape)
            for part in (self._factor(table[:, : self.filters]), table[:, self.filters :])
        )

    def get_config(self):
        """Constructor arguments."""
        own = {"filters": self.filters, "hidden": self.hidden, "initializer": self.initializer}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="lggan_tf")
class SPADEResnetBlock(keras.layers.Layer):
    """shortcut(x) + conv(lrelu(SPADE(conv(lrelu(SPADE(x)))))).

    All convolutions are spectrally normalised. The shortcut is SPADE and a 1x1 convolution
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

    def build(self, inputs_shape, semantic_shape=None):
        """Creates the variables."""
        middle = (*inputs_shape[:-1], self.convolution_0.filters)
        self.norm_0.build(inputs_shape, semantic_shape)
        self.convolution_0.build(inputs_shape)
        self.norm_1.build(middle, semantic_shape)
        self.convolution_1.build(middle)
        if self.learns_shortcut:
            self.norm_s.build(inputs_shape, semantic_shape)
            self.convolution_s.build(inputs_shape)

    def call(self, inputs, semantic, training=None, windows: SpadeWindows | None = None):
        """X `[B,h,w,in_filters]`, semantic `[B,h,w,S]` (`SPADE.call`) -> `[B,h,w,filters]`."""

        def modulate(norm, x):
            return norm(x, semantic, training=training, windows=windows)

        shortcut = inputs
        if self.learns_shortcut:
            shortcut = self.convolution_s(modulate(self.norm_s, inputs), training=training)
        x = tf.nn.leaky_relu(modulate(self.norm_0, inputs), LEAKY_SLOPE)
        x = self.convolution_0(x, training=training)
        x = tf.nn.leaky_relu(modulate(self.norm_1, x), LEAKY_SLOPE)
        return shortcut + self.convolution_1(x, training=training)

    def fold(self) -> None:
        """For inference alone: folds the norms and the spectral normalisation into kernels."""
        layers = [self.norm_0, self.convolution_0, self.norm_1, self.convolution_1]
        if self.learns_shortcut:
            layers += [self.norm_s, self.convolution_s]
        for layer in layers:
            layer.fold()

    def get_config(self):
        """Constructor arguments."""
        own = {
            "in_filters": self.in_filters,
            "filters": self.filters,
            "hidden": self.hidden,
            "initializer": self.initializer,
        }
        return super().get_config() | own
