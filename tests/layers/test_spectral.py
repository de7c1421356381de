import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.spectral import SpectralConv2D


def built(filters=5, size=3, channels=4, **settings):
    layer = SpectralConv2D(filters, size, **settings)
    layer.build((None, None, None, channels))
    return layer


def vectors(layer):
    return np.array(layer.vector_u), np.array(layer.vector_v)


def matrix(layer):
    return np.asarray(layer.kernel, "float64").reshape(-1, layer.filters)


@pytest.fixture
def layer(randomize):
    layer = built(pad=1)
    randomize(layer)
    return layer


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, 5, 6, 4)).astype("float32")


def test_vectors_start_with_length_one(layer):
    for vector, size in zip(vectors(layer), (5, 36), strict=True):
        assert vector.shape == (size,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_sigma_becomes_the_largest_singular_value(layer, x, slow_convolution):
    for _ in range(60):
        layer(x, training=True)
    largest = np.linalg.svd(matrix(layer), compute_uv=False)[0]
    assert float(layer.sigma(False)) == pytest.approx(largest, rel=1e-5)
    expected = slow_convolution(
        x, np.asarray(layer.kernel) / largest, np.asarray(layer.bias), pad=1
    )
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-5)


def test_one_power_iteration_per_training_call(layer, x):
    w, (u, _) = matrix(layer), vectors(layer)
    for _ in range(2):
        layer(x, training=True)
        v = w @ u / np.linalg.norm(w @ u)
        u = w.T @ v / np.linalg.norm(w.T @ v)
        np.testing.assert_allclose(vectors(layer)[0], u, atol=1e-6)
        np.testing.assert_allclose(vectors(layer)[1], v, atol=1e-6)
        assert float(layer.sigma(False)) == pytest.approx(u @ w.T @ v, rel=1e-5)


def test_calls_do_not_change_the_kernel(layer, x):
    before = np.array(layer.kernel)
    for training in (True, True, False):
        layer(x, training=training)
    np.testing.assert_array_equal(layer.kernel, before)


def test_inference_leaves_the_vectors(layer, x):
    before = vectors(layer)
    first, second = layer(x, training=False), layer(x)
    np.testing.assert_array_equal(first, second)
    for now, then in zip(vectors(layer), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_goes_through_sigma(layer, x, rng, slow_convolution, training):
    """Against finite differences of sum(r * conv(x, W / (v W u))) with u and v constant."""
    r = rng.normal(size=(2, 5, 6, 5))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(r.astype("float32") * layer(x, training=training))
    gradient = tape.gradient(loss, layer.kernel).numpy()
    (u, v), w = vectors(layer), np.asarray(layer.kernel, "float64")

    def value(kernel):
        sigma = v @ kernel.reshape(-1, 5) @ u
        return np.sum(r * (slow_convolution(x, kernel / sigma, pad=1)))

    step, expected = 1e-5, np.zeros_like(w)
    for index in np.ndindex(w.shape):
        shift = np.zeros_like(w)
        shift[index] = step
        expected[index] = (value(w + shift) - value(w - shift)) / (2 * step)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(gradient, expected, atol=2e-5 * scale)

    with tf.GradientTape() as tape:
        plain = tf.nn.conv2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), layer.kernel, 1, "VALID")
        loss = tf.reduce_sum(r.astype("float32") * plain)
    sigma_is_constant = tape.gradient(loss, layer.kernel).numpy() / float(layer.sigma(False))
    assert np.abs(gradient - sigma_is_constant).max() > 0.05 * scale


def test_vectors_are_no_parameters(layer):
    assert [v.name for v in layer.trainable_variables] == ["kernel", "bias"]
    assert [v.name for v in layer.non_trainable_variables] == ["vector_u", "vector_v"]


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_files_keep_the_vectors(tmp_path, x, suffix, use_bias):
    def network():
        inputs = keras.Input((None, None, 4))
        return keras.Model(inputs, SpectralConv2D(5, 3, use_bias=use_bias)(inputs))

    model, path = network(), tmp_path / f"model{suffix}"
    model(x, training=True)
    if suffix == ".keras":
        model.save(path)
        restored = keras.models.load_model(path)
    else:
        model.save_weights(path)
        restored = network()
        restored.load_weights(path)
    for ours, theirs in zip(model.variables, restored.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(restored.variables) == 3 + use_bias
    np.testing.assert_array_equal(model(x), restored(x))


def test_same_as_plain_in_a_graph(layer, x):
    before = vectors(layer)
    eager = layer(x, training=True)
    moved = vectors(layer)
    layer.vector_u.assign(before[0])
    layer.vector_v.assign(before[1])
    graph = tf.function(lambda inputs: layer(inputs, training=True))(x)
    np.testing.assert_allclose(graph, eager, atol=1e-6)
    for now, then in zip(vectors(layer), moved, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-6)
