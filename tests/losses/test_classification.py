import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.losses.classification import classification_terms, present_classes

LABELS = np.array([[[0, 0], [2, 3]], [[3, 3], [1, 3]]], "int32")  # 3 is void


def loss(logits, labels=LABELS):
    entropy, count = classification_terms(tf.constant(logits, "float32"), labels)
    return float(entropy / count)


def test_present_classes():
    np.testing.assert_array_equal(present_classes(LABELS, 3), [[1, 0, 1], [0, 1, 0]])
    # A head of fewer classes leaves out the higher ones.
    np.testing.assert_array_equal(present_classes(LABELS, 2), [[1, 0], [0, 1]])


def test_a_perfect_and_a_wrong_classifier():
    perfect = 50 * np.tile(np.eye(3), (2, 1, 1))
    assert loss(perfect) == pytest.approx(0, abs=1e-6)
    assert loss(np.roll(perfect, 1, axis=-1)) == pytest.approx(50)


def test_mean_over_all_that_is_present():
    """Rows of equal logits cost ln 3, of (ln 2, 0, 0) ln 2 if 0 is right: not a mean of means."""
    logits = np.zeros((2, 3, 3))
    entropy, count = classification_terms(tf.constant(logits, "float32"), LABELS)
    assert float(count) == 3 and float(entropy) == pytest.approx(3 * np.log(3), rel=1e-6)
    logits[0, 0] = [np.log(2), 0, 0]
    assert loss(logits) == pytest.approx((np.log(2) + 2 * np.log(3)) / 3, rel=1e-6)


def test_rows_of_absent_classes_are_left_out():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(2, 3, 3))
    second = first.copy()
    second[0, 1], second[1, 0], second[1, 2] = 7, [1, 2, 3], -9
    assert loss(first) == pytest.approx(loss(second), rel=1e-6)
    logits = tf.constant(first, "float32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        entropy, _ = classification_terms(logits, LABELS)
    learns = np.any(tape.gradient(entropy, logits).numpy() != 0, axis=-1)
    np.testing.assert_array_equal(learns, present_classes(LABELS, 3).numpy() > 0)


def test_void_alone():
    entropy, count = classification_terms(tf.zeros([1, 3, 3]), np.full((1, 2, 2), 3, "int32"))
    assert float(entropy) == 0 and float(count) == 0
