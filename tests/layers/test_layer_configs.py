"""Every public layer and network survives its configuration, found by looking, not by a list."""

import importlib
import inspect
import json
import pkgutil

import keras
import pytest

import lggan_tf.data.prepare
import lggan_tf.layers
import lggan_tf.networks

# Every constructor argument at a value that is not its default.
EXAMPLES = {
    "PaddedConv2D": {
        "filters": 5,
        "kernel_size": 4,
        "strides": 2,
        "pad": 2,
        "padding_mode": "reflect",
        "use_bias": False,
        "initializer": "xavier",
    },
    "UpConv2D": {"filters": 5, "initializer": "xavier"},
    "StemBlock": {"filters": 5, "initializer": "xavier"},
    "DownBlock": {"filters": 5, "initializer": "xavier"},
    "UpBlock": {"filters": 5, "initializer": "xavier"},
    "ResidualBlock": {"filters": 5},
    "ClassSpecificConv2D": {
        "filters": 4,
        "kernel_size": 5,
        "num_classes": 6,
        "activation": "relu",
        "merge": "conv",
        "initializer": "xavier",
        "implementation": "sorted",
        "rank": 2,
    },
    "ClassSpecificPooling": {"num_classes": 6},
    "BatchNorm": {"momentum": 0.8, "epsilon": 1e-4},
    "InstanceNorm": {"epsilon": 1e-4},
    "SPADE": {"filters": 5, "hidden": 7, "initializer": "normal"},
    "SPADEResnetBlock": {"in_filters": 5, "filters": 6, "hidden": 7, "initializer": "normal"},
    "Encoder": {"filters": 5, "residual_blocks": 2, "initializer": "xavier"},
    "ResnetGlobalGenerator": {"filters": 5, "initializer": "xavier"},
    "SpadeGlobalGenerator": {
        "filters": 5,
        "hidden": 7,
        "latent_stride": 64,
        "initializer": "normal",
    },
    "LocalGenerator": {
        "num_classes": 6,
        "filters": 5,
        "residual_blocks": 2,
        "merge": "conv",
        "num_classified": 4,
        "initializer": "xavier",
        "implementation": "dense",
        "rank": 2,
    },
    "WeightMapGenerator": {"filters": 5, "initializer": "xavier"},
    "Generator": {
        "num_classes": 6,
        "conditions": ("source", "semantic"),
        "filters": 5,
        "residual_blocks": 2,
        "residual_blocks_in": "encoder",
        "global_generator": "resnet",
        "spade_hidden": 7,
        "latent_stride": 64,
        "branches": "local",
        "merge": "sum",
        "fusion": "uniform",
        "num_classified": 4,
        "initializer": "normal",
        "implementation": "dense",
        "local_rank": 2,
    },
    "PatchDiscriminator": {
        "filters": 5,
        "num_layers": 2,
        "pad": 2,
        "spectral": True,
        "initializer": "xavier",
    },
    "MultiscaleDiscriminator": {
        "num_scales": 3,
        "filters": 5,
        "num_layers": 2,
        "pad": 1,
        "spectral": False,
        "initializer": "normal",
    },
    "Prepare": {
        "local_table": (2, 0, 1),
        "conditions": ("source", "semantic"),
        "semantic_input": "colours",
        "edges": True,
        "dropped_labels": (0,),
    },
}
EXAMPLES["SpectralConv2D"] = EXAMPLES["PaddedConv2D"]


def public_layers():
    modules = [lggan_tf.data.prepare]
    for package in (lggan_tf.layers, lggan_tf.networks):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            modules.append(importlib.import_module(found.name))
    return [
        value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, keras.layers.Layer)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]


LAYERS = public_layers()
each_layer = pytest.mark.parametrize("layer_class", LAYERS, ids=lambda c: c.__name__)


def test_looking_finds_them():
    assert {c.__name__ for c in LAYERS} == set(EXAMPLES), "every layer needs an example above"


@each_layer
def test_examples_are_not_defaults(layer_class):
    """A configuration that forgets an argument would pass with its default."""
    example = EXAMPLES[layer_class.__name__]
    parameters = inspect.signature(layer_class.__init__).parameters.values()
    named = {p.name: p.default for p in parameters if p.name not in ("self", "kwargs")}
    if layer_class.__name__ != "BatchNorm":  # hands on its keyword arguments
        assert set(named) == set(example)
    for name, default in named.items():
        assert example[name] != default, name


@each_layer
def test_round_trip(layer_class):
    example = EXAMPLES[layer_class.__name__]
    layer = layer_class(**example, name="other", trainable=False, dtype="mixed_bfloat16")
    config = layer.get_config()
    assert {name: config[name] for name in example} == example
    direct = layer_class.from_config(layer.get_config())
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    through_json = keras.saving.deserialize_keras_object(json.loads(text))
    for other in (direct, through_json):
        assert type(other) is layer_class
        assert other.get_config() == config
        assert other.name == "other" and not other.trainable
        assert other.compute_dtype == "bfloat16"


@each_layer
def test_registered_under_the_package(layer_class):
    """The file of a model names the class without its module, which may move."""
    name = keras.saving.get_registered_name(layer_class)
    assert name == f"lggan_tf>{layer_class.__name__}"
    assert keras.saving.get_registered_object(name) is layer_class
