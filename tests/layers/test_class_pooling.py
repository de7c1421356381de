import numpy as np
import tensorflow as tf

from lggan_tf.layers.class_pooling import ClassSpecificPooling


def test_pooling_divides_by_all_pixels():
    """Class 0 owns one pixel of 8, class 1 two of 2 and 4, void the last: 8/4 and 6/4."""
    features = np.array([8, 2, 4, 100], "float32").reshape(1, 2, 2, 1)
    labels = np.array([0, 1, 1, 2], "int32").reshape(1, 2, 2)
    np.testing.assert_array_equal(ClassSpecificPooling(2)(features, labels), [[[2], [1.5]]])


def test_pooling_equals_the_slow_way(rng):
    features = rng.normal(size=(2, 7, 5, 3)).astype("float32")
    labels = rng.integers(0, 6, size=(2, 7, 5)).astype("int32")
    expected = np.zeros((2, 4, 3))
    for n, y, x in np.ndindex(2, 7, 5):
        if labels[n, y, x] < 4:
            expected[n, labels[n, y, x]] += features[n, y, x] / 35
    np.testing.assert_allclose(ClassSpecificPooling(4)(features, labels), expected, atol=1e-6)


def test_many_equal_pixels():
    """In bfloat16, too, where a running sum of ones ends at 256."""
    for dtype in ("float32", "bfloat16"):
        features = tf.cast(tf.fill([2, 256, 256, 1], 0.1), dtype)
        pooling = ClassSpecificPooling(2, dtype="mixed_bfloat16" if dtype == "bfloat16" else dtype)
        means = pooling(features, tf.zeros([2, 256, 256], "int32"))
        assert means.dtype == dtype
        np.testing.assert_allclose(means, np.full((2, 2, 1), [[0.1], [0]]), rtol=4e-3, atol=0)
        if dtype == "float32":
            np.testing.assert_allclose(means[:, 0], [[0.1], [0.1]], rtol=2e-5)


def test_gradient_goes_to_the_pixels_of_classes(rng):
    features = tf.constant(rng.normal(size=(2, 3, 4, 2)))
    labels = rng.integers(0, 4, (2, 3, 4))
    weights = rng.normal(size=(2, 3, 2))
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = tf.reduce_sum(ClassSpecificPooling(3, dtype="float64")(features, labels) * weights)
    expected = np.zeros((2, 3, 4, 2))
    for n, y, x in np.ndindex(2, 3, 4):
        if labels[n, y, x] < 3:
            expected[n, y, x] = weights[n, labels[n, y, x]] / 12
    np.testing.assert_allclose(tape.gradient(loss, features), expected, atol=1e-15)
