import numpy as np
import tensorflow as tf

from lggan_tf.layers.segments import segment_sums, take_rows


def test_segment_sums_equal_the_slow_way(rng):
    rows, segments = rng.normal(size=(5000, 2)), rng.integers(0, 5, 5000)
    expected = [rows[segments == i].sum(axis=0) for i in range(3)]
    # 3 and 4 belong to nothing.
    sums = segment_sums(tf.constant(rows), tf.constant(segments, "int32"), 3)
    np.testing.assert_allclose(sums, expected, atol=1e-10)


def test_no_rows():
    sums = segment_sums(tf.zeros([0, 2]), tf.zeros([0], "int32"), 3)
    np.testing.assert_array_equal(sums, np.zeros((3, 2)))


def test_many_equal_numbers():
    """Where a plain running sum is far off."""
    rows, segments = tf.fill([2**17, 1], 0.1), tf.zeros([2**17], "int32")
    running = tf.math.unsorted_segment_sum(rows, segments, 1)
    assert abs(float(running[0, 0]) / (0.1 * 2**17) - 1) > 3e-4
    sums = segment_sums(rows, segments, 1)
    np.testing.assert_allclose(sums, [[0.1 * 2**17]], rtol=2e-5)


def test_take_rows_has_the_slope_of_a_gather(rng):
    table, places = tf.constant(rng.normal(size=(4, 3))), tf.constant([3, 0, 3, 1, 3])
    weights = rng.normal(size=(5, 3))
    with tf.GradientTape() as tape:
        tape.watch(table)
        loss = tf.reduce_sum(take_rows(table, places) * weights)
    np.testing.assert_array_equal(take_rows(table, places), tf.gather(table, places))
    expected = [weights[1], weights[3], [0, 0, 0], weights[[0, 2, 4]].sum(axis=0)]
    np.testing.assert_allclose(tape.gradient(loss, table), expected, atol=1e-12)
