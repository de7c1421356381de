import numpy as np

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
