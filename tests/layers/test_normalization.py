import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.normalization import BatchNorm, InstanceNorm


def test_instance_norm_adds_1e_5_to_the_variance():
    """Deviation sqrt(1e-5): variance and epsilon are equal, so one deviation becomes 1 / sqrt 2."""
    x = np.sqrt(1e-5) * np.array([1, -1, -1, 1], "float32").reshape(1, 2, 2, 1)
    result = InstanceNorm()(x)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(np.ravel(result), [half, -half, -half, half], rtol=1e-3)


def test_instance_norm_is_per_image_and_channel(rng):
    x = rng.normal(5, 3, size=(2, 4, 5, 3)).astype("float32")
    x[1] *= 100
    norm = InstanceNorm()
    mean, variance = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    for training in (True, False):
        np.testing.assert_allclose(norm(x, training=training), expected, atol=1e-5)
    assert norm.variables == []


@pytest.mark.parametrize("shape", [(1, 16, 9, 5), (1, 1, 1, 3)])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_one_image_is_normalised_as_several_are(rng, shape, offset):
    """By another kernel; of a single pixel nothing is left."""
    x = rng.normal(offset, 2, size=shape).astype("float32")
    weights = rng.normal(size=shape).astype("float32")
    found = []
    for images in (x, np.concatenate([x, x + 1]), x.astype("float64")):
        images = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(images)
            normalised = InstanceNorm(dtype=images.dtype)(images)
            total = tf.reduce_sum(normalised[:1] * tf.cast(weights, images.dtype))
        found.append((normalised[:1], tape.gradient(total, images)[:1]))
    for one, several, exact in zip(*found, strict=True):
        np.testing.assert_allclose(one, exact, atol=2e-5)
        np.testing.assert_allclose(several, exact, atol=2e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_one_image_in_half_precision(rng, policy):
    half = policy.removeprefix("mixed_")
    x = tf.cast(rng.normal(3, 2, size=(1, 8, 8, 2)), half)
    for images in (x, tf.cast(x, "float32")):  # the layer casts its result alone
        normalised = InstanceNorm(dtype=policy)(images)
        assert normalised.dtype == half
        expected = InstanceNorm()(tf.cast(x, "float32"))
        np.testing.assert_allclose(tf.cast(normalised, "float32"), expected, atol=0.04)


X = np.array([0, 2, 4, 6], "float32").reshape(2, 1, 2, 1)  # mean 3, variance 20/4, unbiased 20/3


def test_batch_norm_by_head():
    norm = BatchNorm()
    trained = norm(X, training=True)
    np.testing.assert_allclose(np.ravel(trained), (np.ravel(X) - 3) / np.sqrt(5.00001), rtol=1e-5)
    assert float(norm.moving_mean[0]) == pytest.approx(0.1 * 3)
    assert float(norm.moving_variance[0]) == pytest.approx(0.9 + 0.1 * 20 / 3)
    stored = (np.ravel(X) - 0.3) / np.sqrt(0.9 + 2 / 3 + 1e-5)
    before = [np.array(v) for v in norm.variables]
    np.testing.assert_allclose(np.ravel(norm(X, training=False)), stored, rtol=1e-5)
    np.testing.assert_allclose(np.ravel(norm(X)), stored, rtol=1e-5)
    for now, then in zip(norm.variables, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_batch_norm_over_several_steps(rng):
    norm, mean, variance = BatchNorm(), np.zeros(3), np.ones(3)
    step = tf.function(lambda x: norm(x, training=True))
    for _ in range(4):
        x = rng.normal(1, 2, size=(3, 2, 2, 3)).astype("float32")
        step(x)
        mean = 0.9 * mean + 0.1 * x.mean(axis=(0, 1, 2))
        variance = 0.9 * variance + 0.1 * x.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(norm.moving_mean, mean, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-5)


def test_batch_norm_of_one_pixel_stays_finite():
    norm = BatchNorm()
    assert float(norm(tf.fill([1, 1, 1, 1], 7.0), training=True)[0, 0, 0, 0]) == 0
    assert float(norm.moving_variance[0]) == pytest.approx(0.9)


def test_a_frozen_batch_norm_uses_what_is_stored():
    norm = BatchNorm(trainable=False)
    np.testing.assert_allclose(norm(X, training=True), X / np.sqrt(1.00001), rtol=1e-6)
    assert float(norm.moving_variance[0]) == 1


def test_batch_norm_has_no_parameters():
    norm = BatchNorm()
    norm.build((None, 4, 4, 3))
    assert norm.trainable_variables == []
    assert sorted(v.name for v in norm.variables) == ["moving_mean", "moving_variance"]
