"""Mean absolute difference of pixels."""

from __future__ import annotations

import tensorflow as tf


def mean_l1(images_a: tf.Tensor, images_b: tf.Tensor) -> tf.Tensor:
    """Mean |a - b| over pixels and channels, on the images' own scale (2 = black against white).

    Args:
        images_a: `[batch, height, width, 3]`, float, in [-1, 1].
        images_b: the same.

    Returns:
        `[batch]` float32 in [0, 2], one value per image; 0 is best.
    """
    difference = tf.cast(images_a, tf.float32) - tf.cast(images_b, tf.float32)
    return tf.reduce_mean(tf.abs(difference), axis=[1, 2, 3])
