import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.convolution import PaddedConv2D, UpConv2D, pad_images

ONE_TO_NINE = np.arange(1, 10, dtype="float32").reshape(1, 3, 3, 1)


def with_kernel(layer, channels, kernel, bias):
    layer.build((None, None, None, channels))
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    return layer


def test_padding_by_head():
    """All-ones kernel: at the corner zeros leave 1+2+4+5; reflection gives 5 4 5, 2 1 2, 5 4 5."""
    for mode, corner in (("zeros", 12), ("reflect", 33)):
        layer = PaddedConv2D(1, 3, pad=1, padding_mode=mode)
        result = with_kernel(layer, 1, np.ones((3, 3, 1, 1)), [0.5])(ONE_TO_NINE)
        assert result.shape == (1, 3, 3, 1)
        assert float(result[0, 0, 0, 0]) == corner + 0.5
        assert float(result[0, 1, 1, 0]) == 45.5


def test_a_stride_starts_at_the_padded_corner():
    """Kernel that takes the window's centre: rows and columns 0 and 2, not 1 as with "same"."""
    kernel = np.zeros((3, 3, 1, 1))
    kernel[1, 1] = 1
    images = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    result = with_kernel(PaddedConv2D(1, 3, strides=2, pad=1), 1, kernel, [0])(images)
    np.testing.assert_array_equal(result[0, ..., 0], [[0, 2], [8, 10]])


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
@pytest.mark.parametrize(
    "size, stride, pad",
    [(7, 1, 3), (3, 2, 1), (3, 1, 1), (4, 2, 1), (4, 2, 2), (4, 1, 2), (1, 1, 0)],
)
def test_equals_the_slow_way(slow_convolution, rng, size, stride, pad, mode):
    x = rng.normal(size=(2, 7, 10, 3)).astype("float32")
    kernel, bias = rng.normal(size=(size, size, 3, 5)), rng.normal(size=5)
    layer = PaddedConv2D(5, size, strides=stride, pad=pad, padding_mode=mode)
    result = with_kernel(layer, 3, kernel, bias)(x)
    expected = slow_convolution(x, kernel, bias, stride, pad, mode)
    assert result.shape == expected.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_bias_only_on_demand():
    layer = PaddedConv2D(2, 3, use_bias=False)
    layer.build((None, 8, 8, 1))
    assert [v.shape for v in layer.variables] == [(3, 3, 1, 2)]


@pytest.mark.parametrize("argument", [{"activation": "relu"}, {"groups": 2}, {"padding": "same"}])
def test_what_keras_convolution_has_beside_is_refused(argument):
    with pytest.raises(TypeError, match=f"PaddedConv2D has no argument '{[*argument][0]}'"):
        PaddedConv2D(2, 3, **argument)


def test_unknown_padding_mode():
    with pytest.raises(KeyError):
        pad_images(tf.zeros([1, 4, 4, 1]), 1, "mirror")


def slow_transposed(x, kernel, bias):
    """Pixel (i, j) adds kernel[a, b] to pixel (2i - 1 + a, 2j - 1 + b) of an image twice as big."""
    batch, height, width, _ = x.shape
    y = np.zeros((batch, 2 * height, 2 * width, kernel.shape[2]))
    for i, j, a, b in np.ndindex(height, width, 3, 3):
        row, column = 2 * i - 1 + a, 2 * j - 1 + b
        if 0 <= row < 2 * height and 0 <= column < 2 * width:
            y[:, row, column] += x[:, i, j] @ kernel[a, b].T
    return y + bias


def test_transposed_by_head():
    """One pixel of value 2 shows the lower right four of the kernel 1..9."""
    layer = with_kernel(UpConv2D(1), 1, ONE_TO_NINE.reshape(3, 3, 1, 1), [0.5])
    result = layer(np.full((1, 1, 1, 1), 2.0, "float32"))
    np.testing.assert_array_equal(result[0, ..., 0], [[10.5, 12.5], [16.5, 18.5]])


def test_transposed_equals_the_slow_way(rng):
    x = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    kernel, bias = rng.normal(size=(3, 3, 6, 4)), rng.normal(size=6)
    layer = with_kernel(UpConv2D(6), 4, kernel, bias)
    result = layer(x)
    assert result.shape == (2, 6, 10, 6) == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(result, slow_transposed(x, kernel, bias), atol=1e-5)


def test_transposed_doubles_sizes_that_the_graph_does_not_know(rng):
    layer = UpConv2D(2)
    layer.build((None, None, None, 3))
    graph = tf.function(layer.call, input_signature=[tf.TensorSpec([None, None, None, 3])])
    for height, width in ((1, 4), (7, 2)):
        assert graph(tf.zeros([2, height, width, 3])).shape == (2, 2 * height, 2 * width, 2)


@pytest.mark.parametrize("layer", [PaddedConv2D, UpConv2D])
def test_channels_are_last_whatever_keras_settings_say(layer, rng):
    """A keras.json with `channels_first` is common where other networks want it."""
    x = rng.normal(size=(1, 6, 8, 3)).astype("float32")
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        sizes = {"kernel_size": 3, "pad": 1} if layer is PaddedConv2D else {}
        shape = layer(5, **sizes)(x).shape
    finally:
        keras.config.set_image_data_format(before)
    assert tuple(shape) == ((1, 6, 8, 5) if layer is PaddedConv2D else (1, 12, 16, 5))
