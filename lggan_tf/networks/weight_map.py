"""The weight map generator G_w (paper, equation 5)."""

import keras
import tensorflow as tf

from lggan_tf.layers.blocks import UpBlock, build_in_turn
from lggan_tf.layers.convolution import PaddedConv2D


@keras.saving.register_keras_serializable(package="lggan_tf")
class WeightMapGenerator(keras.Model):
    """[W_l, W_g] = softmax(G_w(E(S))), per pixel over the two channels.

    Args:
        filters: channels at full size.
        initializer: "normal" or "xavier".
    """

    def __init__(self, filters: int = 64, initializer: str = "normal", **kwargs):
        super().__init__(**kwargs)
        self.filters, self.initializer = filters, initializer
        self.up = [UpBlock(filters * 2, initializer), UpBlock(filters, initializer)]
        self.to_weights = PaddedConv2D(2, 1, initializer=initializer)

    def build(self, encoded_shape):
        """Creates the variables."""
        build_in_turn([*self.up, self.to_weights], encoded_shape[-1])

    def call(self, encoded, training=None):
        """E(S) `[B,H/4,W/4,4 filters]` -> `weight_local`, `weight_global` `[B,H,W,1]`, sum 1."""
        for block in self.up:
            encoded = block(encoded)
        weights = tf.nn.softmax(self.to_weights(encoded), axis=-1)
        return {"weight_local": weights[..., :1], "weight_global": weights[..., 1:]}

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"filters": self.filters, "initializer": self.initializer}
