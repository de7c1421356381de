"""The class-specific parts of the local generator (paper, section 3.2).

F_i = M_i * f' are the features of class i alone, M_i its binary mask. Labels say which class owns a
pixel: 0 to K - 1, and K ("void") where none does.
"""

import keras
import tensorflow as tf

from lggan_tf.layers.convolution import PaddedConv2D, pad_images
from lggan_tf.layers.initializers import class_kernel_initializer


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
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        num_classes: int,
        activation: str = "tanh",
        merge: str = "sum",
        initializer: str = "normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if merge not in ("sum", "conv"):
            raise ValueError(f"merge={merge!r} is neither 'sum' nor 'conv'")
        self.filters, self.kernel_size, self.num_classes = filters, kernel_size, num_classes
        self.activation = keras.activations.get(activation)
        self.merge, self.initializer = merge, initializer
        if merge == "conv":
            self.mix = PaddedConv2D(filters, 3, pad=1, initializer=initializer)

    def build(self, features_shape, labels_shape=None):
        """Kernels `[K, k, k, C, filters]` and biases `[K, filters]`, class by class."""
        one = (self.kernel_size, self.kernel_size, features_shape[-1], self.filters)
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

    def class_images(self, features: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Features f' `[B,H,W,C]`, labels `[B,H,W]` int -> I_{l,i} `[B,H,W,K,filters]`."""
        kernels = tf.cast(self.kernels, features.dtype)
        biases = tf.cast(self.biases, features.dtype)
        images = []
        for i in range(self.num_classes):
            mask = tf.cast(tf.equal(labels, i), features.dtype)[..., None]
            masked = pad_images(features * mask, self.kernel_size // 2, "reflect")
            images.append(self.activation(tf.nn.conv2d(masked, kernels[i], 1, "VALID") + biases[i]))
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

    def call(self, features, labels, with_class_images=False):
        """Features f' `[B,H,W,C]`, labels `[B,H,W]` int -> I_l `[B,H,W,filters]`.

        With `with_class_images` also the class images `[B,H,W,K,filters]`.
        """
        class_images = self.class_images(features, labels)
        merged = self.merge_images(class_images)
        return (merged, class_images) if with_class_images else merged

    def get_config(self):
        """Constructor arguments."""
        own = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "num_classes": self.num_classes,
            "activation": keras.activations.serialize(self.activation),
            "merge": self.merge,
            "initializer": self.initializer,
        }
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="lggan_tf")
class ClassSpecificPooling(keras.layers.Layer):
    """Mean of each class's masked features over all pixels of the image.

    Not over those of the class: small classes give small logits (spec, section 7, 17).     One
    weighted sum per pixel; a tensor of K feature maps never exists.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def call(self, features, labels):
        """Features f' `[B,H,W,C]`, labels `[B,H,W]` int -> `[B,K,C]`."""
        shape = tf.shape(features)
        pixels = shape[1] * shape[2]
        # Keras rebuilds a loaded model on float placeholders, whatever the labels were.
        labels = tf.cast(labels, "int32")
        masks = tf.one_hot(
            tf.reshape(labels, [shape[0], pixels]), self.num_classes, dtype=features.dtype
        )
        flat = tf.reshape(features, [shape[0], pixels, features.shape[-1]])
        return tf.matmul(masks, flat, transpose_a=True) / tf.cast(pixels, features.dtype)

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"num_classes": self.num_classes}
