"""Feature matching in the discriminator (Wang et al. 2018; spec, section 6)."""

import tensorflow as tf


def feature_matching_loss(fake: list[list[tf.Tensor]], real: list[list[tf.Tensor]]) -> tf.Tensor:
    """Sum over layers of mean |D_j(fake) - D_j(real)|, mean over scales.

    The real side is a constant; logits are left out.

    Args:
        fake: per scale the feature maps of the drawn image, logits last.
        real: the same of the photo.
    """
    terms = [
        tf.reduce_mean(tf.abs(tf.cast(a, "float32") - tf.stop_gradient(tf.cast(b, "float32"))))
        for fake_maps, real_maps in zip(fake, real, strict=True)
        for a, b in zip(fake_maps[:-1], real_maps[:-1], strict=True)
    ]
    return tf.add_n(terms) / len(fake)
