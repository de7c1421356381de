"""Spatially-adaptive normalisation and its residual block (Park et al. 2019; spec, section 4)."""

from typing import NamedTuple

import keras
import tensorflow as tf

from lggan_tf.layers.convolution import PaddedConv2D, convolve
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
        takes_batch = self.norm.takes_batch(training)
        weights = self._weights(with_norm=not takes_batch)
        if takes_batch:
            inputs = self.norm(inputs, training=True)
        if windows is None:
            return self._modulate(inputs, semantic, weights)
        return tf.cond(
            windows.outer.are_few,
            lambda: self._modulate_by_windows(inputs, windows, weights),
            lambda: self._modulate(inputs, semantic, weights),
        )

    def fold(self) -> None:
        """For inference alone: the norm becomes part of the convolutions behind it, for good."""
        if self.folded:
            return
        for convolution, (kernel, bias) in zip(
            (self.gamma, self.beta), self._weights(with_norm=True), strict=True
        ):
            convolution.kernel.assign(kernel)
            convolution.bias.assign(bias)
        self.folded = True

    def _weights(self, with_norm):
        """Kernels `[3,3,hidden,filters]` and biases of 1 + gamma and of beta.

        `with_norm` they modulate x itself, as the norm's stored statistics are in them: one pass
        over the weights instead of two over x. With mean m, variance v and a = 1 / sqrt(v + e),
        norm(x) * (1 + gamma) + beta is x * a (1 + gamma) + (beta - m a (1 + gamma)).
        """
        dtype = self.variable_dtype
        scale = tf.cast(self.gamma.kernel, dtype), tf.cast(self.gamma.bias, dtype)
        offset = tf.cast(self.beta.kernel, dtype), tf.cast(self.beta.bias, dtype)
        if self.folded:
            return scale, offset
        scale = scale[0], 1.0 + scale[1]
        if with_norm:
            factor, shift = self.norm.stored_affine()
            offset = tuple(o + s * shift for o, s in zip(offset, scale, strict=True))
            scale = tuple(s * factor for s in scale)
        return scale, offset

    def _modulate(self, inputs, semantic, weights):
        hidden = tf.nn.relu(self.shared(semantic))

        def modulation(kernel, bias):
            convolved = convolve(hidden, tf.cast(kernel, hidden.dtype), padding=1)
            return convolved + tf.cast(bias, hidden.dtype)

        return _scale_and_shift(inputs, *(lambda w=w: modulation(*w) for w in weights))

    def _modulate_by_windows(self, inputs, windows, weights):
        dtype = self.compute_dtype
        values, bias = tf.cast(windows.values, dtype), tf.cast(self.shared.bias, dtype)
        hidden = convolve_ids(windows.inner, values, tf.cast(self.shared.kernel, dtype))
        hidden = tf.cast(tf.nn.relu(hidden + tf.cast(bias, hidden.dtype)), dtype)
        kernel, bias = (tf.cast(tf.concat(w, axis=-1), dtype) for w in zip(*weights, strict=True))
        # Behind the edge of the image hidden channels are 0, not relu(bias).
        table = convolve_columns(windows.outer, tf.pad(hidden, [[1, 0], [0, 0]]), kernel)
        table = tf.cast(table + tf.cast(bias, table.dtype), dtype)

        def modulation(part):
            return tf.reshape(spread(windows.outer, part), tf.shape(inputs))

        parts = table[:, : self.filters], table[:, self.filters :]
        return _scale_and_shift(inputs, *(lambda p=p: modulation(p) for p in parts))

    def get_config(self):
        """Constructor arguments."""
        own = {"filters": self.filters, "hidden": self.hidden, "initializer": self.initializer}
        return super().get_config() | own


def _scale_and_shift(inputs, scale, offset):
    """Inputs * scale() + offset(), which are made one after the other: each is as large as x."""
    scaled = inputs * scale()
    with tf.control_dependencies([scaled]):
        return scaled + offset()


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
        with tf.control_dependencies([shortcut]):  # not both at once: each holds several x
            x = modulate(self.norm_0, inputs)
        x = tf.nn.leaky_relu(x, LEAKY_SLOPE)
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
