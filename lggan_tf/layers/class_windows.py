"""Which classes a convolution's windows hold, worked out of the labels alone.

A pixel's image of its own class is not constant, nor, near borders, are those of the other classes
in its window. These pairs of pixel and class are what a class-specific convolution computes: first
every pixel with its own class, in the order of the pixels, then the foreign pairs.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from lggan_tf.layers.class_blocks import ClassBlocks, class_blocks


class ClassWindows(NamedTuple):
    """N pixels `[B,H,W]` with windows of k x k taps in the labels reflected to `[B,H+k-1,W+k-1]`.

    The taps in row i of a window at (y, x) are seen as parts of cells `[B,H,W+k-1]`: column j lies
    in the cell at (y, x + j) and has number j there.

    Attributes:
        blocks: plan of the products of the reflected pixels.
        classes: `[N+F]` int32, the class of each pair, K for that of a void pixel.
        pixels: `[F]` int32, the pixel of each foreign pair.
        foreign_parts: for each row of taps `[E_i]` int32, the parts (cell times k plus column)
            that are neither of the pixel's own class nor void.
        foreign_pairs: likewise `[E_i]` int32, each part's foreign pair, 0 to F - 1.
    """

    blocks: ClassBlocks
    classes: tf.Tensor
    pixels: tf.Tensor
    foreign_parts: list[tf.Tensor]
    foreign_pairs: list[tf.Tensor]


def class_windows(labels: tf.Tensor, num_classes: int, kernel_size: int) -> ClassWindows:
    """The windows of labels `[B,H,W]` int32 in 0 to `num_classes`, which is void."""
    shape = tf.shape(labels)
    height, width = shape[1], shape[2]
    padded = reflect(labels, kernel_size)
    padded_height, padded_width = height + kernel_size - 1, width + kernel_size - 1

    mixed = tf.unstack(tf.cast(tf.where(_is_mixed(padded, kernel_size)), "int32"), num=3, axis=1)
    image, y, x = mixed
    pixels = (image * height + y) * width + x
    own = tf.repeat(tf.gather(tf.reshape(labels, [-1]), pixels)[:, None], kernel_size, axis=1)
    first_part = ((image * height + y) * padded_width + x) * kernel_size
    # In 64 bits: pixels times classes may be more than 2^31.
    first_key = tf.cast(pixels, "int64") * num_classes
    lines = tf.stack([padded[:, :, j : j + width] for j in range(kernel_size)], axis=-1)
    lines = tf.reshape(lines, [-1, kernel_size])
    keys, foreign_parts = [], []
    for i in range(kernel_size):
        taps = tf.gather(lines, (image * padded_height + y + i) * width + x)
        found = tf.where(tf.not_equal(taps, own) & (taps < num_classes))
        of_mixed, column = found[:, 0], tf.cast(found[:, 1], "int32")
        foreign_parts.append(tf.gather(first_part, of_mixed) + column * (kernel_size + 1))
        classes = tf.cast(tf.gather_nd(taps, found), "int64")
        keys.append(tf.gather(first_key, of_mixed) + classes)
    pairs, numbers = _distinct(tf.concat(keys, 0))
    classes = tf.cast(pairs % num_classes, "int32")
    return ClassWindows(
        blocks=class_blocks(tf.reshape(padded, [-1]), num_classes),
        classes=tf.concat([tf.reshape(labels, [-1]), classes], 0),
        pixels=tf.cast(pairs // num_classes, "int32"),
        foreign_parts=foreign_parts,
        foreign_pairs=tf.split(numbers, [tf.size(key) for key in keys], num=kernel_size),
    )


def _distinct(keys):
    """`tf.unique` of keys that mostly repeat their neighbour, which a hash table need not see."""
    is_new = tf.not_equal(keys, tf.pad(keys[:-1], [[1, 0]], constant_values=-1))
    distinct, numbers = tf.unique(tf.boolean_mask(keys, is_new))
    return distinct, tf.gather(numbers, tf.cumsum(tf.cast(is_new, "int32")) - 1)


def foreign_share(labels: tf.Tensor, num_classes: int, kernel_size: int) -> tf.Tensor:
    """About how many taps see a class that is not their pixel's, as a share: float32 scalar.

    Seen at the middle tap of every edge of the window; exact for noise, good for areas.
    """
    half = kernel_size // 2
    right, left = labels[:, :, half:], labels[:, :, : tf.shape(labels)[2] - half]
    below, above = labels[:, half:], labels[:, : tf.shape(labels)[1] - half]
    shares = []
    for one, other in ((right, left), (left, right), (below, above), (above, below)):
        is_foreign = tf.not_equal(one, other) & (other < num_classes)
        shares.append(tf.reduce_mean(tf.cast(is_foreign, "float32")))
    return tf.add_n(shares) / len(shares)


def reflect(labels: tf.Tensor, kernel_size: int) -> tf.Tensor:
    """`[B,H,W] -> [B,H+k-1,W+k-1]`."""
    half = kernel_size // 2
    return tf.pad(labels, [[0, 0], [half, half], [half, half]], "REFLECT")


def _is_mixed(padded: tf.Tensor, kernel_size: int) -> tf.Tensor:
    """Whether neighbours in a window differ, `[B,H+k-1,W+k-1]` int -> `[B,H,W]` bool."""
    if kernel_size == 1:
        return tf.zeros_like(padded, "bool")
    # A max pool would say the same and take twenty times as long.
    sideways = tf.not_equal(padded[:, :, 1:], padded[:, :, :-1])
    sideways = _any_below(_any_beside(sideways, kernel_size - 1), kernel_size)
    downwards = tf.not_equal(padded[:, 1:], padded[:, :-1])
    downwards = _any_beside(_any_below(downwards, kernel_size - 1), kernel_size)
    return sideways | downwards


def _any_beside(flags: tf.Tensor, count: int) -> tf.Tensor:
    """Whether any of `count` flags side by side is set."""
    width = tf.shape(flags)[2] - count + 1
    return functools.reduce(tf.logical_or, [flags[:, :, j : j + width] for j in range(count)])


def _any_below(flags: tf.Tensor, count: int) -> tf.Tensor:
    """Whether any of `count` flags below each other is set."""
    height = tf.shape(flags)[1] - count + 1
    return functools.reduce(tf.logical_or, [flags[:, i : i + height] for i in range(count)])
