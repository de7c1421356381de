import numpy as np
import pytest

from lggan_tf.layers.blocks import DownBlock, ResidualBlock, StemBlock, UpBlock


@pytest.fixture
def x(rng):
    return rng.normal(1, 2, size=(2, 8, 12, 4)).astype("float32")


def normalized(x):
    return (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(
        x.var(axis=(1, 2), keepdims=True) + 1e-5
    )


@pytest.mark.parametrize(
    "kind, convolution, shape",
    [
        (StemBlock, {"pad": 3, "mode": "reflect"}, (2, 8, 12, 5)),
        (DownBlock, {"pad": 1, "stride": 2}, (2, 4, 6, 5)),
    ],
)
def test_stem_and_down(x, randomize, slow_convolution, kind, convolution, shape):
    block = kind(5)
    block(x)
    randomize(block)
    kernel, bias = np.array(block.convolution.kernel), np.array(block.convolution.bias)
    expected = np.maximum(normalized(slow_convolution(x, kernel, bias, **convolution)), 0)
    assert expected.shape == shape
    np.testing.assert_allclose(block(x), expected, atol=1e-4)


def test_up(x, randomize):
    block = UpBlock(5)
    block(x)
    randomize(block)
    expected = np.maximum(normalized(np.array(block.convolution(x))), 0)
    assert expected.shape == (2, 16, 24, 5)
    np.testing.assert_allclose(block(x), expected, atol=1e-5)


def test_residual(x, randomize, slow_convolution):
    """Reflection in both convolutions, ReLU between them and none after the sum."""
    block = ResidualBlock(4)
    block(x)
    randomize(block)

    def convolve(images, layer):
        kernel, bias = np.array(layer.kernel), np.array(layer.bias)
        return normalized(slow_convolution(images, kernel, bias, pad=1, mode="reflect"))

    hidden = np.maximum(convolve(x, block.convolution_1), 0)
    expected = x + convolve(hidden, block.convolution_2)
    assert expected.min() < 0
    np.testing.assert_allclose(block(x), expected, atol=1e-4)
