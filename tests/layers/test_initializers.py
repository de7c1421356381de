import keras
import numpy as np
import pytest

from lggan_tf.layers.class_specific import ClassSpecificConv2D
from lggan_tf.layers.convolution import PaddedConv2D, UpConv2D
from lggan_tf.layers.initializers import kernel_initializer

SHAPE = (7, 7, 64, 3)
XAVIER = 0.02 * np.sqrt(2 / (49 * 64 + 49 * 3))  # gain sqrt(2 / (fan in + fan out))


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


@pytest.mark.parametrize("name, deviation", [("normal", 0.02), ("xavier", XAVIER)])
def test_deviations(name, deviation):
    """Of one convolution, and of each class's kernel in a stack: fans count one class alone."""
    single = np.asarray(kernel_initializer(name)(SHAPE))
    stack = ClassSpecificConv2D(3, 7, 5, initializer=name)
    stack.build((None, 16, 16, 64))
    for kernel in (single, *np.asarray(stack.kernels)):
        assert kernel.shape == SHAPE
        assert kernel.std() == pytest.approx(deviation, rel=0.05)
        assert abs(kernel.mean()) < deviation / 20
        # A normal distribution that nobody has cut off at two deviations.
        assert np.abs(kernel).max() > 3 * deviation
    assert not np.any(stack.biases)


def test_no_two_kernels_are_equal():
    first, second = PaddedConv2D(4, 3), PaddedConv2D(4, 3)
    stack = ClassSpecificConv2D(2, 3, 2)
    for layer in (first, second, stack):
        layer.build((None, 8, 8, 4))
    assert np.all(np.asarray(first.kernel) != np.asarray(second.kernel))
    assert np.all(np.asarray(stack.kernels[0]) != np.asarray(stack.kernels[1]))


def test_layers_use_the_named_one():
    for name, deviation in (("normal", 0.02), ("xavier", 0.02 * np.sqrt(2 / (9 * 64 + 9 * 32)))):
        for layer in (PaddedConv2D(32, 3, initializer=name), UpConv2D(32, initializer=name)):
            layer.build((None, 8, 8, 64))
            assert np.std(layer.kernel) == pytest.approx(deviation, rel=0.05)
            assert not np.any(layer.bias)


def test_unknown_name():
    with pytest.raises(ValueError, match="'he'; use 'normal' or 'xavier'"):
        kernel_initializer("he")
    with pytest.raises(ValueError, match="'he'"):
        ClassSpecificConv2D(3, 7, 2, initializer="he").build((None, 8, 8, 4))
