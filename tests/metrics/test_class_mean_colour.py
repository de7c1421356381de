import numpy as np
import pytest

from lggan_tf.errors import UserError
from lggan_tf.metrics.class_mean_colour import ClassMeanColour


def test_by_head():
    """Class 0: red 0 and 100 -> 50; class 2: 255 white; class 1 is unseen: the mean of all four."""
    mean = ClassMeanColour(3)
    mean.update(np.array([[[[0, 0, 0], [100, 0, 0]]]], np.uint8), np.array([[[0, 0]]]))
    mean.update(np.full((1, 1, 2, 3), 255, np.uint8), np.array([[[2, 2]]], np.uint8))
    colours = (mean.colours() + 1) * 127.5
    expected = [[50, 0, 0], [610 / 4, 510 / 4, 510 / 4], [255, 255, 255]]
    np.testing.assert_allclose(colours, expected, atol=1e-4)
    painted = mean.paint(np.array([[[2, 0], [1, 2]]], np.uint8))
    assert painted.shape == (1, 2, 2, 3) and painted.dtype == np.float32
    np.testing.assert_array_equal(painted[0, 0], [[1, 1, 1], mean.colours()[0]])


def test_equals_the_slow_way_and_ignores_how_images_are_batched():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 6, 7, 3), np.uint8)
    labels = rng.integers(0, 4, (5, 6, 7), np.uint8)
    whole, parts = ClassMeanColour(4), ClassMeanColour(4)
    whole.update(images, labels)
    parts.update(images[:2], labels[:2])
    parts.update(images[2:], labels[2:])
    expected = [images[labels == k].mean(axis=0) / 127.5 - 1 for k in range(4)]
    np.testing.assert_allclose(whole.colours(), expected, atol=1e-6)
    np.testing.assert_array_equal(whole.colours(), parts.colours())


def test_no_other_colour_per_class_is_nearer():
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (2, 8, 8, 3), np.uint8)
    labels = rng.integers(0, 3, (2, 8, 8))
    mean = ClassMeanColour(3)
    mean.update(images, labels)
    truth = images / 127.5 - 1
    best = np.mean((mean.paint(labels) - truth) ** 2)
    for _ in range(20):
        other = mean.colours() + rng.normal(0, 0.05, (3, 3))
        assert np.mean((other[labels] - truth) ** 2) > best


def test_many_pixels_are_counted_exactly():
    """2^24 + 1 is where a float32 sum of ones stops growing."""
    mean = ClassMeanColour(1)
    image, labels = np.full((1, 2048, 2048, 3), 1, np.uint8), np.zeros((1, 2048, 2048), np.uint8)
    for _ in range(5):
        mean.update(image, labels)
    np.testing.assert_allclose((mean.colours() + 1) * 127.5, [[1, 1, 1]], atol=1e-4)


def test_refusals():
    mean = ClassMeanColour(3)
    with pytest.raises(ValueError, match="call update first"):
        mean.paint(np.zeros((1, 2, 2), int))
    with pytest.raises(UserError, match="label 3, .* 0 to 2"):
        mean.update(np.zeros((1, 1, 1, 3), np.uint8), np.array([[[3]]]))
    with pytest.raises(UserError, match="label -1"):
        mean.update(np.zeros((1, 1, 1, 3), np.uint8), np.array([[[-1]]]))
    with pytest.raises(ValueError, match="uint8"):
        mean.update(np.zeros((1, 1, 1, 3), np.float32), np.zeros((1, 1, 1), int))
    with pytest.raises(ValueError, match="expected"):
        mean.update(np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 1), int))
