import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.class_blocks import class_blocks, class_matmul


def one_by_one(rows, classes, matrices):
    """Every row with the matrix of its class; plain gathers, so that TensorFlow has the slope."""
    matrices = tf.pad(matrices, [[0, 1], [0, 0], [0, 0]])
    return tf.einsum("nd,nde->ne", rows, tf.gather(matrices, classes))


@pytest.mark.parametrize(
    ("size", "num_classes", "used"),
    [
        (1, 1, (0,)),
        (5, 3, (3,)),  # none but rows without a class
        (40, 6, (1, 4, 6)),
        (700, 3, (0, 1, 2)),
        (3000, 150, tuple(range(0, 151, 3))),
        (0, 2, (0,)),
    ],
)
def test_equals_one_by_one(rng, size, num_classes, used):
    classes = tf.constant(rng.choice(used, size), "int32")
    rows, matrices = tf.constant(rng.normal(size=(size, 4))), rng.normal(size=(num_classes, 4, 5))
    matrices, weights = tf.constant(matrices), rng.normal(size=(size, 5))
    results = []
    for product in (
        lambda: one_by_one(rows, classes, matrices),
        lambda: class_matmul(rows, matrices, class_blocks(classes, num_classes)),
    ):
        with tf.GradientTape() as tape:
            tape.watch([rows, matrices])
            values = product()
            loss = tf.reduce_sum(values * weights)
        slopes = tape.gradient(loss, [rows, matrices])
        results.append([values, *(tf.convert_to_tensor(slope) for slope in slopes)])
    for expected, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_the_plan_by_head():
    """Classes 2, -, 0, 2 of three: one block of 16 each for 0 and 2, and the empty one."""
    blocks = class_blocks(tf.constant([2, 3, 0, 2]), 3)
    np.testing.assert_array_equal(blocks.present, [0, 2])
    np.testing.assert_array_equal(blocks.block_class, [0, 1, 2])
    np.testing.assert_array_equal(blocks.slots, [16, 32, 0, 17])
    rows = np.full(48, -1)
    rows[[0, 16, 17]] = 2, 0, 3
    np.testing.assert_array_equal(blocks.rows, rows)


@pytest.mark.parametrize("used", [6, 150])
def test_little_is_filled_up(rng, used):
    classes = tf.constant(rng.integers(0, used, 60_000), "int32")
    slots = class_blocks(classes, 150).rows.shape[0]
    assert 60_000 < slots < 1.2 * 60_000
