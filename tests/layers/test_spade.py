import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.spade import SPADE, SPADEResnetBlock


@pytest.fixture
def x(rng):
    return rng.normal(2, 3, size=(2, 6, 7, 4)).astype("float32")


@pytest.fixture
def semantic(rng):
    return np.eye(3, dtype="float32")[rng.integers(0, 3, size=(2, 6, 7))]


def normalized(x):
    return (x - x.mean(axis=(0, 1, 2))) / np.sqrt(x.var(axis=(0, 1, 2)) + 1e-5)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def test_scale_is_one_plus_gamma(x, semantic):
    """gamma 0.5 and beta 2 everywhere."""
    spade = SPADE(4, 8)
    spade(x, semantic)
    for convolution, value in ((spade.gamma, 0.5), (spade.beta, 2.0)):
        convolution.kernel.assign(tf.zeros_like(convolution.kernel))
        convolution.bias.assign(np.full(4, value))
    result = spade(x, semantic, training=True)
    np.testing.assert_allclose(result, 1.5 * normalized(x) + 2, atol=1e-4)


def test_equals_the_slow_way(x, semantic, randomize, slow_convolution):
    spade = SPADE(4, 8)
    spade(x, semantic)
    randomize(spade)

    def convolve(images, layer):
        return slow_convolution(images, np.array(layer.kernel), np.array(layer.bias), pad=1)

    hidden = np.maximum(convolve(semantic, spade.shared), 0)
    scale, offset = 1 + convolve(hidden, spade.gamma), convolve(hidden, spade.beta)
    result = spade(x, semantic, training=True)
    np.testing.assert_allclose(result, normalized(x) * scale + offset, atol=1e-4)
    # The statistics of that one call are stored now: 0.1 of the way from (0, 1).
    mean, variance = 0.1 * x.mean(axis=(0, 1, 2)), 0.9 + 0.1 * x.var(axis=(0, 1, 2), ddof=1)
    stored = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(spade(x, semantic), stored * scale + offset, atol=1e-4)


def test_a_constant_map_modulates_alike_inside(x, randomize):
    """Two 3x3 convolutions: from two pixels inside on, scale and offset do not vary."""
    spade, constant = SPADE(4, 8), np.ones((2, 6, 7, 3), "float32") * [1, 0, 0]
    spade(x, constant)
    randomize(spade)
    zeros, ones = (spade(tf.fill(x.shape, v), constant).numpy() for v in (0.0, 1.0))
    for modulation in (zeros, ones - zeros):
        inside = modulation[:, 2:-2, 2:-2]
        np.testing.assert_allclose(
            inside, np.broadcast_to(inside[:1, :1, :1], inside.shape), atol=1e-5
        )
        assert np.all(np.abs(modulation[:, 0, 0] - inside[:, 0, 0]) > 1e-3)


@pytest.mark.parametrize("filters, middle", [(6, 4), (2, 2)])
def test_a_block_with_a_learned_shortcut(x, semantic, randomize, filters, middle):
    block = SPADEResnetBlock(4, filters, 8)
    block(x, semantic)
    randomize(block)
    assert block.learns_shortcut
    assert block.convolution_0.filters == middle and block.convolution_1.filters == filters
    assert not block.convolution_s.use_bias and block.convolution_s.kernel_size == (1, 1)
    hidden = block.convolution_0(leaky(block.norm_0(x, semantic)))
    hidden = block.convolution_1(leaky(block.norm_1(hidden, semantic)))
    shortcut = block.convolution_s(block.norm_s(x, semantic))  # no activation
    result = block(x, semantic)
    assert result.shape == (2, 6, 7, filters)
    np.testing.assert_allclose(result, shortcut + hidden, atol=1e-4)


def test_the_shortcut_is_the_input_where_channels_stay(x, semantic, randomize):
    block = SPADEResnetBlock(4, 4, 8)
    block(x, semantic)
    randomize(block)
    assert not block.learns_shortcut and not hasattr(block, "convolution_s")
    # A zero kernel has no sigma to be divided by; scaled down to nothing is near enough.
    block.norm_1.gamma.kernel.assign(tf.zeros_like(block.norm_1.gamma.kernel))
    block.norm_1.gamma.bias.assign(-np.ones(4))
    block.norm_1.beta.kernel.assign(tf.zeros_like(block.norm_1.beta.kernel))
    block.norm_1.beta.bias.assign(np.zeros(4))
    block.convolution_1.bias.assign(np.full(4, 0.25))
    np.testing.assert_allclose(block(x, semantic), x + 0.25, atol=1e-5)


def test_training_reaches_every_norm_and_convolution(x, semantic):
    block = SPADEResnetBlock(4, 6, 8)
    block(x, semantic)
    before = [np.array(v) for v in block.non_trainable_variables]
    block(x, semantic, training=False)
    for now, then in zip(block.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(now, then)
    block(x, semantic, training=True)
    # 3 norms with mean and variance, 3 convolutions with u and v.
    moved = [
        np.any(np.array(v) != b) for v, b in zip(block.non_trainable_variables, before, strict=True)
    ]
    assert len(moved) == 12 and all(moved)
