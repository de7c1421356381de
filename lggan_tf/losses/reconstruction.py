"""Losses of an image against its photo, in [-1, 1]."""

import tensorflow as tf


def l1_loss(image: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference over everything."""
    return tf.reduce_mean(tf.abs(image - target))


def class_l1_loss(
    class_images: tf.Tensor, labels: tf.Tensor, target: tf.Tensor, slip: bool = False
) -> tf.Tensor:
    """Sum over classes of mean |I_{l,i} - M_i * photo| (spec, sections 3 and 6).

    Each mean is over all pixels: outside its mask a class image is drawn to 0, absent classes too.

    Args:
        class_images: `[B,H,W,K,3]`.
        labels: `[B,H,W]` int, K where no class owns the pixel.
        target: `[B,H,W,3]`.
        slip: class image 27 is held against the mask of class 26, as in the authors' Cityscapes
            code (spec, section 7, 1).
    """
    num_classes = class_images.shape[-2]
    masks = tf.one_hot(labels, num_classes, dtype=target.dtype)[..., None]
    if slip:
        masks = tf.concat([masks[..., :27, :], masks[..., 26:27, :], masks[..., 28:, :]], axis=-2)
    return num_classes * tf.reduce_mean(tf.abs(class_images - masks * target[..., None, :]))


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """Sum, over the batch too, of absolute differences of neighbours (spec, section 3, G_TV)."""
    return tf.reduce_sum(tf.image.total_variation(image))
