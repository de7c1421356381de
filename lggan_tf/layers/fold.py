"""Adding up what every pixel gives to the pixels around it."""

import numpy as np
import tensorflow as tf


def fold(parts: tf.Tensor, rows: int, columns: int) -> tf.Tensor:
    """Sum over i < rows, j < columns of part (i, j) of the cell at (y + i, x + j).

    Args:
        parts: `[B, H + rows - 1, W + columns - 1, rows * columns * C]`, parts row by row.
        rows: parts below each other.
        columns: parts side by side.

    Returns:
        `[B,H,W,C]`. Its gradient is written out: that of a slice would be a copy of all parts.
    """
    channels = parts.shape[-1] // (rows * columns)

    @tf.custom_gradient
    def added(parts):
        shape = tf.shape(parts)
        height, width = shape[1] - rows + 1, shape[2] - columns + 1
        shifted = [
            parts[:, i : i + height, j : j + width, n * channels : (n + 1) * channels]
            for n, (i, j) in enumerate(np.ndindex(rows, columns))
        ]
        return tf.add_n(shifted), lambda upstream: unfold(upstream, rows, columns)

    return added(parts)


def unfold(images: tf.Tensor, rows: int, columns: int) -> tf.Tensor:
    """`[B,H,W,C] -> [B, H + rows - 1, W + columns - 1, rows * columns * C]`, as `fold` wants it.

    Part (i, j) of the cell at (y + i, x + j) is the pixel at (y, x), or 0 where there is none.
    """
    shifted = [
        tf.pad(images, [[0, 0], [i, rows - 1 - i], [j, columns - 1 - j], [0, 0]])
        for i, j in np.ndindex(rows, columns)
    ]
    return tf.concat(shifted, axis=-1)
