"""The classification of class-specific features (paper, section 3.2)."""

import tensorflow as tf


def present_classes(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Labels `[B,H,W]` int -> `[B,num_classes]` float32, 1 where a class occurs.

    Ids from num_classes up never count.
    """
    return tf.reduce_max(tf.one_hot(labels, num_classes, dtype="float32"), axis=[1, 2])


def classification_terms(class_logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Row i of an image's logits is to say class i, if class i occurs in it; void has no row.

    Args:
        class_logits: `[B,R,R]`.
        labels: `[B,H,W]` int, ids from R up being left out.

    Returns:
        Sum of the cross entropies of the present classes, and their number: the loss is their
        quotient over the whole batch, which may be spread over devices.
    """
    rows = class_logits.shape[-1]
    present = present_classes(labels, rows)
    targets = tf.broadcast_to(tf.range(rows), tf.shape(class_logits)[:2])
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, class_logits)
    return tf.reduce_sum(present * entropy), tf.reduce_sum(present)
