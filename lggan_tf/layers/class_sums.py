"""The linear part of a class-specific convolution, for the pairs of pixel and class that need it.

The sum of class i at a pixel is that over its window of kernel_i and M_i * F. A tapped pixel is of
one class: what it adds to all windows that hold it is one row times its class's matrix
`[C, k * k * filters]` (`class_blocks`). Then every window adds up its parts, those of foreign
classes apart (`class_windows`).
"""

import tensorflow as tf

from lggan_tf.layers.class_blocks import (
    matrices_of_blocks,
    out_of_blocks,
    spread_over_classes,
    sum_over_blocks,
)
from lggan_tf.layers.class_windows import ClassWindows, reflect
from lggan_tf.layers.fold import fold, unfold


def class_sums(features: tf.Tensor, kernels: tf.Tensor, windows: ClassWindows) -> tf.Tensor:
    """Features `[B,H,W,C]`, kernels `[K,k,k,C,filters]` -> sums of the pairs `[N+F,filters]`."""

    @tf.custom_gradient
    def sums(features, kernels):
        evaluation = _Evaluation(features, kernels, windows)
        return evaluation.forward(), evaluation.gradient

    return sums(features, kernels)


class _Evaluation:
    """Forward and backward through one row of taps after the other.

    All rows at once would hold k * k * filters numbers per pixel, and more of them as gradients.
    The gradient is written out, since those of gathers would be scatters.
    """

    def __init__(self, features, kernels, windows):
        self.windows, self.blocks = windows, windows.blocks
        self.size, self.channels, self.filters = kernels.shape[1], *kernels.shape[3:]
        self.kernels_shape = tf.shape(kernels)
        shape = tf.shape(features)
        self.batch, self.height, self.width = shape[0], shape[1], shape[2]
        self.padded_height = self.height + self.size - 1
        self.padded_width = self.width + self.size - 1
        self.pixels = self.batch * self.height * self.width
        # Slots that only fill a block hold pixel 0: nobody reads what becomes of it.
        numbers = tf.reshape(tf.range(self.pixels), [self.batch, self.height, self.width])
        numbers = tf.reshape(reflect(numbers, self.size), [-1])
        numbers = tf.gather(numbers, tf.maximum(self.blocks.rows, 0))
        self.blocked = self._in_blocks(
            tf.gather(tf.reshape(features, [-1, self.channels]), numbers), self.channels
        )
        present = tf.transpose(tf.gather(kernels, self.blocks.present), [1, 0, 3, 2, 4])
        # The count is given: with void alone there is none, and -1 could not tell.
        self.matrices = tf.reshape(
            present,
            [self.size, tf.size(self.blocks.present), self.channels, self.size * self.filters],
        )

    def forward(self):
        """The pairs' sums `[N+F,filters]`."""
        slots = tf.reshape(self.blocks.slots, [self.batch, self.padded_height, self.padded_width])
        own, foreign = None, []
        for i, foreign_parts in enumerate(self.windows.foreign_parts):
            products = tf.matmul(self.blocked, self._matrices_of_row(i, behind=own))
            cells = tf.gather(
                tf.reshape(products, [-1, self.size * self.filters]), slots[:, i : i + self.height]
            )
            parts = tf.reshape(cells, [-1, self.filters])
            foreign.append(tf.gather(parts, foreign_parts))
            with tf.control_dependencies(foreign[-1:]):  # else the update copies all parts
                parts = tf.tensor_scatter_nd_update(
                    parts, foreign_parts[:, None], tf.zeros_like(foreign[-1])
                )
            cells = tf.reshape(parts, tf.shape(cells))
            own = cells if own is None else own + cells
        own = tf.ensure_shape(own, [None, None, None, self.size * self.filters])
        foreign = tf.math.unsorted_segment_sum(
            tf.concat(foreign, 0),
            tf.concat(self.windows.foreign_pairs, 0),
            tf.size(self.windows.pixels),
        )
        return tf.concat([tf.reshape(fold(own, 1, self.size), [-1, self.filters]), foreign], 0)

    def gradient(self, upstream):
        """Gradient of the sums `[N+F,filters]` -> those of features and kernels."""
        own, foreign = upstream[: self.pixels], upstream[self.pixels :]
        own = tf.reshape(own, [self.batch, self.height, self.width, self.filters])
        own = tf.reshape(unfold(own, 1, self.size), [-1, self.filters])
        # The pixel in a slot is tap i of the cell i rows above it.
        rows = self.blocks.rows // self.padded_width
        y, cells = rows % self.padded_height, self.batch * self.height * self.padded_width
        cell = self.blocks.rows - rows // self.padded_height * ((self.size - 1) * self.padded_width)
        by_blocked, by_matrices = None, []
        for i, foreign_parts in enumerate(self.windows.foreign_parts):
            matrices = self._matrices_of_row(i, behind=by_blocked)
            parts = tf.tensor_scatter_nd_update(
                own, foreign_parts[:, None], tf.gather(foreign, self.windows.foreign_pairs[i])
            )
            parts = tf.pad(tf.reshape(parts, [-1, self.size * self.filters]), [[0, 1], [0, 0]])
            has_cell = (self.blocks.rows >= 0) & (y >= i) & (y < self.height + i)
            products = tf.gather(parts, tf.where(has_cell, cell - i * self.padded_width, cells))
            products = self._in_blocks(products, self.size * self.filters)
            more = tf.matmul(products, matrices, transpose_b=True)
            by_blocked = more if by_blocked is None else by_blocked + more
            more = tf.matmul(self.blocked, products, transpose_a=True)
            by_matrices.append(sum_over_blocks(more, self.blocks))
        return self._by_features(by_blocked), self._by_kernels(tf.stack(by_matrices))

    def _by_features(self, by_blocked):
        by_padded = tf.reshape(
            out_of_blocks(by_blocked, self.blocks),
            [self.batch, self.padded_height, self.padded_width, self.channels],
        )
        half = self.size // 2
        sides = [[0, 0], [half, half], [half, half], [0, 0]]
        return tf.raw_ops.MirrorPadGrad(input=by_padded, paddings=sides, mode="REFLECT")

    def _by_kernels(self, by_matrices):
        by_present = tf.reshape(
            by_matrices,
            [self.size, tf.size(self.blocks.present), self.channels, self.size, self.filters],
        )
        by_present = tf.transpose(by_present, [1, 0, 3, 2, 4])
        return spread_over_classes(by_present, self.blocks, self.kernels_shape)

    def _in_blocks(self, values, length):
        return tf.reshape(values, [tf.size(self.blocks.block_class), -1, length])

    def _matrices_of_row(self, i, behind):
        """Matrices `[B, C, k * filters]` of row i of the taps, not made before `behind` is."""
        with tf.control_dependencies([] if behind is None else [behind]):
            return matrices_of_blocks(self.matrices[i], self.blocks)
