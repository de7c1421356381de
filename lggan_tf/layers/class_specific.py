"""The class-specific convolution of the local generator (paper, section 3.2).

F_i = M_i * f' are the features of class i alone, M_i its binary mask. Labels say which class owns a
pixel: 0 to K - 1, and K ("void") where none does.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from lggan_tf.layers.class_pairs import add_images, class_pairs, l1_of_images, mix_images
from lggan_tf.layers.class_sums import class_sums
from lggan_tf.layers.class_windows import class_windows, foreign_share
from lggan_tf.layers.convolution import PaddedConv2D, pad_images
from lggan_tf.layers.initializers import class_kernel_initializer

IMPLEMENTATIONS = ("auto", "dense", "sorted")


@keras.saving.register_keras_serializable(package="lggan_tf")
class ClassSpecificConv2D(keras.layers.Layer):
    """I_{l,i} = activation(b_i + conv_i(reflect_pad(F_i))) for every class i, and their merge.

    The mask is on the input: the image of class i spills half a kernel over its border and is the
    constant activation(b_i) elsewhere, also where the class is absent (the authors' constants;
    spec, section 7, 18).

    Args:
        filters: channels of a class image.
        kernel_size: odd side of the kernels.
        num_classes: K, the number of sub-generators.
        activation: of a class image, by Keras name.
        merge: "sum" adds the class images (cross-view); "conv" mixes their K * filters channels by
            a zero-padded 3x3 convolution and applies the activation again (semantic synthesis).
        initializer: "normal" or "xavier".
        rank: channels of a projection (1x1, without bias) that all classes share and apply first:
            kernel i is P S_i with one P `[C, rank]`, so that every sub-generator costs rank / C of
            its own. 0: no projection, as in the paper.
        implementation: "dense" is the definition, K convolutions of the whole image, and runs
            wherever convolutions do. "sorted" gives the same (`class_sums`) at a cost that follows
            the pixels, in float32 at least; its shapes depend on the labels, so XLA, TFLite and
            TPUs cannot have it. "auto" is "sorted", except where "dense" is as fast: for a single
            class, and for few classes that are mixed like noise. May be set later, too.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        num_classes: int,
        activation: str = "tanh",
        merge: str = "sum",
        initializer: str = "normal",
        implementation: str = "auto",
        rank: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} is not odd")
        if merge not in ("sum", "conv"):
            raise ValueError(f"merge={merge!r} is neither 'sum' nor 'conv'")
        if implementation not in IMPLEMENTATIONS:
            raise ValueError(f"implementation={implementation!r} is not one of {IMPLEMENTATIONS}")
        self.filters, self.kernel_size, self.num_classes = filters, kernel_size, num_classes
        self.activation = keras.activations.get(activation)
        self.merge, self.initializer = merge, initializer
        self.implementation, self.rank = implementation, rank
        if merge == "conv":
            self.mix = PaddedConv2D(
                filters, 3, pad=1, initializer=initializer, dtype=self.dtype_policy
            )

    def build(self, features_shape, labels_shape=None):
        """Kernels `[K, k, k, C, filters]` and biases `[K, filters]`, class by class.

        With a rank the kernels have `rank` channels and the projection is `[C, rank]`.
        """
        channels = features_shape[-1]
        if self.rank:
            # Keeps the features' variance, so that kernels start as without it.
            deviation = keras.initializers.RandomNormal(stddev=channels**-0.5)
            self.projection = self.add_weight(
                shape=(channels, self.rank), initializer=deviation, name="projection"
            )
            channels = self.rank
        one = (self.kernel_size, self.kernel_size, channels, self.filters)
        self.kernels = self.add_weight(
            shape=(self.num_classes, *one),
            initializer=class_kernel_initializer(self.initializer, one),
            name="kernels",
        )
        self.biases = self.add_weight(
            shape=(self.num_classes, self.filters), initializer="zeros", name="biases"
        )
        if self.merge == "conv":
            self.mix.build((*features_shape[:-1], self.num_classes * self.filters))

    def call(
        self,
        features,
        labels,
        target=None,
        target_masks: Sequence[int] | None = None,
        class_weights: Sequence[float] | None = None,
    ):
        """The merged image and, with a target, the L1 of the class images that it is made of.

        Args:
            features: f' `[B,H,W,C]`.
            labels: `[B,H,W]` int; whatever is no class is void.
            target: `[B,H,W,filters]` or None.
            target_masks: for every class the one whose mask its target has; its own if None.
            class_weights: factor w_i of every class's mean in the L1; 1 if None.

        Returns:
            I_l `[B,H,W,filters]`; with a target also the sum over classes i of w_i times the mean
            of |I_{l,i} - M_m(i) * target| over pixels and channels, `[B]` in float32 or wider.
        """
        # In the signature that Keras makes of a model everything is float.
        labels = tf.cast(labels, "int32")
        features = self._projected(features)
        given = (features, labels, target, target_masks, class_weights)
        if self.implementation != "auto":
            return self._dense(*given) if self.implementation == "dense" else self._sorted(*given)
        if self.num_classes == 1:
            return self._dense(*given)
        # Sorting has a cost for every tap of another class, being dense one for every class and
        # channel; measured, they meet where this share of the taps is of another class.
        limit = self.num_classes * (features.shape[-1] + 16) / 1500
        if limit >= 1 or self.kernel_size == 1:
            return self._sorted(*given)
        return tf.cond(
            foreign_share(self._owners(labels), self.num_classes, self.kernel_size) > limit,
            lambda: self._dense(*given),
            lambda: self._sorted(*given),
        )

    def class_l1(self, features, labels, target, target_masks=None, class_weights=None):
        """The second result of `call` alone, `[B]`."""
        extra = {"target_masks": target_masks, "class_weights": class_weights}
        return self(features, labels, target=target, **extra)[1]

    def class_images(self, features: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """All I_{l,i}, `[B,H,W,K,filters]`: for looking at them, and the dense implementation."""
        return self._class_images(self._projected(features), labels)

    def _projected(self, features):
        # A mask is one number for all channels of a pixel, so it may come after the projection.
        if not self.rank:
            return features
        projection = tf.cast(self.projection, features.dtype)
        return tf.nn.conv2d(features, projection[None, None], 1, "VALID")

    def _class_images(self, features, labels):
        # No comparisons: the int16x8 form of TFLite has none. Out of range is no class here, too.
        masks = tf.one_hot(tf.cast(labels, "int32"), self.num_classes, dtype=features.dtype)
        kernels = tf.unstack(tf.cast(self.kernels, features.dtype))
        biases = tf.unstack(tf.cast(self.biases, features.dtype))
        images = []
        for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
            masked = pad_images(features * masks[..., i : i + 1], self.kernel_size // 2, "reflect")
            images.append(self.activation(tf.nn.conv2d(masked, kernel, 1, "VALID") + bias))
        return tf.stack(images, axis=-2)

    def merge_images(self, class_images: tf.Tensor) -> tf.Tensor:
        """`[B,H,W,K,filters] -> [B,H,W,filters]`."""
        if self.merge == "sum":
            return tf.reduce_sum(class_images, axis=-2)
        shape = tf.shape(class_images)
        flat = tf.reshape(
            class_images, [shape[0], shape[1], shape[2], self.num_classes * self.filters]
        )
        return self.activation(self.mix(flat))

    def _dense(self, features, labels, target, target_masks, class_weights):
        images = self._class_images(features, labels)
        merged = self.merge_images(images)
        if target is None:
            return merged
        wide = _wide(features.dtype)
        masks = tf.one_hot(labels, self.num_classes, dtype=wide)
        if target_masks is not None:
            masks = tf.gather(masks, list(target_masks), axis=-1)
        distances = tf.cast(images, wide) - masks[..., None] * tf.cast(target, wide)[..., None, :]
        means = tf.reduce_mean(tf.abs(distances), axis=[1, 2, 4])
        if class_weights is not None:
            means *= tf.cast(tf.stack(class_weights), wide)
        return merged, tf.reduce_sum(means, axis=-1)

    def _sorted(self, features, labels, target, target_masks, class_weights):
        wide, narrow = _wide(features.dtype), features.dtype
        labels = self._owners(labels)

        def widened(variable):  # rounded as for the dense convolutions
            return tf.cast(tf.cast(variable, narrow), wide)

        windows = class_windows(labels, self.num_classes, self.kernel_size)
        sums = class_sums(tf.cast(features, wide), widened(self.kernels), windows)
        pairs = class_pairs(sums, widened(self.biases), self.activation, windows, tf.shape(labels))
        if self.merge == "sum":
            merged = add_images(pairs)
        else:
            mixed = mix_images(pairs, widened(self.mix.kernel)) + widened(self.mix.bias)
            merged = self.activation(mixed)
        merged = tf.cast(merged, narrow)
        if target is None:
            return merged
        return merged, l1_of_images(pairs, tf.cast(target, wide), target_masks, class_weights)

    def _owners(self, labels):
        is_class = (labels >= 0) & (labels < self.num_classes)
        return tf.where(is_class, labels, self.num_classes)

    def get_config(self):
        """Constructor arguments."""
        own = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "num_classes": self.num_classes,
            "activation": keras.activations.serialize(self.activation),
            "merge": self.merge,
            "initializer": self.initializer,
            "implementation": self.implementation,
            "rank": self.rank,
        }
        return super().get_config() | own


def _wide(dtype: tf.DType) -> tf.DType:
    """What to add up numbers of this type in."""
    return tf.float64 if dtype == tf.float64 else tf.float32
