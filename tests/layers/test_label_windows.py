"""What is computed for distinct windows equals what is computed for every pixel."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lggan_tf.layers import label_windows as module
from lggan_tf.layers.blocks import StemBlock
from lggan_tf.layers.label_windows import LabelMap, label_windows, spread
from lggan_tf.layers.spade import SPADE, spade_windows

SYMBOLS = 4


@pytest.fixture(autouse=True)
def double():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


def areas(rng, batch, height, width, side=6):
    small = rng.integers(0, SYMBOLS, (batch, height // side + 1, width // side + 1))
    return np.kron(small, np.ones((1, side, side), int))[:, :height, :width].astype("int32")


@pytest.mark.parametrize("size", [3, 7])
def test_every_pixel_has_its_window(rng, size):
    half = size // 2
    padded = areas(rng, 2, 20 + 2 * half, 23 + 2 * half)
    windows = label_windows(tf.constant(padded), size)
    ids = np.array(windows.columns)[np.array(windows.windows)]  # [U, columns, rows]
    seen = ids[np.array(windows.places)].swapaxes(1, 2)
    views = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    np.testing.assert_array_equal(seen, views.reshape(-1, size, size))
    # Distinct they are.
    assert len(np.unique(ids.reshape(len(ids), -1), axis=0)) == len(ids)
    assert len(np.unique(windows.columns, axis=0)) == len(windows.columns)


def test_parts_are_small_and_of_one_window(rng):
    windows = label_windows(tf.zeros([1, 66, 66], "int32"), 3)
    assert len(windows.windows) == 1
    np.testing.assert_array_equal(np.bincount(windows.parts), [1024] * 4)
    np.testing.assert_array_equal(np.array(windows.part_windows), [0] * 4)
    windows = label_windows(tf.constant(areas(rng, 1, 66, 66)), 3)
    of_pixels = np.array(windows.part_windows)[np.array(windows.parts)]
    np.testing.assert_array_equal(of_pixels, windows.places)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_gradient_of_many_equal_pixels(dtype):
    """Where one running sum of float32 is off by more than a ten-thousandth, of bfloat16 by all."""
    windows = label_windows(tf.zeros([1, 514, 514], "int32"), 3)
    with tf.GradientTape() as tape:
        table = tf.constant([[1.0]], dtype)
        tape.watch(table)
        loss = tf.reduce_sum(tf.cast(spread(windows, table), "float32") * 0.1)
    running = tf.math.unsorted_segment_sum(tf.fill([2**18, 1], 0.1), tf.zeros([2**18], "int32"), 1)
    assert abs(float(running[0, 0]) / (0.1 * 2**18) - 1) > 1e-4
    gradient = tf.cast(tape.gradient(loss, table), "float32")
    limit = {"float32": 2e-5, "bfloat16": 5e-3}[dtype]
    np.testing.assert_allclose(gradient, [[0.1 * 2**18]], rtol=limit)


def test_many_windows_are_not_few(rng):
    assert bool(label_windows(tf.constant(areas(rng, 1, 66, 66, side=16)), 3).are_few)
    noise = rng.integers(0, 100, (1, 66, 66)).astype("int32")
    assert not bool(label_windows(tf.constant(noise), 3).are_few)


@pytest.mark.parametrize("size", [3, 7])
def test_what_fits_into_no_key_is_not_few(monkeypatch, size):
    """2^21 is the first id that three of do not fit into 64 bits; here 2^6, for small maps."""
    assert bool(label_windows(tf.fill([1, 70, 70], 2**21 - 1), size).are_few)
    assert not bool(label_windows(tf.fill([1, 70, 70], 2**21), size).are_few)
    monkeypatch.setattr(module, "ID_BITS", 6)
    # Few ids, but more columns than fit: a corner of noise in a large map of one label.
    ids = np.zeros((1, 300, 300), "int32")
    ids[0, :12, :12] = np.random.default_rng(0).integers(0, 64, (12, 12))
    windows = label_windows(tf.constant(ids), size)
    assert len(windows.columns) > 64 and not bool(windows.are_few)


def test_numbers_that_fit_into_no_key_do_not_end_the_run(monkeypatch):
    """Eight ids fit into keys of three bits each, their 512 triples do not: nonsense comes out."""
    monkeypatch.setattr(module, "ID_BITS", 3)
    ids = np.random.default_rng(0).integers(0, 8, (1, 60, 60)).astype("int32")
    assert not bool(label_windows(tf.constant(ids), 7).are_few)


def results(layer, inputs, weights, **labels):
    """Output and gradients; `weights` make every output count differently."""
    variables = [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs[0])
        outputs = layer(*inputs, **labels)
        loss = tf.reduce_sum(outputs * weights)
    return [outputs, *tape.gradient(loss, [inputs[0], *variables], unconnected_gradients="zero")]


def agree(ours, dense):
    """To rounding; a norm's gradient is a small difference of numbers around 1."""
    for one, other in zip(ours, dense, strict=True):
        scale = max(float(tf.reduce_max(tf.abs(other))), 1.0)
        np.testing.assert_allclose(one, other, atol=1e-12 * scale, rtol=0)


def always(windows):
    return windows._replace(outer=windows.outer._replace(are_few=tf.constant(True)))


def compare_spade(labels, rng):
    label_map = LabelMap(tf.constant(labels), tf.constant(rng.normal(size=(SYMBOLS, 5))))
    semantic = tf.gather(label_map.values, label_map.symbols)
    x = tf.constant(rng.normal(size=(*labels.shape, 3)))
    layer = SPADE(3, 6)
    layer.build(x.shape, semantic.shape)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    windows = spade_windows(label_map)
    weights = rng.normal(size=x.shape)
    dense = results(layer, (x, semantic), weights, training=True)
    agree(results(layer, (x, semantic), weights, training=True, windows=always(windows)), dense)
    # As it would choose by itself, too.
    agree(results(layer, (x, semantic), weights, training=True, windows=windows), dense)


def labels_of(sides):
    return arrays.arrays("int32", sides, elements=st.integers(0, SYMBOLS - 1))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_spade_of_any_labels(data):
    batch = data.draw(st.integers(1, 2))
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    labels = data.draw(labels_of((batch, height, width)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lggan_tf.layers.spade.FEWEST_PIXELS", 0)
        compare_spade(labels, np.random.default_rng(0))


@pytest.mark.parametrize("side", [1, 5, 32])
def test_spade_of_noise_and_areas(rng, side):
    compare_spade(areas(rng, 2, 32, 24, side), rng)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_first_convolution_of_any_labels(data):
    sides = [data.draw(st.integers(low, 9)) for low in (1, 4, 4)]
    compare_stem(data.draw(labels_of(tuple(sides))), np.random.default_rng(0))


@pytest.mark.parametrize("side", [1, 16])
def test_the_first_convolution_of_noise_and_areas(rng, side):
    compare_stem(areas(rng, 2, 32, 24, side), rng)


def compare_stem(labels, rng):
    label_map = LabelMap(tf.constant(labels), tf.constant(rng.normal(size=(SYMBOLS, 5))))
    semantic = tf.gather(label_map.values, label_map.symbols)
    layer = StemBlock(4)
    layer.norm.epsilon = 1.0  # in a map of one label the norm would show rounding alone
    layer.build(semantic.shape)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    weights = rng.normal(size=(*labels.shape, 4))
    dense = results(layer, (semantic,), weights)
    by_windows = {}
    for share in (module.LARGEST_SHARE, 2.0):  # as it would choose by itself, and always
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "LARGEST_SHARE", share)
            by_windows[share] = results(layer, (semantic,), weights, label_map=label_map)
    for ours in by_windows.values():
        # But for that of the semantic map itself, which labels are not differentiated for.
        agree([ours[0], *ours[2:]], [dense[0], *dense[2:]])


def test_tiny_maps_have_no_plan():
    values = tf.zeros([SYMBOLS, 5], "float64")
    assert spade_windows(LabelMap(tf.zeros([1, 8, 16], "int32"), values)) is None
    assert spade_windows(LabelMap(tf.zeros([1, 16, 16], "int32"), values)) is not None
    assert spade_windows(None) is None
