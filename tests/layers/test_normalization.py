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


PLANES = [(1, 16, 9, 5), (2, 7, 13, 5), (1, 1, 1, 3), (1, 96, 200, 2)]


def norms(dtype):
    """Both norms as functions of images, by name."""
    batch = BatchNorm(dtype=dtype)
    return {
        "instance": InstanceNorm(dtype=dtype),
        "batch": lambda images: batch(images, training=True),
    }


def formula(x, axes):
    """The definition, in the precision of x, with TensorFlow's own gradient."""
    mean = tf.reduce_mean(x, axes, keepdims=True)
    variance = tf.reduce_mean(tf.square(x - mean), axes, keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-5)


@pytest.mark.parametrize(("kind", "axes"), [("instance", (1, 2)), ("batch", (0, 1, 2))])
@pytest.mark.parametrize("shape", PLANES)
@pytest.mark.parametrize(("offset", "deviation"), [(0.0, 2.0), (30.0, 2.0), (100.0, 0.01)])
def test_values_and_gradients_are_those_of_the_definition(
    rng, kind, axes, shape, offset, deviation
):
    """In double precision to its noise, in single precision to what rounding of x leaves open."""
    x = rng.normal(offset, deviation, size=shape).astype("float32")
    weights = rng.normal(size=shape).astype("float32")
    found = {}
    for dtype, norm in (
        ("exact", lambda images: formula(images, axes)),
        ("float64", norms("float64")[kind]),
        ("float32", norms("float32")[kind]),
    ):
        images = tf.constant(x, "float32" if dtype == "float32" else "float64")
        with tf.GradientTape() as tape:
            tape.watch(images)
            normalised = norm(images)
            total = tf.reduce_sum(normalised * tf.cast(weights, images.dtype))
        found[dtype] = normalised, tape.gradient(total, images)
    for exact, double, single in zip(*found.values(), strict=True):
        size = max(1.0, float(np.abs(exact).max()))
        np.testing.assert_allclose(double, exact, atol=1e-10 * size)
        np.testing.assert_allclose(single, exact, atol=4e-6 * size)


@pytest.mark.parametrize("kind", ["instance", "batch"])
@pytest.mark.parametrize("shape", PLANES)
@pytest.mark.parametrize("graph", [False, True])
def test_of_equal_values_nothing_is_left(kind, shape, graph):
    """Not even rounding, which the norms behind would multiply by 316 each."""
    norm = norms("float32")[kind]
    norm(tf.zeros(shape))  # creates what there is to create
    if graph:
        norm = tf.function(norm, input_signature=[tf.TensorSpec([None, None, None, shape[-1]])])
    for value in (0.1, -1.7, 1234.567):
        planes = value * tf.range(1.0, shape[-1] + 1) * tf.ones(shape)
        np.testing.assert_array_equal(norm(planes), tf.zeros(shape))


@pytest.mark.parametrize("kind", ["instance", "batch"])
def test_one_odd_pixel_stands_out_exactly(kind):
    """Of N pixels one is h higher: it is (h - h/N) / s, the others -h/N / s."""
    shape, height = (1, 128, 256, 1), 0.3
    x = np.full(shape, 7.7, "float32")
    x[0, 40, 90] += height
    count = x.size
    deviation = np.sqrt(height**2 * (1 / count - 1 / count**2) + 1e-5)
    found = np.array(norms("float32")[kind](x))
    assert found[0, 40, 90, 0] == pytest.approx(height * (1 - 1 / count) / deviation, rel=1e-5)
    assert found[0, 0, 0, 0] == pytest.approx(-height / count / deviation, rel=1e-5)
    assert np.unique(found).size == 2


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
