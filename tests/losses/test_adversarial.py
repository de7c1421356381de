import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.losses.adversarial import (
    adversarial_loss,
    cross_entropy_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    least_squares_loss,
    multiscale_adversarial_loss,
)


def test_hinge_by_head():
    """Generator: -(1 - 3) / 2. Real: 0, 0.5 and 2; fake: 3, 1.5 and 0, a third each."""
    assert float(hinge_generator_loss(tf.constant([1.0, -3.0]))) == 1
    logits = tf.constant([2.0, 0.5, -1.0])
    assert float(hinge_discriminator_loss(logits, True)) == pytest.approx(2.5 / 3)
    assert float(hinge_discriminator_loss(logits, False)) == pytest.approx(1.5)


def test_cross_entropy_by_head():
    """sigmoid(ln 3) = 3/4; 1000 must not overflow."""
    logits = tf.constant([np.log(3)], "float32")
    assert float(cross_entropy_loss(logits, True)) == pytest.approx(np.log(4 / 3), rel=1e-5)
    assert float(cross_entropy_loss(logits, False)) == pytest.approx(np.log(4), rel=1e-5)
    assert float(cross_entropy_loss(tf.constant([0.0, 0.0]), True)) == pytest.approx(np.log(2))
    assert float(cross_entropy_loss(tf.constant([1000.0]), False)) == 1000
    assert float(cross_entropy_loss(tf.constant([-1000.0, 1000.0]), True)) == 500


def test_least_squares_by_head():
    logits = tf.constant([3.0, 0.0])
    assert float(least_squares_loss(logits, True)) == 2.5
    assert float(least_squares_loss(logits, False)) == 4.5


@pytest.mark.parametrize(
    "name, generator, real, fake",
    [("hinge", -0.5, 0.5, 1.5), ("least_squares", 0.25, 0.25, 0.25),
     ("cross_entropy", 0.474077, 0.474077, 0.974077)],
)  # fmt: skip
def test_by_name(name, generator, real, fake):
    """Logit 0.5; ln(1 + e^-0.5) = 0.474077."""
    logits = tf.constant([0.5])
    assert float(adversarial_loss(name, logits, True, True)) == pytest.approx(generator, rel=1e-5)
    assert float(adversarial_loss(name, logits, True, False)) == pytest.approx(real, rel=1e-5)
    assert float(adversarial_loss(name, logits, False, False)) == pytest.approx(fake, rel=1e-5)


def test_what_is_no_loss():
    logits = tf.zeros([1])
    with pytest.raises(ValueError, match="'wasserstein'"):
        adversarial_loss("wasserstein", logits, True, True)
    for name in ("hinge", "least_squares", "cross_entropy"):
        with pytest.raises(ValueError, match="towards real"):
            adversarial_loss(name, logits, False, True)


def test_scales_count_alike_and_the_last_map_alone():
    """100 predictions of 2 and one of -1: real hinge (0 + 2) / 2."""
    scales = [[tf.fill([2], 99.0), tf.fill([1, 10, 10, 1], 2.0)], [-tf.ones([1, 1, 1, 1])]]
    assert float(multiscale_adversarial_loss("hinge", scales, True, False)) == 1


def test_half_precision_is_averaged_in_full():
    """In float16 the sum of 10,000 times 60 would be infinite."""
    scales = [[tf.fill([1, 100, 100, 1], tf.constant(60, "float16"))]]
    loss = multiscale_adversarial_loss("hinge", scales, True, True)
    assert loss.dtype == tf.float32 and float(loss) == -60
