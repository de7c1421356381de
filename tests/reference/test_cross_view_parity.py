import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.convolution import UpConv2D
from lggan_tf.networks.weight_map import WeightMapGenerator

NAME = "cross_generator"


@pytest.fixture(scope="module")
def arrays(reference):
    return reference.arrays(NAME)


@pytest.fixture(scope="module")
def inputs(arrays, to_nhwc, to_cross_view_labels):
    x = to_nhwc(arrays["input_x"])
    labels = to_cross_view_labels(arrays["input_mask"][:, 0])
    return {"source": x[..., :3], "semantic": x[..., 3:], "local_labels": labels}


def test_keys_and_parameters(reference, cross_generator, cross_discriminators):
    """deconv5_7 is in the authors' generator and never used; D's statistics serve no training."""
    keys = {slot.key for slot in cross_generator.slots}
    listed = reference.json("cross_generator_keys")
    unused = {"deconv5_7.weight", "deconv5_7.bias"}
    assert keys == {tensor["key"] for tensor in listed["tensors"]} - unused
    assert cross_generator.unused == unused and len(cross_generator.slots) == len(keys)
    network = cross_generator.network
    assert network.count_params() == listed["parameter_count"] - (64 * 49 * 3 + 3) == 12_181_847

    listed = reference.json("cross_discriminator_keys")
    for judge in cross_discriminators.values():
        keys = {slot.key for slot in judge.slots}
        assert keys == {t["key"] for t in listed["tensors"] if t["trainable"]}
        assert {key.rsplit(".")[-1] for key in judge.unused} == {
            "running_mean",
            "running_var",
            "num_batches_tracked",
        }
        assert judge.network.count_params() == listed["parameter_count"] == 2_767_809


def test_masks(reference, arrays, inputs):
    for i in range(6):
        mask = (inputs["local_labels"] == i)[:, None]
        reference.compare(NAME, f"mask_{i + 1}", mask, arrays[f"mask_{i + 1}"], 1e-9)


@pytest.mark.parametrize("training", [False, True])
def test_images(reference, arrays, inputs, to_nchw, cross_generator, with_class_images, training):
    outputs, class_images = with_class_images(cross_generator.network, inputs, training)
    ours = {
        "fused": outputs["image"],
        "global": outputs["image_global"],
        "local": outputs["image_local"],
        "attention_local": outputs["weight_local"],
        "attention_global": outputs["weight_global"],
    }
    ours |= {f"local_{i + 1}": class_images[..., i, :] for i in range(6)}
    for tensor, value in ours.items():
        reference.compare(NAME, tensor, to_nchw(value), arrays[tensor], 5e-5)


def test_layers(inputs, traced, generator_layers, compare_traces, cross_generator):
    generator = cross_generator.network
    _, seen = traced(generator_layers(generator), lambda: generator(inputs))
    assert len(seen) == 9 * 1 + 3 * 2 + 3 * 4 + 2
    compare_traces(NAME, NAME, seen)


def test_class_heads(reference, arrays, inputs, to_nchw, cross_generator, with_class_images):
    """Their traces are before tanh, ours behind it."""
    _, images = with_class_images(cross_generator.network, inputs)
    names = list(arrays["trace_name"])
    for i in range(6):
        first8 = arrays["trace_first8"][names.index(f"deconv5_{i + 1}")]
        ours = to_nchw(images[..., i, :]).ravel()[:8]
        allowed = reference.allowed(NAME, "trace_first8")
        reference.compare(NAME, f"trace_first8 deconv5_{i + 1}", ours, np.tanh(first8), allowed)


def test_discriminator(reference, to_nhwc, to_nchw, traced, compare_traces, cross_discriminators):
    """In training mode, the only one in use: the authors never judge with running statistics."""
    name, network = "cross_discriminator", cross_discriminators["source"].network
    arrays = reference.arrays(name)
    (scale,) = network.scales
    convolutions = (*scale.convolutions, scale.to_logits)
    layers = {str(max(0, 3 * i - 1)): layer for i, layer in enumerate(convolutions)}
    layers |= {str(3 * i): norm for i, norm in enumerate(scale.norms, 1)}
    (maps,), seen = traced(layers, lambda: network(to_nhwc(arrays["input_x"]), training=True))
    seen |= {str(3 * i + 1): value for i, value in enumerate(maps[:-1])}
    seen["12"] = tf.sigmoid(maps[-1])
    assert sorted(seen, key=int) == list(arrays["train_trace_name"])
    compare_traces(name, name, seen, "train_")
    allowed = reference.allowed(name, "output_train")
    reference.compare(name, "output_train", to_nchw(seen["12"]), arrays["output_train"], allowed)


def test_slots_read_what_was_assigned(reference, cross_generator, cross_discriminators):
    """The layouts' way back: exported weights are the imported ones, bit by bit."""
    for filled in (cross_generator, *cross_discriminators.values()):
        for slot in filled.slots:
            value = slot.read()
            expected = reference.rule.rule_tensor(slot.key, value.shape, filled.prefix)
            np.testing.assert_array_equal(value, expected, err_msg=slot.key)


@pytest.fixture
def differences(arrays, inputs, to_nchw, cross_generator):
    """By how much fused, global and local image and a weight map are off."""

    def run():
        outputs = cross_generator.network(inputs)
        ours = {
            "fused": outputs["image"],
            "global": outputs["image_global"],
            "local": outputs["image_local"],
            "attention_local": outputs["weight_local"],
        }
        return {name: np.abs(to_nchw(ours[name]) - arrays[name]).max() for name in ours}

    return run


def norm_epsilon(generator, monkeypatch):
    for layer in generator._flatten_layers():
        if isinstance(layer, keras.layers.GroupNormalization):
            monkeypatch.setattr(layer, "epsilon", 1e-3)


def zeros_for_reflection(generator, monkeypatch):
    for layer in generator._flatten_layers():
        if getattr(layer, "padding_mode", "") == "reflect":
            monkeypatch.setattr(layer, "padding_mode", "zeros")


def cropping_the_last_row_and_column(generator, monkeypatch):
    def call(layer, inputs):
        return keras.layers.Conv2DTranspose.call(layer, inputs)[:, :-1, :-1]

    monkeypatch.setattr(UpConv2D, "call", call)


def tanh_after_the_sum(generator, monkeypatch):
    heads = generator.local_generator.class_convolution
    monkeypatch.setattr(heads, "implementation", "dense")
    merge = heads.merge_images
    monkeypatch.setattr(heads, "merge_images", lambda images: tf.tanh(merge(images)))


def tanh_after_the_sum_alone(generator, monkeypatch):
    tanh_after_the_sum(generator, monkeypatch)
    heads = generator.local_generator.class_convolution
    monkeypatch.setattr(heads, "activation", keras.activations.linear)


def softmax_order(generator, monkeypatch):
    call = WeightMapGenerator.call

    def swapped(network, encoded, training=None):
        weights = call(network, encoded, training)
        return {
            "weight_local": weights["weight_global"],
            "weight_global": weights["weight_local"],
        }

    monkeypatch.setattr(WeightMapGenerator, "call", swapped)


@pytest.mark.parametrize(
    "change, off",
    [
        (norm_epsilon, {"fused", "global", "local", "attention_local"}),
        (zeros_for_reflection, {"fused", "global", "local", "attention_local"}),
        (cropping_the_last_row_and_column, {"fused", "global", "local", "attention_local"}),
        (tanh_after_the_sum, {"fused", "local"}),
        (tanh_after_the_sum_alone, {"fused", "local"}),
        (softmax_order, {"fused", "attention_local"}),
    ],
)
def test_mistakes_are_seen(differences, cross_generator, monkeypatch, change, off):
    """Not by a hair: by more than ten times what the comparison allows."""
    assert all(difference <= 5e-5 for difference in differences().values())
    change(cross_generator.network, monkeypatch)
    changed = differences()
    assert {name for name, difference in changed.items() if difference > 5e-4} == off
    assert all(changed[name] <= 5e-5 for name in set(changed) - off)


def test_another_leaky_slope_of_the_discriminator_is_seen(
    reference, to_nhwc, to_nchw, cross_discriminators, monkeypatch
):
    arrays = reference.arrays("cross_discriminator")
    monkeypatch.setattr("lggan_tf.networks.discriminator.LEAKY_SLOPE", 0.01)
    ((*_, logits),) = cross_discriminators["source"].network(to_nhwc(arrays["input_x"]))
    assert np.abs(to_nchw(tf.sigmoid(logits)) - arrays["output_train"]).max() > 1e-2
