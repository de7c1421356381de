"""How much fine structure an image has."""

from __future__ import annotations

import tensorflow as tf

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def gradient_magnitude(images: tf.Tensor) -> tf.Tensor:
    """Mean length of the brightness gradient: mean sqrt(dx^2 + dy^2), forward differences of luma.

    It judges no content. Set against the value of the photographs it tells blurred images (lower)
    and noisy ones or checkerboards (higher), which errors per pixel reward or miss.

    Args:
        images: `[batch, height, width, 3]`, float, RGB in [-1, 1], at least 2 pixels in both
            directions.

    Returns:
        `[batch]` float32 >= 0, one value per image, in units of the [-1, 1] scale per pixel.
    """
    luma = tf.tensordot(tf.cast(images, tf.float32), tf.constant(_LUMA), axes=1)
    corner = luma[:, :-1, :-1]
    dx = luma[:, :-1, 1:] - corner
    dy = luma[:, 1:, :-1] - corner
    return tf.reduce_mean(tf.sqrt(tf.square(dx) + tf.square(dy)), axis=[1, 2])
