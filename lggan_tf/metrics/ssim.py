"""Structural similarity."""

from __future__ import annotations

import tensorflow as tf


def ssim(images_a: tf.Tensor, images_b: tf.Tensor) -> tf.Tensor:
    """Structural similarity index (Wang et al., IEEE Transactions on Image Processing 13(4), 2004).

    The original settings: Gaussian window of 11x11 pixels with sigma 1.5, k1 = 0.01, k2 = 0.03,
    windows wholly inside the image; computed for R, G and B on their own and averaged. The images
    are brought to [0, 1] first: SSIM compares means relative to black, so its value on [-1, 1]
    would be another one.

    Args:
        images_a: `[batch, height, width, 3]`, float, in [-1, 1], at least 11 pixels in both
            directions.
        images_b: the same.

    Returns:
        `[batch]` float32 in [-1, 1], one value per image; 1 is best. `tf.image.ssim` computes
        variances in float32 as differences: in areas without texture expect errors up to 1e-3.
    """
    images_a, images_b = (tf.cast(x, tf.float32) * 0.5 + 0.5 for x in (images_a, images_b))
    return tf.image.ssim(
        images_a, images_b, max_val=1.0, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03
    )
