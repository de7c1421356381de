import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.fold import fold, unfold


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 7), (3, 1), (3, 3), (2, 4)])
def test_fold_equals_the_slow_way(rng, rows, columns):
    parts = rng.normal(size=(2, 4 + rows, 5 + columns, rows * columns * 2))
    expected = np.zeros((2, 5, 6, 2))
    for y, x, i, j in np.ndindex(5, 6, rows, columns):
        first = 2 * (i * columns + j)
        expected[:, y, x] += parts[:, y + i, x + j, first : first + 2]
    np.testing.assert_allclose(fold(tf.constant(parts), rows, columns), expected, atol=1e-12)


def test_the_gradient_is_what_unfold_gives(rng):
    """<fold(p), i> = <p, unfold(i)>, and the tape says the same."""
    parts, images = rng.normal(size=(2, 6, 9, 12)), rng.normal(size=(2, 5, 7, 2))
    parts, images = tf.constant(parts), tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(parts)
        product = tf.reduce_sum(fold(parts, 2, 3) * images)
    unfolded = unfold(images, 2, 3)
    np.testing.assert_allclose(product, tf.reduce_sum(parts * unfolded), rtol=1e-12)
    np.testing.assert_array_equal(tape.gradient(product, parts), unfolded)
