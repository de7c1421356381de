"""Rows times the matrix of their class, y_n = x_n W_{c(n)}, at a cost that follows the rows.

Sorted by class and filled up to whole blocks, the rows are one batched matrix product with one
matrix per block. Only classes that occur cost anything.
"""

from typing import NamedTuple

import tensorflow as tf

SMALLEST_BLOCK, LARGEST_BLOCK = 16, 512  # rows


class ClassBlocks(NamedTuple):
    """Where N rows lie among S slots, which are B blocks of S / B slots.

    The last block is empty and its matrix zero: the rows without a class point to it.

    Attributes:
        rows: `[S]` int32, the row in each slot, -1 where a block is filled up.
        slots: `[N]` int32, the slot of each row.
        present: `[P]` int32, the classes that occur, rising.
        block_class: `[B]` int32, each block's place in `present`, rising; P for the last block.
    """

    rows: tf.Tensor
    slots: tf.Tensor
    present: tf.Tensor
    block_class: tf.Tensor


def class_blocks(classes: tf.Tensor, num_classes: int) -> ClassBlocks:
    """The plan for rows of these classes, `[N]` int32 in 0 to `num_classes`, which is none."""
    size = tf.size(classes)
    owned = tf.math.unsorted_segment_sum(tf.ones_like(classes), classes, num_classes + 1)[:-1]
    present = tf.cast(tf.where(owned > 0)[:, 0], "int32")
    # Larger blocks read fewer matrices, smaller ones hold less filling: at most an eighth or so.
    block = size // (4 * tf.maximum(tf.size(present), 1)) // SMALLEST_BLOCK * SMALLEST_BLOCK
    block = tf.clip_by_value(block, SMALLEST_BLOCK, LARGEST_BLOCK)
    blocks = (owned + block - 1) // block
    first_slot = tf.cumsum(blocks, exclusive=True) * block
    first_place = tf.cumsum(owned, exclusive=True)
    end = tf.reduce_sum(blocks) * block

    # Places are those in the order of the classes. No key of class and row: it would overflow.
    order = tf.argsort(classes, stable=True)
    shift = first_slot - first_place
    slots = tf.math.invert_permutation(order) + tf.gather(tf.pad(shift, [[0, 1]]), classes)
    number = tf.repeat(tf.range(tf.size(present)), tf.gather(blocks, present))
    own_class = tf.gather(present, number)
    places = tf.reshape(tf.range(end), [-1, block]) - tf.gather(shift, own_class)[:, None]
    is_row = places < tf.gather(first_place + owned, own_class)[:, None]
    rows = tf.where(is_row, tf.gather(order, tf.minimum(places, size - 1)), -1)
    return ClassBlocks(
        rows=tf.concat([tf.reshape(rows, [-1]), tf.fill([block], -1)], 0),
        slots=tf.where(classes < num_classes, slots, end),
        present=present,
        block_class=tf.concat([number, [tf.size(present)]], 0),
    )


def class_matmul(rows: tf.Tensor, matrices: tf.Tensor, blocks: ClassBlocks) -> tf.Tensor:
    """Rows `[N,D]`, matrices `[K,D,E]` -> each row times its class's matrix `[N,E]`, 0 for none."""

    @tf.custom_gradient
    def product(rows, matrices):
        blocked = _into_blocks(rows, blocks)
        of_blocks = matrices_of_blocks(tf.gather(matrices, blocks.present), blocks)

        def gradient(upstream):
            # By hand: that of a gather would be a scatter, here it is a gather as well.
            upstream = _into_blocks(upstream, blocks)
            by_rows = out_of_blocks(tf.matmul(upstream, of_blocks, transpose_b=True), blocks)
            by_present = sum_over_blocks(tf.matmul(blocked, upstream, transpose_a=True), blocks)
            return by_rows, spread_over_classes(by_present, blocks, tf.shape(matrices))

        return out_of_blocks(tf.matmul(blocked, of_blocks), blocks), gradient

    return product(rows, matrices)


def matrices_of_blocks(matrices: tf.Tensor, blocks: ClassBlocks) -> tf.Tensor:
    """Matrices of the classes that occur `[P,D,E]` -> of the blocks `[B,D,E]`, the last zero."""
    return tf.gather(tf.pad(matrices, [[0, 1], [0, 0], [0, 0]]), blocks.block_class)


def sum_over_blocks(values: tf.Tensor, blocks: ClassBlocks) -> tf.Tensor:
    """`[B,D,E]` -> sums of the classes that occur `[P,D,E]`: the gradient of the above."""
    return tf.math.segment_sum(values, blocks.block_class)[:-1]


def spread_over_classes(values: tf.Tensor, blocks: ClassBlocks, shape) -> tf.Tensor:
    """Values of the classes that occur `[P,...]` -> of all classes, `shape`: the others' are 0."""
    return tf.scatter_nd(blocks.present[:, None], values, shape)


def out_of_blocks(values: tf.Tensor, blocks: ClassBlocks) -> tf.Tensor:
    """`[B,S/B,E] -> [N,E]`; rows without a class get what is in the last, empty block."""
    return tf.gather(tf.reshape(values, [-1, values.shape[-1]]), blocks.slots)


def _into_blocks(rows: tf.Tensor, blocks: ClassBlocks) -> tf.Tensor:
    """`[N,D] -> [B,S/B,D]`, zeros where a block is filled up."""
    places = tf.where(blocks.rows < 0, tf.shape(rows)[0], blocks.rows)
    gathered = tf.gather(tf.pad(rows, [[0, 1], [0, 0]]), places)
    return tf.reshape(gathered, [tf.size(blocks.block_class), -1, rows.shape[-1]])
