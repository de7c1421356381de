"""The local generator G_l: sub-generators and classification head (paper, section 3.2)."""

import keras

from lggan_tf.layers.blocks import ResidualBlock, UpBlock, build_in_turn
from lggan_tf.layers.class_pooling import ClassSpecificPooling
from lggan_tf.layers.class_specific import ClassSpecificConv2D
from lggan_tf.layers.initializers import kernel_initializer


@keras.saving.register_keras_serializable(package="lggan_tf")
class LocalGenerator(keras.Model):
    """Features f', a class image per class from M_i * f', the local image from those.

    Args:
        num_classes: K, the number of sub-generators.
        filters: channels of f'.
        residual_blocks: residual blocks before the up blocks (semantic synthesis: 9; cross-view:
            0).
        merge: "sum" or "conv" (`ClassSpecificConv2D`).
        num_classified: rows and logits of the classification head; 0: no head (cross-view). The
            first `num_classified` classes take part.
        initializer: "normal" or "xavier".
        implementation: of the class-specific convolution.
        rank: of the class-specific convolution.
    """

    def __init__(
        self,
        num_classes: int,
        filters: int = 64,
        residual_blocks: int = 0,
        merge: str = "sum",
        num_classified: int = 0,
        initializer: str = "normal",
        implementation: str = "auto",
        rank: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes, self.filters, self.residual_blocks = num_classes, filters, residual_blocks
        self.merge, self.num_classified, self.initializer = merge, num_classified, initializer
        self.residual = [ResidualBlock(filters * 4) for _ in range(residual_blocks)]
        self.up = [UpBlock(filters * 2, initializer), UpBlock(filters, initializer)]
        self.class_convolution = ClassSpecificConv2D(
            3, 7, num_classes, "tanh", merge, initializer, implementation, rank
        )
        if num_classified:
            self.pooling = ClassSpecificPooling(num_classes)
            # The authors draw this layer like their kernels.
            self.classifier = keras.layers.Dense(
                num_classified, kernel_initializer=kernel_initializer(initializer)
            )

    def build(self, encoded_shape):
        """Creates the variables."""
        channels = build_in_turn([*self.residual, *self.up], encoded_shape[-1])
        self.class_convolution.build((None, None, None, channels))
        if self.num_classified:
            self.classifier.build((None, None, channels))

    def call(
        self,
        encoded,
        labels,
        training=None,
        target=None,
        target_masks=None,
        class_weights=None,
    ):
        """E(S) `[B,H/4,W/4,4 filters]`, labels `[B,H,W]` int -> dict.

        Args:
            encoded: E(S).
            labels: who owns each pixel.
            training: unused, there is no state.
            target: `[B,H,W,3]`, what the class images are compared with, or None.
            target_masks: whose mask a class's target has (`ClassSpecificConv2D.call`).
            class_weights: how much a class counts in `class_l1`.

        Returns:
            `image_local` `[B,H,W,3]` (a sum of tanh leaves [-1, 1]); with a target `class_l1`
            `[B]`, the weighted sum over classes of mean |I_{l,i} - M_i * target|; with a
            classification head `class_logits` `[B,num_classified,num_classified]`, row i of class
            i's features.
        """
        x = encoded
        for block in (*self.residual, *self.up):
            x = block(x)
        if target is None:
            outputs = {"image_local": self.class_convolution(x, labels)}
        else:
            image, class_l1 = self.class_convolution(
                x, labels, target=target, target_masks=target_masks, class_weights=class_weights
            )
            outputs = {"image_local": image, "class_l1": class_l1}
        if self.num_classified:
            pooled = self.pooling(x, labels)[:, : self.num_classified]
            outputs["class_logits"] = self.classifier(pooled)
        return outputs

    def get_config(self):
        """Constructor arguments."""
        own = {
            "num_classes": self.num_classes,
            "filters": self.filters,
            "residual_blocks": self.residual_blocks,
            "merge": self.merge,
            "num_classified": self.num_classified,
            "initializer": self.initializer,
            "implementation": self.class_convolution.implementation,
            "rank": self.class_convolution.rank,
        }
        return super().get_config() | own
