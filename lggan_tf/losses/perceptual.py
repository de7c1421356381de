"""The perceptual loss: distance of two images in the feature maps of a pretrained network."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def perceptual_loss(
    features_a: Sequence[tf.Tensor], features_b: Sequence[tf.Tensor], layer_weights: Sequence[float]
) -> tf.Tensor:
    """P(a, b) = sum_k w_k mean|phi_k(a) - phi_k(b)|.

    Johnson et al., arXiv 1603.08155, with the L1 norm and the layer weights of pix2pixHD.

    LGGAN sums it over the local, the global and the fused image, each against the photograph.

    Args:
        features_a: feature maps phi_k(a) `[batch, height_k, width_k, channels_k]` of the generated
            image.
        features_b: those of the photograph, of the same shapes; no gradient flows into them.
        layer_weights: one w_k per feature map (`FeatureNetwork.layer_weights`).

    Returns:
        Scalar, float32, >= 0; each mean runs over batch, positions and channels.

    Raises:
        ValueError: the three sequences differ in length.
    """
    terms = [
        weight
        * tf.reduce_mean(tf.abs(tf.cast(a, tf.float32) - tf.stop_gradient(tf.cast(b, tf.float32))))
        for a, b, weight in zip(features_a, features_b, layer_weights, strict=True)
    ]
    return tf.add_n(terms)
