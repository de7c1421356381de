"""The discriminators D_s and D_i (paper, section 3.4; spec, sections 2 and 5).

Both judge a condition and an image, concatenated: D_s the semantic map, D_i the source image. The
result is a list over scales of lists of feature maps, logits last. The probability of the authors'
cross-view discriminator is sigmoid(logits).
"""

import keras
import tensorflow as tf

from lggan_tf.layers.blocks import build_in_turn
from lggan_tf.layers.convolution import PaddedConv2D
from lggan_tf.layers.normalization import InstanceNorm
from lggan_tf.layers.spade import LEAKY_SLOPE
from lggan_tf.layers.spectral import SpectralConv2D


@keras.saving.register_keras_serializable(package="lggan_tf")
class PatchDiscriminator(keras.Model):
    """4x4 convolutions of stride 2 (the last: 1), then a prediction per patch (Isola et al. 2017).

    Args:
        filters: channels of the first layer; they double per layer up to 8 times as many.
        num_layers: convolutions before the prediction.
        pad: zero padding of every convolution: 1 (cross-view) or 2 (semantic synthesis).
        spectral: spectral normalisation and no bias in the middle layers (semantic synthesis).
        initializer: "normal" or "xavier".
    """

    def __init__(
        self,
        filters: int = 64,
        num_layers: int = 4,
        pad: int = 1,
        spectral: bool = False,
        initializer: str = "normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.num_layers, self.pad = filters, num_layers, pad
        self.spectral, self.initializer = spectral, initializer
        common = {"kernel_size": 4, "pad": pad, "initializer": initializer}
        self.convolutions, self.norms = [], []
        for index in range(num_layers):
            kind = SpectralConv2D if spectral and index else PaddedConv2D
            self.convolutions.append(
                kind(
                    filters * min(2**index, 8),
                    strides=1 if index == num_layers - 1 and index else 2,
                    use_bias=index == 0 or not spectral,
                    **common,
                )
            )
            if index:
                self.norms.append(InstanceNorm())
        self.to_logits = PaddedConv2D(1, **common)

    def build(self, inputs_shape):
        """Creates the variables."""
        build_in_turn([*self.convolutions, self.to_logits], inputs_shape[-1])

    def call(self, inputs, training=None):
        """`[B,H,W,C]` -> feature maps of every layer, then logits `[B,h,w,1]`."""
        features, x = [], inputs
        for index, convolution in enumerate(self.convolutions):
            x = convolution(x, training=training) if self.spectral and index else convolution(x)
            if index:
                x = self.norms[index - 1](x)
            x = tf.nn.leaky_relu(x, LEAKY_SLOPE)
            features.append(x)
        return [*features, self.to_logits(x)]

    def get_config(self):
        """Constructor arguments."""
        own = {
            "filters": self.filters,
            "num_layers": self.num_layers,
            "pad": self.pad,
            "spectral": self.spectral,
            "initializer": self.initializer,
        }
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="lggan_tf")
class MultiscaleDiscriminator(keras.Model):
    """A `PatchDiscriminator` per scale, each at half the size of the last (Wang et al. 2018).

    Args:
        num_scales: number of scales; 1 is a plain patch discriminator.
        filters, num_layers, pad, spectral, initializer: as in `PatchDiscriminator`.
    """

    def __init__(
        self,
        num_scales: int = 2,
        filters: int = 64,
        num_layers: int = 4,
        pad: int = 2,
        spectral: bool = True,
        initializer: str = "xavier",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_scales, self.filters, self.num_layers = num_scales, filters, num_layers
        self.pad, self.spectral, self.initializer = pad, spectral, initializer
        self.scales = [
            PatchDiscriminator(filters, num_layers, pad, spectral, initializer)
            for _ in range(num_scales)
        ]

    def build(self, inputs_shape):
        """Creates the variables."""
        for scale in self.scales:
            scale.build(inputs_shape)

    def call(self, inputs, training=None):
        """`[B,H,W,C]` -> per scale, the largest first: feature maps, then logits `[B,h,w,1]`."""
        results = []
        for index, scale in enumerate(self.scales):
            if index:
                inputs = _halve(inputs)
            results.append(scale(inputs, training=training))
        return results

    def get_config(self):
        """Constructor arguments."""
        own = {
            "num_scales": self.num_scales,
            "filters": self.filters,
            "num_layers": self.num_layers,
            "pad": self.pad,
            "spectral": self.spectral,
            "initializer": self.initializer,
        }
        return super().get_config() | own


def _halve(images: tf.Tensor) -> tf.Tensor:
    """3x3 mean of stride 2 with one pixel of padding on each side that does not count.

    TensorFlow's "SAME" would pad (0, 1) on even sides; padding by hand and "VALID" would count the
    zeros.
    """
    ones = tf.ones_like(images[:1, :, :, :1])
    sums, counts = (
        tf.nn.avg_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID")
        for x in (images, ones)
    )
    return sums / counts
