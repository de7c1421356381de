"""The generator: E, G_g, G_l and G_w composed, and their fusion (paper, equation 6).

Input: a dict of conditions `[B,H,W,*]` float in [-1, 1] or one-hot, by name, and `local_labels`
`[B,H,W]` int32, the sub-generator that owns each pixel. Output: a dict with `image`; the others are
for losses and TensorBoard.
"""

import keras
import tensorflow as tf

from lggan_tf.layers.label_windows import LabelMap
from lggan_tf.networks.encoder import Encoder
from lggan_tf.networks.local_generator import LocalGenerator
from lggan_tf.networks.resnet_global_generator import ResnetGlobalGenerator
from lggan_tf.networks.spade_global_generator import SpadeGlobalGenerator
from lggan_tf.networks.weight_map import WeightMapGenerator


@keras.saving.register_keras_serializable(package="lggan_tf")
class Generator(keras.Model):
    """I = I_g * W_g + I_l * W_l.

    Args:
        num_classes: K, the number of sub-generators.
        conditions: names of the conditions in the order in which they are concatenated.
        filters: channels at full size (the authors' ngf).
        residual_blocks: number of residual blocks.
        residual_blocks_in: "encoder" (cross-view: all branches behind them) or "local" (semantic
            synthesis).
        global_generator: "spade" or "resnet".
        spade_hidden: SPADE's hidden channels.
        latent_stride: image side over the side of SPADE's smallest map.
        branches: "both", "global" or "local", the paper's ablation.
        merge: "sum" or "conv" of class images.
        fusion: "learned" weight maps, or "uniform", one half each.
        num_classified: classes in the classification head; 0: no head.
        initializer: "normal" or "xavier".
        implementation: "auto" lets the cost follow what the labels hold (`ClassSpecificConv2D`,
            `lggan_tf.layers.label_windows`); "dense" computes everything everywhere, which XLA,
            TFLite and TPUs need. The result differs by rounding alone. May be set later, too.
        local_rank: `rank` of the class-specific convolution (`ClassSpecificConv2D`).
    """

    def __init__(
        self,
        num_classes: int,
        conditions: tuple[str, ...] = ("semantic",),
        filters: int = 64,
        residual_blocks: int = 9,
        residual_blocks_in: str = "local",
        global_generator: str = "spade",
        spade_hidden: int = 128,
        latent_stride: int = 32,
        branches: str = "both",
        merge: str = "conv",
        fusion: str = "learned",
        num_classified: int = 0,
        initializer: str = "xavier",
        implementation: str = "auto",
        local_rank: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._settings = {
            "num_classes": num_classes,
            "conditions": tuple(conditions),
            "filters": filters,
            "residual_blocks": residual_blocks,
            "residual_blocks_in": residual_blocks_in,
            "global_generator": global_generator,
            "spade_hidden": spade_hidden,
            "latent_stride": latent_stride,
            "branches": branches,
            "merge": merge,
            "fusion": fusion,
            "num_classified": num_classified,
            "initializer": initializer,
            "local_rank": local_rank,
        }
        self.num_classes, self.conditions = num_classes, tuple(conditions)
        self.branches, self.fusion = branches, fusion
        in_encoder = residual_blocks_in == "encoder"
        self.uses_spade = global_generator == "spade" and branches != "local"
        self.side_multiple = latent_stride if self.uses_spade else 4
        self.encoder = Encoder(filters, residual_blocks if in_encoder else 0, initializer)
        if branches != "local":
            self.global_generator = (
                SpadeGlobalGenerator(filters, spade_hidden, latent_stride, initializer)
                if global_generator == "spade"
                else ResnetGlobalGenerator(filters, initializer)
            )
        if branches != "global":
            self.local_generator = LocalGenerator(
                num_classes,
                filters,
                0 if in_encoder else residual_blocks,
                merge,
                num_classified,
                initializer,
                rank=local_rank,
            )
        if branches == "both" and fusion == "learned":
            self.weight_map = WeightMapGenerator(filters, initializer)
        self.implementation = implementation

    @property
    def implementation(self) -> str:
        """See the constructor."""
        return self._implementation

    @implementation.setter
    def implementation(self, value: str):
        if value not in ("auto", "dense"):
            raise ValueError(f"implementation={value!r} is neither 'auto' nor 'dense'")
        self._implementation = value
        if self.branches != "global":
            self.local_generator.class_convolution.implementation = value

    def build(self, inputs_shape: dict[str, tuple[int | None, ...]]):
        """Creates the variables for an input of these shapes, by name.

        Keras makes a signature of all of them when it saves, so `local_labels` is one.
        """
        channels = sum(inputs_shape[name][-1] for name in self.conditions)
        conditions = (None, None, None, channels)
        self.encoder.build(conditions)
        encoded = (None, None, None, 4 * self.encoder.filters)
        if self.branches != "local":
            with_conditions = {"conditions_shape": conditions} if self.uses_spade else {}
            self.global_generator.build(encoded, **with_conditions)
        if self.branches != "global":
            self.local_generator.build(encoded)
        if self.branches == "both" and self.fusion == "learned":
            self.weight_map.build(encoded)

    def call(self, inputs, training=None, target=None, target_masks=None, class_weights=None):
        """Conditions and `local_labels` -> dict of float tensors.

        Args:
            inputs: the conditions and `local_labels`; with `symbols` `[B,H,W]` int32 and
                `symbol_values` `[S,C]`, a map of labels once more as `LabelMap` has it, what
                depends on it alone is computed for each distinct window of labels.
            training: whether batch statistics and power iterations move.
            target: photo `[B,H,W,3]` that the class images are compared with, or None.
            target_masks: whose mask a class's target has (`ClassSpecificConv2D.call`).
            class_weights: how much a class counts in `class_l1`; all the same if None.

        Returns:
            `image` `[B,H,W,3]`, the fused image, and with the branches that exist: `image_global`,
            `image_local` `[B,H,W,3]`, `weight_global`, `weight_local` `[B,H,W,1]`, `class_logits`,
            with a target `class_l1` `[B]`.
        """
        conditions = tf.concat([inputs[name] for name in self.conditions], axis=-1)
        self._check_sides(conditions)
        label_map = self._label_map(inputs)
        encoded = self.encoder(conditions, training=training, label_map=label_map)
        outputs = {}
        if self.branches != "local":
            labels = {"label_map": label_map} if self.uses_spade else {}
            outputs["image_global"] = self.global_generator(
                encoded, conditions, training=training, **labels
            )
        if self.branches != "global":
            outputs |= self.local_generator(
                encoded,
                inputs["local_labels"],
                training=training,
                target=target,
                target_masks=target_masks,
                class_weights=class_weights,
            )
        if self.branches != "both":
            return outputs | {"image": outputs[f"image_{self.branches}"]}
        if self.fusion == "learned":
            outputs |= self.weight_map(encoded, training=training)
        else:
            half = tf.fill(tf.shape(conditions[..., :1]), tf.cast(0.5, conditions.dtype))
            outputs |= {"weight_local": half, "weight_global": half}
        return outputs | {"image": fuse(outputs)}

    def fold(self) -> None:
        """For inference alone: folds batch norms and spectral normalisation into kernels.

        The result is the same but for rounding. Training afterwards raises a ValueError.
        """
        if self.uses_spade:
            self.global_generator.fold()

    def _label_map(self, inputs) -> LabelMap | None:
        """The conditions by symbols, if labels are all that they tell."""
        if self.implementation == "dense" or self.conditions != ("semantic",):
            return None
        if "symbols" not in inputs:
            return None
        # In the signature that Keras makes of a model everything is float.
        return LabelMap(tf.cast(inputs["symbols"], "int32"), inputs["symbol_values"])

    def _check_sides(self, conditions: tf.Tensor) -> None:
        for name, side in (("height", conditions.shape[1]), ("width", conditions.shape[2])):
            if side is not None and side % self.side_multiple:
                raise ValueError(
                    f"the {name} {side} of the generator's input is not a multiple of "
                    f"{self.side_multiple}"
                )

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | self._settings | {"implementation": self.implementation}


def fuse(outputs: dict[str, tf.Tensor]) -> tf.Tensor:
    """I = I_g * W_g + I_l * W_l (paper, equation 6), `[B,H,W,3]`."""
    return (
        outputs["image_global"] * outputs["weight_global"]
        + outputs["image_local"] * outputs["weight_local"]
    )
