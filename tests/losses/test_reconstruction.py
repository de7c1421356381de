import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.losses.reconstruction import class_l1_loss, l1_loss, total_variation


def test_l1_by_head():
    assert float(l1_loss(tf.constant([1.0, -3.0]), tf.constant([2.0, 2.0]))) == 3


def test_class_l1_by_head():
    """One pixel each of class 0, 1 and void, photo 1: |0.5 - 1|, 0.5, 0.5 and 0, |0 - 1|, 0."""
    images = tf.constant([0.5, 0.0])[:, None] * tf.ones([1, 1, 3, 2, 1])
    labels, photo = tf.constant([[[0, 1, 2]]]), tf.ones([1, 1, 3, 1])
    assert float(class_l1_loss(images, labels, photo)) == pytest.approx(1.5 / 3 + 1 / 3)


def test_class_l1_equals_the_slow_way():
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, size=(2, 4, 5, 3, 3)).astype("float32")
    photo = rng.uniform(-1, 1, size=(2, 4, 5, 3)).astype("float32")
    labels = rng.integers(0, 4, size=(2, 4, 5)).astype("int32")
    labels[0, labels[0] == 1] = 2  # absent in one image
    expected = 0.0
    for i in range(3):
        wanted = np.where((labels == i)[..., None], photo, 0)
        expected += np.mean(np.abs(images[..., i, :] - wanted))
    assert float(class_l1_loss(images, labels, photo)) == pytest.approx(expected, rel=1e-5)


def test_the_authors_slip_holds_class_27_against_the_map_of_26():
    """Photo 1; a pixel each of class 26 and 27. Image 27 is right where 26 is, image 26 as well."""
    labels, photo = tf.constant([[[26, 27]]]), tf.ones([1, 1, 2, 3])
    masks = tf.one_hot(labels, 30)[..., None] * tf.ones(3)
    slipped = tf.concat([masks[..., :27, :], masks[..., 26:27, :], masks[..., 28:, :]], axis=-2)
    assert float(class_l1_loss(masks, labels, photo)) == 0
    assert float(class_l1_loss(slipped, labels, photo, slip=True)) == 0
    # Image 27 is off at both pixels: a mean of 1 over them.
    assert float(class_l1_loss(masks, labels, photo, slip=True)) == pytest.approx(1)
    assert float(class_l1_loss(slipped, labels, photo)) == pytest.approx(1)


def test_total_variation_by_head():
    """[[1, 3], [6, 0]]: 2 + 6 sideways, 5 + 3 downwards."""
    image = tf.reshape(tf.constant([1.0, 3.0, 6.0, 0.0]), [1, 2, 2, 1])
    assert float(total_variation(image)) == 16
    # A sum, over batch and channels too, not a mean.
    assert float(total_variation(tf.tile(image, [2, 1, 1, 3]))) == 96
    assert float(total_variation(tf.fill([2, 4, 4, 3], 0.7))) == 0
