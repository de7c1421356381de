import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.losses.perceptual import perceptual_loss


def test_by_head():
    """0.5 * mean(1, 3) + 2 * mean(4) = 1 + 8."""
    a = [tf.constant([[[[1.0]], [[5.0]]]]), tf.fill([1, 1, 1, 2], 3.0)]
    b = [tf.constant([[[[2.0]], [[2.0]]]]), tf.fill([1, 1, 1, 2], -1.0)]
    assert float(perceptual_loss(a, b, (0.5, 2.0))) == 9.0
    assert float(perceptual_loss(a, a, (0.5, 2.0))) == 0.0


def test_layers_count_by_weight_not_by_size():
    a = [tf.ones([2, 8, 8, 4]), tf.ones([2, 1, 1, 1])]
    b = [tf.zeros([2, 8, 8, 4]), tf.zeros([2, 1, 1, 1])]
    assert float(perceptual_loss(a, b, (0.25, 0.5))) == 0.75


def test_gradient_into_the_generated_image_only():
    a, b = tf.constant([[[[1.0, -4.0]]]]), tf.constant([[[[0.0, 0.0]]]])
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        loss = perceptual_loss([a], [b], (3.0,))
    slope_a, slope_b = tape.gradient(loss, [a, b])
    np.testing.assert_array_equal(slope_a, [[[[1.5, -1.5]]]])
    assert slope_b is None


def test_half_precision_features_give_a_float32_loss():
    a = tf.fill([1, 64, 64, 16], tf.constant(60000.0, tf.float16))
    assert float(perceptual_loss([a], [-a], (1.0,))) == pytest.approx(120000, rel=1e-3)


def test_unequal_lists():
    a = [tf.zeros([1, 1, 1, 1])]
    with pytest.raises(ValueError):
        perceptual_loss(a, a + a, (1.0,))
    with pytest.raises(ValueError):
        perceptual_loss(a, a, (1.0, 2.0))
