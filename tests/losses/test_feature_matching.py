import pytest
import tensorflow as tf

from lggan_tf.losses.feature_matching import feature_matching_loss


def maps(size, first, second, logits):
    """Feature maps of constant values, each half the size of the last, and logits."""
    small = size // 2
    return [
        tf.fill([1, size, size, 2], first),
        tf.fill([1, small, small, 4], second),
        tf.fill([1, small, small, 1], logits),
    ]


FAKE = [maps(4, 1.0, 5.0, 77.0), maps(2, 2.0, 0.0, 88.0)]
REAL = [[tf.zeros_like(x) for x in scale] for scale in FAKE]


def test_by_head():
    """Sum over layers, mean over scales, without the logits: (1 + 5 + 2 + 0) / 2."""
    assert float(feature_matching_loss(FAKE, REAL)) == 4
    assert float(feature_matching_loss(FAKE, FAKE)) == 0


def test_the_real_side_is_a_constant_and_logits_are_left_out():
    with tf.GradientTape() as tape:
        tape.watch([FAKE, REAL])
        loss = feature_matching_loss(FAKE, REAL)
    by_fake, by_real = tape.gradient(loss, [FAKE, REAL])
    assert all(gradient is None for scale in by_real for gradient in scale)
    assert by_fake[0][2] is None and by_fake[1][2] is None
    # 1 / (32 values * 2 scales)
    assert float(by_fake[0][0][0, 0, 0, 0]) == pytest.approx(1 / 64)


def test_half_precision_gives_float32():
    bright, logits = tf.fill([1, 64, 64, 16], tf.constant(60000, "float16")), tf.zeros([1])
    loss = feature_matching_loss([[bright, logits]], [[-bright, logits]])
    assert loss.dtype == tf.float32 and float(loss) == pytest.approx(120000, rel=1e-3)


def test_unequal_numbers_of_maps():
    with pytest.raises(ValueError):
        feature_matching_loss(FAKE, REAL[:1])
    with pytest.raises(ValueError):
        feature_matching_loss(FAKE, [scale[:2] for scale in REAL])
