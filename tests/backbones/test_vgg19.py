import zlib

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.backbones.load import load_features
from lggan_tf.backbones.vgg19 import caffe_scaled
from lggan_tf.errors import UserError
from lggan_tf.losses.perceptual import perceptual_loss

# torchvision's list: number of each convolution and its slice in the authors' loss.
NUMBERS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)
SLICES = (1, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5)
CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512)
POOLED_BEFORE = (5, 10, 19, 28)
FEATURES = (0, 5, 10, 19, 28)


def generator(key):
    return np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))


def rule_state():
    """Weights as a function of their key: the golden value below was computed with the same."""
    state = {}
    for n, (number, slice_number) in enumerate(zip(NUMBERS, SLICES, strict=True)):
        key, shape = f"slice{slice_number}.{number}", (CHANNELS[n + 1], CHANNELS[n], 3, 3)
        kernel = generator(f"{key}.weight").standard_normal(shape, dtype=np.float32)
        kernel *= np.float32(1 / np.sqrt(9 * CHANNELS[n]))
        bias = generator(f"{key}.bias").standard_normal(shape[0], dtype=np.float32)
        state[f"{key}.weight"], state[f"{key}.bias"] = kernel, np.float32(0.05) * bias
    return state


def rule_images(key, shape=(2, 3, 64, 64)):
    x = generator(key).random(shape, dtype=np.float32) * np.float32(2) - np.float32(1)
    return x.transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def state():
    return rule_state()


@pytest.fixture(scope="module")
def path(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "slices.npz"
    np.savez(path, **state)
    return path


@pytest.fixture(scope="module")
def network(path):
    return load_features("vgg19", str(path))


def test_features_equal_a_slow_convolution(network, state, slow_conv):
    image = rule_images("slow", (1, 3, 17, 16))[0]
    x, expected = image, []
    for number, slice_number in zip(NUMBERS, SLICES, strict=True):
        if number in POOLED_BEFORE:
            h, w = x.shape[0] // 2, x.shape[1] // 2
            x = x[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).max(axis=(1, 3))
        kernel = state[f"slice{slice_number}.{number}.weight"].transpose(2, 3, 1, 0)
        bias = state[f"slice{slice_number}.{number}.bias"]
        x = np.maximum(slow_conv(x, kernel) + bias, 0)
        if number in FEATURES:
            expected.append(x)
    features = network(image[None])
    assert [f.shape[1:] for f in features] == [
        (17, 16, 64),
        (8, 8, 128),
        (4, 4, 256),
        (2, 2, 512),
        (1, 1, 512),
    ]
    for got, want in zip(features, expected, strict=True):
        np.testing.assert_allclose(got[0], want, atol=5e-6)


def test_loss_equals_pytorch(network):
    """0.0256524347 was computed with PyTorch 2.13 (float32) from the same weights and images."""
    a, b = rule_images("cross.train.A"), rule_images("cross.train.B")
    loss = perceptual_loss(network(a), network(b), network.layer_weights)
    np.testing.assert_allclose(loss, 0.0256524347, rtol=2e-6)


def test_torchvision_keys_and_further_ones(network, state, tmp_path):
    path = tmp_path / "torchvision.npz"
    renamed = {f"features.{key.split('.', 1)[1]}": value for key, value in state.items()}
    np.savez(path, **renamed, **{"classifier.0.weight": np.zeros((2, 2), np.float32)})
    images = rule_images("keys", (1, 3, 16, 16))
    other = load_features("vgg19", str(path))
    for a, b in zip(network(images), other(images), strict=True):
        np.testing.assert_array_equal(a, b)


def test_layer_weights(network):
    assert network.layer_weights == (0.03125, 0.0625, 0.125, 0.25, 1.0)


def test_images_get_gradients_and_weights_are_frozen(network):
    images = tf.constant(rule_images("gradient", (1, 3, 16, 16)))

    @tf.function
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.add_n([tf.reduce_mean(f) for f in network(images)])
        return tape.gradient(loss, images), len(tape.watched_variables())

    slope, watched = gradient(images)
    assert watched == 0 and network.trainable_variables == [] and len(network.variables) == 26
    assert np.all(np.any(slope.numpy() != 0, axis=-1))
    # A step against the gradient must lower the loss it belongs to.
    before = sum(float(tf.reduce_mean(f)) for f in network(images))
    after = sum(float(tf.reduce_mean(f)) for f in network(images - 0.1 * slope))
    expected = -0.1 * float(tf.reduce_sum(slope**2))
    assert after - before == pytest.approx(expected, rel=0.2)


def test_float32_under_mixed_precision(network, path):
    images = rule_images("mixed", (1, 3, 16, 16))
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = load_features("vgg19", str(path))
        features = mixed(images)
    finally:
        keras.config.set_dtype_policy(policy)
    for a, b in zip(features, network(images), strict=True):
        assert a.dtype == tf.float32
        np.testing.assert_array_equal(a, b)


def test_caffe_scaling():
    """White is 255 minus the mean; red is the last channel of BGR."""
    pixels = np.array([[[[1, 1, 1], [1, -1, -1]]]], np.float32)
    expected = [[151.061, 138.221, 131.32], [-103.939, -116.779, 131.32]]
    np.testing.assert_allclose(caffe_scaled(pixels)[0, 0], expected, atol=1e-4)


@pytest.fixture(scope="module")
def keras_vgg19():
    # Made before any test puts something else in its place.
    keras.utils.set_random_seed(1)
    return keras.applications.VGG19(include_top=False, weights=None)


def keras_features(model, images):
    """What Keras itself makes of the images in 0..255, in its own preprocessing."""
    outputs = [model.get_layer(f"block{b}_conv1").output for b in range(1, 6)]
    inputs = keras.applications.vgg19.preprocess_input((images + 1) * 127.5)
    return keras.Model(model.input, outputs)(inputs)


def assert_close(features, expected):
    for a, b in zip(features, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.max(b))


def test_keras_weights_fetched_by_keras(keras_vgg19, monkeypatch):
    def fetch(include_top, weights):
        assert not include_top and weights == "imagenet"
        return keras_vgg19

    monkeypatch.setattr(keras.applications, "VGG19", fetch)
    images = rule_images("keras", (1, 3, 32, 32))
    assert_close(load_features("vgg19_keras")(images), keras_features(keras_vgg19, images))


def test_keras_weights_from_a_file(keras_vgg19, tmp_path):
    path = tmp_path / "vgg19_notop.h5"
    with h5py.File(path, "w") as file:
        for layer in keras_vgg19.layers:
            group = file.create_group(layer.name)
            for name, value in zip(("W_1:0", "b_1:0"), layer.get_weights(), strict=False):
                group[f"{layer.name}_{name}"] = value
    images = rule_images("keras", (1, 3, 32, 32))
    expected = keras_features(keras_vgg19, images)
    assert_close(load_features("vgg19_keras", str(path))(images), expected)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(UserError, match=r"vgg19_notop\.h5"):
        load_features("vgg19_keras", str(path))


def test_keras_without_a_network(monkeypatch):
    def fail(**_):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "VGG19", fail)
    with pytest.raises(UserError, match=r"URL fetch failure.*--perceptual_weights"):
        load_features("vgg19_keras")


def test_wrong_files(state, tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, **{k: v for k, v in state.items() if k != "slice3.10.bias"})
    with pytest.raises(UserError, match=r"other\.npz is not VGG19: it lacks slice3\.10\.weight or"):
        load_features("vgg19", str(path))
    np.savez(path, **{**state, "slice1.0.weight": np.zeros((64, 1, 3, 3), np.float32)})
    with pytest.raises(UserError, match=r"other\.npz.*\(3, 3, 1, 64\).*\(3, 3, 3, 64\)"):
        load_features("vgg19", str(path))
    with h5py.File(tmp_path / "vgg16.h5", "w") as file:
        file.create_group("block1_conv1")["kernel:0"] = np.zeros((3, 3, 3, 64), np.float32)
    with pytest.raises(UserError, match=r"vgg16\.h5"):
        load_features("vgg19_keras", str(tmp_path / "vgg16.h5"))


def test_names_and_missing_path():
    with pytest.raises(UserError, match="--perceptual_weights"):
        load_features("vgg19")
    with pytest.raises(UserError, match="'vgg16'; choose one of vgg19, vgg19_keras"):
        load_features("vgg16")
