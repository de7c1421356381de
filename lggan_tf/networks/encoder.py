"""The shared encoder E (paper, section 3.1)."""

import keras

from lggan_tf.layers.blocks import DownBlock, ResidualBlock, StemBlock, build_in_turn
from lggan_tf.layers.label_windows import LabelMap


@keras.saving.register_keras_serializable(package="lggan_tf")
class Encoder(keras.Model):
    """Stem, two down blocks and, in cross-view translation, the residual blocks.

    Args:
        filters: channels at full size; the result has four times as many.
        residual_blocks: number of residual blocks at the end.
        initializer: "normal" or "xavier".
    """

    def __init__(
        self, filters: int = 64, residual_blocks: int = 0, initializer: str = "normal", **kwargs
    ):
        super().__init__(**kwargs)
        self.filters, self.residual_blocks, self.initializer = filters, residual_blocks, initializer
        self.stem = StemBlock(filters, initializer)
        self.down = [DownBlock(filters * n, initializer) for n in (2, 4)]
        self.residual = [ResidualBlock(filters * 4) for _ in range(residual_blocks)]

    def build(self, inputs_shape):
        """Creates the variables."""
        build_in_turn([self.stem, *self.down, *self.residual], inputs_shape[-1])

    def call(self, inputs, training=None, label_map: LabelMap | None = None):
        """Conditions `[B,H,W,C] -> [B,H/4,W/4,4 filters]`.

        Args:
            inputs: the conditions.
            training: unused, there is no state.
            label_map: the same by symbols (`StemBlock.call`), or None.
        """
        x = self.stem(inputs, label_map=label_map)
        for block in (*self.down, *self.residual):
            x = block(x)
        return x

    def get_config(self):
        """Constructor arguments."""
        own = {
            "filters": self.filters,
            "residual_blocks": self.residual_blocks,
            "initializer": self.initializer,
        }
        return super().get_config() | own
