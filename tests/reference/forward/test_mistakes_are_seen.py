"""Each of eight choices that are easily made wrongly, made wrongly: the comparisons see it.

Not by a hair: by more than ten times what they allow. In the last part some more of the kind.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.convolution import UpConv2D
from lggan_tf.layers.normalization import BatchNorm, InstanceNorm
from lggan_tf.layers.spade import SPADE
from lggan_tf.layers.spectral import SpectralConv2D
from lggan_tf.networks.spade_global_generator import SpadeGlobalGenerator
from lggan_tf.networks.weight_map import WeightMapGenerator

# An image's limit is 5e-5.
RIGHT, SEEN = 5e-5, 5e-4


@pytest.fixture
def cross_view(reference, to_nchw, to_nhwc, to_cross_view_labels, cross_generator):
    """The generator, and a function: by how much each of its images is off."""
    arrays, network = reference.arrays("cross_generator"), cross_generator.network
    x = to_nhwc(arrays["input_x"])
    labels = to_cross_view_labels(arrays["input_mask"][:, 0])
    inputs = {"source": x[..., :3], "semantic": x[..., 3:], "local_labels": labels}

    def off():
        outputs = network(inputs)
        ours = {
            "fused": outputs["image"],
            "global": outputs["image_global"],
            "local": outputs["image_local"],
            "attention_local": outputs["weight_local"],
        }
        return {name: np.abs(to_nchw(ours[name]) - arrays[name]).max() for name in ours}

    return network, off


@pytest.fixture
def semantic(reference, networks, to_nchw, semantic_inputs):
    """ADE20K's generator, and a function: by how much its global image is off in inference."""
    arrays, filled = (
        reference.arrays("semantic_ade_generator_eval"),
        networks.semantic_generator("ade"),
    )
    inputs = semantic_inputs("ade", arrays["input_label"], arrays["input_instance"])
    filled.network.implementation = "dense"

    def off():
        outputs = filled.network(inputs, training=False)
        return np.abs(to_nchw(outputs["image_global"]) - arrays["global"]).max()

    filled.restore()
    yield filled.network, off
    filled.restore()


@pytest.fixture
def running_variance(reference, networks, semantic_inputs):
    """The same generator, and a function: how far a variance is off after a pass in training."""
    arrays, key = reference.arrays("semantic_ade_generator_eval"), "head_0.norm_0.param_free_norm"
    filled, file = networks.semantic_generator("ade"), "semantic_ade_generator_train"
    tensor = f"after/{key}.running_var"
    inputs = semantic_inputs("ade", arrays["input_label"], arrays["input_instance"])
    filled.network.implementation = "dense"

    def off():
        filled.restore()
        filled.network(inputs, training=True)
        difference = filled.read(f"{key}.running_var") - reference.arrays(file)[tensor]
        return np.abs(difference).max() / reference.allowed(file, tensor)

    yield filled.network, off
    filled.restore()


ALL = {"fused", "global", "local", "attention_local"}


def norm_epsilon(generator, monkeypatch):
    for layer in generator._flatten_layers():
        if isinstance(layer, InstanceNorm | BatchNorm):
            monkeypatch.setattr(layer, "epsilon", 1e-3)


def zeros_for_reflection(generator, monkeypatch):
    for layer in generator._flatten_layers():
        if getattr(layer, "padding_mode", "") == "reflect":
            monkeypatch.setattr(layer, "padding_mode", "zeros")


def output_padding_on_the_other_side(generator, monkeypatch):
    def call(layer, inputs):
        return keras.layers.Conv2DTranspose.call(layer, inputs)[:, :-1, :-1]

    monkeypatch.setattr(UpConv2D, "call", call)


def tanh_after_the_merge_too(generator, monkeypatch):
    heads = generator.local_generator.class_convolution
    merge = heads.merge_images
    monkeypatch.setattr(heads, "implementation", "dense")
    monkeypatch.setattr(heads, "merge_images", lambda images: tf.tanh(merge(images)))


def tanh_after_the_merge_alone(generator, monkeypatch):
    tanh_after_the_merge_too(generator, monkeypatch)
    heads = generator.local_generator.class_convolution
    monkeypatch.setattr(heads, "activation", keras.activations.linear)


def softmax_order(generator, monkeypatch):
    call = WeightMapGenerator.call

    def swapped(network, encoded, training=None):
        weights = call(network, encoded, training)
        return {"weight_local": weights["weight_global"], "weight_global": weights["weight_local"]}

    monkeypatch.setattr(WeightMapGenerator, "call", swapped)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (norm_epsilon, ALL),
        (zeros_for_reflection, ALL),
        (output_padding_on_the_other_side, ALL),
        (tanh_after_the_merge_too, {"fused", "local"}),
        (tanh_after_the_merge_alone, {"fused", "local"}),
        (softmax_order, {"fused", "attention_local"}),
    ],
)
def test_in_the_cross_view_generator(cross_view, monkeypatch, change, expected):
    """Where the mistake is, and nowhere else."""
    network, off = cross_view
    assert all(difference <= RIGHT for difference in off().values())
    change(network, monkeypatch)
    changed = off()
    assert {name for name, difference in changed.items() if difference > SEEN} == expected
    assert all(changed[name] <= RIGHT for name in set(changed) - expected)


def gamma_for_one_plus_gamma(generator, monkeypatch):
    def call(layer, inputs, semantic, training=None, windows=None):
        hidden = tf.nn.relu(layer.shared(semantic))
        normalized = layer.norm(inputs, training=training)
        return normalized * layer.gamma(hidden) + layer.beta(hidden)

    monkeypatch.setattr(SPADE, "call", call)


def leaky_slope(generator, monkeypatch):
    monkeypatch.setattr("lggan_tf.layers.spade.LEAKY_SLOPE", 0.01)


def power_iterations_in_inference(generator, monkeypatch):
    sigma = SpectralConv2D.sigma
    monkeypatch.setattr(SpectralConv2D, "sigma", lambda layer, training: sigma(layer, True))


def conditions_from_the_centre_of_a_cell(generator, monkeypatch):
    """TensorFlow's own resize takes the pixel behind the centre, the reference the top left one."""
    call = SpadeGlobalGenerator.call

    class FromTheCentre:
        def __init__(self, conditions):
            self.conditions = conditions

        def __getitem__(self, key):
            _, rows, columns = key
            start = rows.step // 2
            return self.conditions[:, start :: rows.step, start :: columns.step]

    def shifted(layer, encoded, conditions=None, training=None, label_map=None):
        return call(layer, encoded, FromTheCentre(conditions), training)

    monkeypatch.setattr(SpadeGlobalGenerator, "call", shifted)


@pytest.mark.parametrize(
    "change",
    [
        norm_epsilon,
        gamma_for_one_plus_gamma,
        leaky_slope,
        power_iterations_in_inference,
        conditions_from_the_centre_of_a_cell,
    ],
)
def test_in_the_semantic_generator(semantic, monkeypatch, change):
    network, off = semantic
    assert off() <= RIGHT
    change(network, monkeypatch)
    assert off() > SEEN


def momentum(generator, monkeypatch):
    norm = generator.global_generator.blocks[0].norm_0.norm
    monkeypatch.setattr(norm, "momentum", 0.99)


def biased_variance(generator, monkeypatch):
    monkeypatch.setattr(BatchNorm, "call", keras.layers.BatchNormalization.call)


@pytest.mark.parametrize("change", [momentum, biased_variance])
def test_in_running_statistics(running_variance, monkeypatch, change):
    network, off = running_variance
    assert off() <= 1
    change(network, monkeypatch)
    assert off() > 10


def test_another_leaky_slope_in_the_discriminator(
    reference, to_nhwc, to_nchw, cross_discriminators, monkeypatch
):
    arrays, network = (
        reference.arrays("cross_discriminator"),
        cross_discriminators["source"].network,
    )

    def off():
        ((*_, logits),) = network(to_nhwc(arrays["input_x"]))
        return np.abs(to_nchw(tf.sigmoid(logits)) - arrays["output_train"]).max()

    assert off() <= RIGHT
    monkeypatch.setattr("lggan_tf.networks.discriminator.LEAKY_SLOPE", 0.01)
    assert off() > SEEN
