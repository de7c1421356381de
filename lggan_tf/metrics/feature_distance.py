"""Distance of two images in the feature maps of a pretrained network."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

_EPSILON = 1e-10


def feature_distance(features_a: Sequence[tf.Tensor], features_b: Sequence[tf.Tensor]) -> tf.Tensor:
    """Mean over layers and positions of |u_a - u_b|^2, u = feature vector of length 1.

    |u_a - u_b|^2 = 2 - 2 cos(angle), so every layer counts the same, whatever its channels and
    their scale. This is how LPIPS (Zhang et al., arXiv 1801.03924) compares features, but it is
    **not LPIPS**: no channel weights were fitted to human judgements, the layers are averaged
    instead of summed, and the network may be another one. Values compare with values of the same
    network at the same image size only; name the network beside them.

    Args:
        features_a: feature maps `[batch, height_k, width_k, channels_k]`, float.
        features_b: the same shapes.

    Returns:
        `[batch]` float32 in [0, 4], one value per image; 0 is best.

    Raises:
        ValueError: the sequences differ in length.
    """
    distances = []
    for a, b in zip(features_a, features_b, strict=True):
        squared = tf.reduce_sum(tf.square(_unit(a) - _unit(b)), axis=-1)
        distances.append(tf.reduce_mean(squared, axis=[1, 2]))
    return tf.add_n(distances) / len(distances)


def _unit(features: tf.Tensor) -> tf.Tensor:
    features = tf.cast(features, tf.float32)
    # A zero vector stays zero: after a ReLU it means that nothing was found there.
    return features / (tf.norm(features, axis=-1, keepdims=True) + _EPSILON)
