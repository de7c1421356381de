"""The pooling of class-specific features (paper, section 3.2)."""

import keras
import tensorflow as tf

from lggan_tf.layers.segments import segment_sums


@keras.saving.register_keras_serializable(package="lggan_tf")
class ClassSpecificPooling(keras.layers.Layer):
    """Mean of each class's masked features F_i = M_i * f' over all pixels of the image.

    Not over those of the class: small classes give small logits (spec, section 7, 17). Every pixel
    is added to its class once; neither K feature maps nor K masks ever exist.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def call(self, features, labels):
        """Features f' `[B,H,W,C]`, labels `[B,H,W]` int -> `[B,K,C]`."""
        shape = tf.shape(features)
        # In the signature that Keras makes of a model everything is float.
        labels = tf.cast(labels, "int32")
        is_class = (labels >= 0) & (labels < self.num_classes)
        first = tf.range(shape[0])[:, None, None] * self.num_classes
        segments = tf.where(is_class, first + labels, shape[0] * self.num_classes)
        # Half precision would lose a pixel against the sum of the others.
        wide = "float64" if features.dtype == tf.float64 else "float32"
        rows = tf.cast(tf.reshape(features, [-1, features.shape[-1]]), wide)
        sums = segment_sums(rows, tf.reshape(segments, [-1]), shape[0] * self.num_classes)
        means = sums / tf.cast(shape[1] * shape[2], wide)
        means = tf.reshape(means, [shape[0], self.num_classes, features.shape[-1]])
        return tf.cast(means, features.dtype)

    def get_config(self):
        """Constructor arguments."""
        return super().get_config() | {"num_classes": self.num_classes}
