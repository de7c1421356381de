"""The classification of class-specific features (paper, section 3.2)."""

from collections.abc import Sequence

import tensorflow as tf


def present_classes(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Labels `[B,H,W]` int -> `[B,num_classes]` float32, 1 where a class occurs.

    Ids from num_classes up never count.
    """
    batch = tf.shape(labels)[0]
    first = tf.range(batch)[:, None, None] * num_classes
    # No one-hot maps: with many classes they would be the largest tensor of a step.
    is_class = (labels >= 0) & (labels < num_classes)
    segments = tf.where(is_class, first + labels, -1)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(labels), segments, batch * num_classes)
    return tf.cast(tf.reshape(counts, [batch, num_classes]) > 0, "float32")


def classification_terms(
    class_logits: tf.Tensor, labels: tf.Tensor, class_weights: Sequence[float] | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Row i of an image's logits is to say class i, if class i occurs in it; void has no row.

    Args:
        class_logits: `[B,R,R]`.
        labels: `[B,H,W]` int, ids from R up being left out.
        class_weights: for every class how much it counts, at least R of them; None: all the same.

    Returns:
        Weighted sum of the cross entropies of the present classes, and the sum of their weights,
        which is their number without weights: the loss is the quotient over the whole batch,
        which may be spread over devices.
    """
    rows = class_logits.shape[-1]
    present = present_classes(labels, rows)
    present = _weighted(present, class_weights)
    targets = tf.broadcast_to(tf.range(rows), tf.shape(class_logits)[:2])
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, class_logits)
    return tf.reduce_sum(present * entropy), tf.reduce_sum(present)


def present_weight(
    labels: tf.Tensor, num_classes: int, class_weights: Sequence[float] | None = None
) -> tf.Tensor:
    """The second result of `classification_terms`, from labels `[B,H,W]` alone."""
    return tf.reduce_sum(_weighted(present_classes(labels, num_classes), class_weights))


def _weighted(present: tf.Tensor, class_weights: Sequence[float] | None) -> tf.Tensor:
    if class_weights is None:
        return present
    return present * tf.constant(class_weights[: present.shape[-1]], "float32")
