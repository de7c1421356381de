"""From the sums of a class-specific convolution to its merged image and its L1 per class.

A class image is its constant activation(b_i) but at the pairs of pixel and class that
`class_windows` names. So what follows takes the constants once and adds the differences from them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from lggan_tf.layers.class_blocks import class_blocks, class_matmul
from lggan_tf.layers.class_windows import ClassWindows
from lggan_tf.layers.fold import fold
from lggan_tf.layers.segments import take_rows


class ClassPairs(NamedTuple):
    """The class images `[B,H,W,K,filters]` where they are not constant.

    Attributes:
        windows: which pairs these are.
        shape: `[3]` int32, B, H and W.
        values: `[N+F,filters]`, the images at the pairs.
        elsewhere: `[N+F,filters]`, the constants of the pairs' classes. A void pixel's own pair,
            which is none, has the same value here and there.
        constants: `[K,filters]`.
    """

    windows: ClassWindows
    shape: tf.Tensor
    values: tf.Tensor
    elsewhere: tf.Tensor
    constants: tf.Tensor


def class_pairs(
    sums: tf.Tensor, biases: tf.Tensor, activation: Callable, windows: ClassWindows, shape
) -> ClassPairs:
    """Sums `[N+F,filters]` (`class_sums`) and biases `[K,filters]` -> the pairs."""
    biases = tf.pad(biases, [[0, 1], [0, 0]])
    constants = activation(biases)
    values = activation(sums + take_rows(biases, windows.classes))
    elsewhere = take_rows(constants, windows.classes)
    return ClassPairs(windows, shape, values, elsewhere, constants[:-1])


def add_images(pairs: ClassPairs) -> tf.Tensor:
    """The sum of the class images, `[B,H,W,filters]`."""
    differences = _to_pixels(pairs.values - pairs.elsewhere, pairs)
    return differences + tf.reduce_sum(pairs.constants, axis=0)


def mix_images(pairs: ClassPairs, kernel: tf.Tensor) -> tf.Tensor:
    """Convolution of all class images' channels, class by class, with zeros around them.

    Args:
        pairs: the class images.
        kernel: `[k, k, K * filters, outputs]`.

    Returns:
        `[B,H,W,outputs]`.
    """
    size, outputs = kernel.shape[0], kernel.shape[-1]
    classes, filters = pairs.constants.shape
    matrices = tf.reshape(kernel, [size * size, classes, filters, outputs])
    matrices = tf.transpose(matrices, [1, 2, 0, 3])
    matrices = tf.reshape(matrices, [classes, filters, size * size * outputs])
    blocks = class_blocks(pairs.windows.classes, classes)
    parts = class_matmul(pairs.values - pairs.elsewhere, matrices, blocks)
    # The constants as well end at the border.
    parts = _to_pixels(parts, pairs) + tf.einsum("kf,kfp->p", pairs.constants, matrices)
    half = size // 2
    return fold(tf.pad(parts, [[0, 0], [half, half], [half, half], [0, 0]]), size, size)


def l1_of_images(
    pairs: ClassPairs,
    target: tf.Tensor,
    target_masks: Sequence[int] | None = None,
    class_weights: Sequence[float] | None = None,
) -> tf.Tensor:
    """Sum over classes of mean |I_i - M_m(i) * target| of every image.

    Args:
        pairs: the class images.
        target: `[B,H,W,filters]`.
        target_masks: m(i), for every class the one whose mask its target has; its own if None.
            Every class with another mask costs a pass over the pixels.
        class_weights: factor of every class's mean; 1 if None.

    Returns:
        `[B]`, the means being over pixels and channels.
    """
    classes, filters = pairs.constants.shape
    masks = list(range(classes)) if target_masks is None else list(target_masks)
    others = [i for i in range(classes) if masks[i] != i]
    windows, pixels = pairs.windows, pairs.windows.pixels
    target = tf.reshape(target, [-1, filters])
    labels = windows.classes[: tf.shape(target)[0]]

    is_owner = tf.equal(
        tf.gather(tf.constant([*masks, -1], windows.classes.dtype), windows.classes),
        tf.concat([labels, tf.gather(labels, pixels)], 0),
    )
    wanted = tf.concat([target, tf.gather(target, pixels)], 0)
    wanted = tf.where(is_owner[:, None], wanted, tf.zeros_like(wanted))
    # A class with another's mask has a target outside its windows, too: see below.
    has_other = tf.gather(
        tf.constant([*(i in others for i in range(classes)), False]), windows.classes
    )
    wanted_elsewhere = tf.where(has_other[:, None], wanted, tf.zeros_like(wanted))
    terms = tf.abs(pairs.values - wanted) - tf.abs(pairs.elsewhere - wanted_elsewhere)
    constants = tf.abs(pairs.constants)
    if class_weights is not None:
        # Keras makes tensors of what a layer is called with.
        weights = tf.cast(tf.stack([*class_weights, 0.0]), terms.dtype)[:, None]
        terms *= tf.gather(weights, windows.classes)
        constants *= weights[:-1]
    terms = tf.reduce_mean(_to_pixels(terms, pairs), axis=[1, 2, 3])
    terms += tf.reduce_sum(tf.reduce_mean(constants, axis=-1))
    for i in others:
        is_owner = tf.equal(labels, masks[i])[:, None]
        more = tf.abs(pairs.constants[i] - target) - tf.abs(pairs.constants[i])
        if class_weights is not None:
            more *= weights[i]
        more = tf.where(is_owner, more, tf.zeros_like(more))
        terms += tf.reduce_mean(tf.reshape(more, [pairs.shape[0], -1]), axis=1)
    return terms


def _to_pixels(values: tf.Tensor, pairs: ClassPairs) -> tf.Tensor:
    """Sum of every pixel's pairs, `[N+F,C] -> [B,H,W,C]`."""
    foreign = pairs.windows.pixels
    own, others = tf.split(values, [-1, tf.size(foreign)])
    added = tf.tensor_scatter_nd_add(own, foreign[:, None], others)
    return tf.reshape(added, tf.concat([pairs.shape, [values.shape[-1]]], 0))
