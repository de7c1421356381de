import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.losses.classification import (
    classification_terms,
    present_classes,
    present_weight,
)

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


def test_weights_by_head():
    """Rows cost ln 2 for class 0 (right at 1/2), ln 3 for 1 and 2; a fourth weight is no row's."""
    logits = np.zeros((2, 3, 3))
    logits[0, 0] = [np.log(2), 0, 0]
    logits = tf.constant(logits, "float32")
    entropy, weight = classification_terms(logits, LABELS, (4.0, 1.0, 2.0, 9.0))
    assert float(weight) == 4 + 2 + 1
    assert float(entropy) == pytest.approx(4 * np.log(2) + (2 + 1) * np.log(3), rel=1e-6)


def test_gradients_follow_the_weights():
    """Each present row's gradient is that of the unweighted sum, times its class's weight."""
    logits, gradients = tf.random.stateless_normal([2, 3, 3], [1, 2]), []
    for weights in (None, (4.0, 0.25, 2.0)):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            entropy, _ = classification_terms(logits, LABELS, weights)
        gradients.append(tape.gradient(entropy, logits).numpy())
    assert np.any(gradients[0] != 0)
    np.testing.assert_allclose(
        gradients[1], gradients[0] * np.array([4, 0.25, 2])[:, None], rtol=1e-6
    )


def test_the_sum_of_weights_from_labels_alone():
    """Classes 0 and 2 in the first image, 1 in the second."""
    assert float(present_weight(LABELS, 3)) == 3
    assert float(present_weight(LABELS, 3, (4.0, 1.0, 2.0, 9.0))) == 4 + 2 + 1
    assert float(present_weight(LABELS, 2, (4.0, 1.0, 2.0))) == 4 + 1
