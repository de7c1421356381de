"""G_g of cross-view translation: two up blocks and a 7x7 convolution (spec, section 1)."""

import keras
import tensorflow as tf

from lggan_tf.layers.blocks import UpBlock, build_in_turn
from lggan_tf.layers.convolution import PaddedConv2D


@keras.saving.register_keras_serializable(package="lggan_tf")
class ResnetGlobalGenerator(keras.Model):
    """I_g = G_g(E(S)) from the encoder's features alone.

    Args:
        filters: channels at full size.
        initializer: "normal" or "xavier".
    """

    def __init__(self, filters: int = 64, initializer: str = "normal", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.initializer = filters, initializer
        self.up = [UpBlock(filters * 2, initializer), UpBlock(filters, initializer)]
        self.to_image = PaddedConv2D(3, 7, pad=3, padding_mode="reflect", initializer=initializer)

    def build(self, encoded_shape):
        """Creates the variables."""
        build_in_turn([*self.up, self.to_image], encoded_shape[-1])

    def call(self, encoded, conditions=None, training=None):
        """E(S) `[B,H/4,W/4,4 filters]` -> I_g `[B,H,W,3]` in [-1, 1]; ignores `conditions`."""
        for block in self.up:
            encoded = block(encoded)
        return tf.tanh(self.to_image(encoded))

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"filters": self.filters, "initializer": self.initializer}
