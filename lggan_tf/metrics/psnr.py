"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import tensorflow as tf


def psnr(images_a: tf.Tensor, images_b: tf.Tensor) -> tf.Tensor:
    """10 log10(2^2 / MSE): the peak is 2, the width of [-1, 1].

    MSE is the mean squared difference over pixels and channels of RGB.

    Args:
        images_a: `[batch, height, width, 3]`, float, in [-1, 1].
        images_b: the same.

    Returns:
        `[batch]` float32, decibels, one value per image; infinite where the two are equal. The PSNR
        of a data set is the mean of these values, not the PSNR of the mean error.
    """
    difference = tf.cast(images_a, tf.float32) - tf.cast(images_b, tf.float32)
    mean_squared_error = tf.reduce_mean(tf.square(difference), axis=[1, 2, 3])
    return (10.0 / math.log(10.0)) * tf.math.log(4.0 / mean_squared_error)
