import tensorflow as tf

from lggan_tf.losses.reconstruction import l1_loss, total_variation


def test_l1_by_head():
    assert float(l1_loss(tf.constant([1.0, -3.0]), tf.constant([2.0, 2.0]))) == 3


def test_total_variation_by_head():
    """[[1, 3], [6, 0]]: 2 + 6 sideways, 5 + 3 downwards."""
    image = tf.reshape(tf.constant([1.0, 3.0, 6.0, 0.0]), [1, 2, 2, 1])
    assert float(total_variation(image)) == 16
    # A sum, over batch and channels too, not a mean.
    assert float(total_variation(tf.tile(image, [2, 1, 1, 3]))) == 96
    assert float(total_variation(tf.fill([2, 4, 4, 3], 0.7))) == 0
