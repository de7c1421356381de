import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.spectral import SpectralConv2D
from lggan_tf.networks.discriminator import MultiscaleDiscriminator, PatchDiscriminator, _halve


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, 40, 52, 5)).astype("float32")


@pytest.mark.parametrize(
    "num_layers, strides, widths",
    [(1, [2], [6]), (2, [2, 1], [6, 12]), (4, [2, 2, 2, 1], [6, 12, 24, 48]),
     (5, [2, 2, 2, 2, 1], [6, 12, 24, 48, 48])],
)  # fmt: skip
@pytest.mark.parametrize("pad", [1, 2])
@pytest.mark.parametrize("spectral", [True, False])
def test_shapes(num_layers, strides, widths, pad, spectral):
    """floor((n + 2 pad - 4) / stride) + 1 per layer, and the same with stride 1 for the logits."""
    maps = PatchDiscriminator(6, num_layers, pad, spectral)(tf.ones([2, 66, 99, 5]))
    height, width, expected = 66, 99, []
    for stride, filters in zip([*strides, 1], [*widths, 1], strict=True):
        height, width = ((n + 2 * pad - 4) // stride + 1 for n in (height, width))
        expected.append((2, height, width, filters))
    assert [tuple(m.shape) for m in maps] == expected


def test_the_papers_patches():
    """64 pixels give the cross-view discriminator's 6 x 6 predictions, 256 its 30 x 30."""
    discriminator = MultiscaleDiscriminator(1, 2, pad=1, spectral=False)
    for side, patches in ((64, 6), (256, 30)):
        ((*_, logits),) = discriminator(tf.zeros([1, side, side, 6]))
        assert logits.shape == (1, patches, patches, 1)


def test_layers_one_by_one(x, randomize):
    """No norm in the first layer and on the logits; leaky ReLU of slope 0.2; nothing on logits."""
    discriminator = PatchDiscriminator(3, 3, 2, spectral=True)
    discriminator(x)
    randomize(discriminator)
    maps = discriminator(x)

    def leaky(value):
        return np.where(value > 0, value, 0.2 * value)

    first = leaky(np.array(discriminator.convolutions[0](x)))
    np.testing.assert_allclose(maps[0], first, atol=1e-5)
    for index in (1, 2):
        value = np.array(discriminator.convolutions[index](maps[index - 1]))
        mean, variance = (f(value, axis=(1, 2), keepdims=True) for f in (np.mean, np.var))
        expected = leaky((value - mean) / np.sqrt(variance + 1e-5))
        np.testing.assert_allclose(maps[index], expected, atol=1e-4)
    np.testing.assert_allclose(maps[3], discriminator.to_logits(maps[2]), atol=1e-5)


def test_spectral_normalisation_and_biases_of_the_middle_layers():
    for spectral in (True, False):
        patch = PatchDiscriminator(3, 4, 2, spectral)
        kinds = [isinstance(c, SpectralConv2D) for c in (*patch.convolutions, patch.to_logits)]
        assert kinds == [False, spectral, spectral, spectral, False]
        biases = [c.use_bias for c in (*patch.convolutions, patch.to_logits)]
        assert biases == [True, not spectral, not spectral, not spectral, True]


def test_half_size_by_head():
    """0..15: windows of 4, 6, 6 and 9 real pixels; the padding does not count."""
    images = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    np.testing.assert_allclose(_halve(images)[0, ..., 0], [[2.5, 4], [8.5, 10]], rtol=1e-6)


@pytest.mark.parametrize("height, width", [(6, 8), (5, 7), (1, 2)])
def test_half_size_equals_the_slow_way(rng, height, width):
    images = rng.normal(size=(2, height, width, 3)).astype("float32")
    expected = np.zeros((2, (height + 1) // 2, (width + 1) // 2, 3))
    for i, j in np.ndindex(expected.shape[1:3]):
        rows, columns = slice(max(2 * i - 1, 0), 2 * i + 2), slice(max(2 * j - 1, 0), 2 * j + 2)
        expected[:, i, j] = images[:, rows, columns].mean(axis=(1, 2))
    np.testing.assert_allclose(_halve(images), expected, atol=1e-5)


def test_every_scale_sees_the_last_ones_half(x, randomize):
    discriminator = MultiscaleDiscriminator(3, 4, 2)
    discriminator(x)
    randomize(discriminator)
    results, seen = discriminator(x), x
    assert len(results) == 3
    for scale, maps in zip(discriminator.scales, results, strict=True):
        for ours, theirs in zip(maps, scale(seen), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        seen = _halve(seen)
    # Their own weights, not one network shown three sizes.
    assert np.any(discriminator.scales[1](x)[-1] != results[0][-1])


def test_one_power_iteration_per_call(x):
    discriminator = MultiscaleDiscriminator(2, 3, 3)
    discriminator(x)
    convolution = discriminator.scales[1].convolutions[1]
    matrix = np.array(convolution.kernel).reshape(-1, 6)
    u = np.array(convolution.vector_u)
    discriminator(x, training=False)
    np.testing.assert_array_equal(convolution.vector_u, u)
    discriminator(x, training=True)
    u = matrix.T @ (matrix @ u)
    np.testing.assert_allclose(convolution.vector_u, u / np.linalg.norm(u), atol=1e-5)


def test_images_of_a_batch_are_independent(x):
    discriminator = MultiscaleDiscriminator(2, 3, 3)
    both, alone = discriminator(x), discriminator(x[:1])
    for ours, theirs in zip(both, alone, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a[:1], b, atol=1e-5)


def test_a_file_gives_the_same_discriminator(x, tmp_path):
    discriminator = MultiscaleDiscriminator(2, 3, 3)
    discriminator(x, training=True)
    discriminator.save(tmp_path / "d.keras")
    restored = keras.models.load_model(tmp_path / "d.keras")
    for ours, theirs in zip(discriminator(x), restored(x), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
