"""Sums over segments that stay accurate when a segment has very many rows."""

import tensorflow as tf

CHUNK = 1024  # rows


def segment_sums(rows: tf.Tensor, segments: tf.Tensor, num_segments) -> tf.Tensor:
    """Rows `[N,...]`, segments `[N]` int32 -> `[num_segments,...]`.

    In two stages: one running sum of 65536 equal float32 numbers is wrong by a thousandth.
    Segments from `num_segments` up are left out.
    """
    chunks = tf.size(segments) // CHUNK + 1
    own = segments + tf.range(tf.size(segments)) // CHUNK * num_segments
    own = tf.where(segments < num_segments, own, -1)
    sums = tf.math.unsorted_segment_sum(rows, own, chunks * num_segments)
    parts = tf.concat([[chunks, num_segments], tf.shape(rows)[1:]], 0)
    return tf.reduce_sum(tf.reshape(sums, parts), 0)


def take_rows(table: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """`tf.gather(table, places)` for one row per pixel, whose gradient adds up as above."""

    @tf.custom_gradient
    def take(table):
        def gradient(upstream):
            return segment_sums(upstream, places, tf.shape(table)[0])

        return tf.gather(table, places), gradient

    return take(table)
