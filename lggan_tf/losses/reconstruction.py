"""Losses of an image against its photo, in [-1, 1]."""

import tensorflow as tf


def l1_loss(image: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference over everything."""
    return tf.reduce_mean(tf.abs(image - target))


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """Sum, over the batch too, of absolute differences of neighbours (spec, section 3, G_TV)."""
    return tf.reduce_sum(tf.image.total_variation(image))
