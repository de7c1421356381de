"""G_g of semantic image synthesis: a SPADE decoder on the encoder's features (spec, section 4)."""

import keras
import tensorflow as tf

from lggan_tf.layers.blocks import DownBlock, build_in_turn
from lggan_tf.layers.convolution import PaddedConv2D
from lggan_tf.layers.label_windows import LabelMap
from lggan_tf.layers.spade import LEAKY_SLOPE, SPADEResnetBlock, spade_windows

# Channels of the seven blocks in units of `filters`, input of the first one aside.
WIDTHS = (16, 16, 16, 8, 4, 2, 1)
# Image side over the side of the smallest map -> gaps before blocks 1.. at which the map is
# doubled. The authors' "normal", "more" and "most" are 32, 64 and 128; 16 serves small images.
DOUBLED = {
    16: (3, 4, 5, 6),
    32: (1, 3, 4, 5, 6),
    64: (1, 2, 3, 4, 5, 6),
    128: (1, 2, 3, 4, 5, 6, 7),
}


@keras.saving.register_keras_serializable(package="lggan_tf")
class SpadeGlobalGenerator(keras.Model):
    """I_g: two more down blocks, a resize to the smallest map, SPADE blocks up to full size.

    Args:
        filters: channels at full size; the smallest map has 16 times as many.
        hidden: SPADE's hidden channels.
        latent_stride: image side over the side of the smallest map: 16, 32, 64 or 128.
        initializer: "normal" or "xavier".
    """

    def __init__(
        self,
        filters: int = 64,
        hidden: int = 128,
        latent_stride: int = 32,
        initializer: str = "xavier",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if latent_stride not in DOUBLED:
            raise ValueError(f"latent_stride={latent_stride} is not one of {sorted(DOUBLED)}")
        self.filters, self.hidden, self.initializer = filters, hidden, initializer
        self.latent_stride = latent_stride
        self.doubled = DOUBLED[latent_stride]
        self.down = [DownBlock(filters * n, initializer) for n in (8, 16)]
        widths = [n * filters for n in WIDTHS]
        if latent_stride == 128:
            widths.append(max(filters // 2, 1))
        sizes = zip([widths[0], *widths], widths, strict=False)
        self.blocks = [
            SPADEResnetBlock(before, after, hidden, initializer) for before, after in sizes
        ]
        self.to_image = PaddedConv2D(3, 3, pad=1, initializer=initializer)

    def build(self, encoded_shape, conditions_shape=None):
        """Creates the variables."""
        channels = build_in_turn(self.down, encoded_shape[-1])
        for block in self.blocks:
            block.build((None, None, None, channels), conditions_shape)
            channels = block.filters
        self.to_image.build((None, None, None, channels))

    def call(self, encoded, conditions=None, training=None, label_map: LabelMap | None = None):
        """E(S) `[B,H/4,W/4,4 filters]`, conditions S `[B,H,W,C]` -> I_g `[B,H,W,3]` in [-1, 1].

        Maps are made smaller by taking the top left pixel of each cell, as PyTorch's nearest does.

        Args:
            encoded: E(S).
            conditions: S.
            training: whether batch statistics and power iterations move.
            label_map: the same S by symbols, for SPADE by distinct windows, or None.
        """
        x = encoded
        for block in self.down:
            x = block(x)
        step = self.latent_stride // 16
        x = x[:, ::step, ::step]
        stride, windows = self.latent_stride, {}
        for index, block in enumerate(self.blocks):
            if index in self.doubled:
                x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
                stride //= 2
            if stride not in windows:
                small = label_map and label_map._replace(
                    symbols=label_map.symbols[:, ::stride, ::stride]
                )
                windows[stride] = spade_windows(small)
            semantic = conditions[:, ::stride, ::stride]
            x = block(x, semantic, training=training, windows=windows[stride])
        return tf.tanh(self.to_image(tf.nn.leaky_relu(x, LEAKY_SLOPE)))

    def fold(self) -> None:
        """For inference alone: see `SPADEResnetBlock.fold`."""
        for block in self.blocks:
            block.fold()

    def get_config(self):
        """Constructor arguments."""
        own = {
            "filters": self.filters,
            "hidden": self.hidden,
            "latent_stride": self.latent_stride,
            "initializer": self.initializer,
        }
        return super().get_config() | own
