"""The authors' traces: a row for every module's output, in the order in which they ran."""

import keras
import numpy as np
import pytest

from lggan_tf.layers.class_specific import ClassSpecificConv2D
from lggan_tf.runs import pytorch_names


@pytest.fixture(scope="session")
def traced():
    """Runs a function and gives outputs and first inputs of named layers."""

    def run(layers, function):
        names, outputs, inputs = {id(layer): name for name, layer in layers.items()}, {}, {}
        original = keras.layers.Layer.__call__

        def call(layer, *args, **kwargs):
            result = original(layer, *args, **kwargs)
            if id(layer) in names:
                outputs[names[id(layer)]], inputs[names[id(layer)]] = result, args[0]
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keras.layers.Layer, "__call__", call)
            result = function()
        assert set(outputs) == set(layers)
        return result, outputs, inputs

    return run


def generator_layers(generator):
    """Our layers by the names of the authors' direct child modules, as their traces list them.

    All but the first convolution, which by windows of labels is no call of a layer.
    """
    encoder, local = generator.encoder, generator.local_generator
    whole, spade = generator.global_generator, hasattr(generator.global_generator, "blocks")
    found = {"conv1_norm": encoder.stem.norm}
    for number, block in enumerate((*encoder.down, *(whole.down if spade else ())), 2):
        found |= {f"conv{number}": block.convolution, f"conv{number}_norm": block.norm}
    for number, block in enumerate((*encoder.residual, *local.residual), 1):
        found[f"resnet_blocks{number}"] = block
    ups = {"local": local, "attention": generator.weight_map} | ({} if spade else {"global": whole})
    for name, network in ups.items():
        for number, block in enumerate(network.up, 3):
            found[f"deconv{number}_{name}"] = block.convolution
            found[f"deconv{number}_norm_{name}"] = block.norm
    found |= {"deconv5_attention": generator.weight_map.to_weights, "features": local.up[-1]}
    if not spade:
        return found | {"deconv5_global": whole.to_image}
    found |= dict(zip(pytorch_names.SPADE_BLOCKS, whole.blocks, strict=False))
    return found | {"conv_img": whole.to_image, "avgpool": local.pooling, "fc2": local.classifier}


def before_tanh(heads, features, labels):
    """Class images `[B,H,W,K,3]` as the convolutions give them, which is what the traces hold."""
    plain = ClassSpecificConv2D(3, 7, heads.num_classes, activation="linear")
    plain.build(features.shape)
    plain.kernels.assign(heads.kernels)
    plain.biases.assign(heads.biases)
    return np.asarray(plain.class_images(features, labels))


@pytest.fixture(scope="session")
def generator_trace(traced, to_nchw):
    """Runs a generator: its outputs, and for every name of a row the values, `[B,C,H,W]`.

    The generator draws no class images; they are drawn here, beside it, the dense way, and with
    them its local image once more.
    """

    def class_major(value, count):
        value = np.asarray(value)[:, :count].swapaxes(0, 1)
        return value.reshape(-1, value.shape[-1], 1, 1)

    def run(generator, inputs, training):
        layers, local = generator_layers(generator), generator.local_generator
        result, outputs, seen = traced(layers, lambda: generator(inputs, training=training))
        features = outputs.pop("features")
        rows = {}
        for name, value in outputs.items():
            if name in ("avgpool", "fc2"):
                rows[name] = [class_major(value, local.num_classified)]
            else:
                rows[name] = [to_nchw(value)]
        rows["conv1"] = [to_nchw(seen["conv1_norm"])]
        if hasattr(generator.global_generator, "blocks"):
            doubled = [pytorch_names.SPADE_BLOCKS[i] for i in generator.global_generator.doubled]
            rows["up"] = [to_nchw(seen[name]) for name in doubled]
        first, heads = 0 if "fc2" in rows else 1, local.class_convolution
        sums = before_tanh(heads, features, inputs["local_labels"])
        for i in range(sums.shape[-2]):
            rows[f"deconv5_{i + first}"] = [to_nchw(sums[..., i, :])]
        images = np.tanh(sums)
        merged = heads.merge_images(images)
        np.testing.assert_allclose(merged, result["image_local"], atol=2e-5)
        if heads.merge == "conv":
            rows["deconv9"] = [to_nchw(heads.mix(images.reshape(*images.shape[:3], -1)))]
        return result | {"class_images": images}, rows

    return run


@pytest.fixture(scope="session")
def compare_trace(reference):
    """Shape, mean, deviation and first eight values of every row of a file's trace."""

    def compare(file, rows, prefix="", note=""):
        arrays = reference.arrays(file)
        names = arrays[f"{prefix}trace_name"].tolist()
        assert sorted(names) == sorted(name for name, values in rows.items() for _ in values)
        left = {name: [np.asarray(v, "float64") for v in values] for name, values in rows.items()}
        values = [left[name].pop(0) for name in names]
        key = f"{prefix}trace_shape"
        reference.compare_exactly(file, key, [value.shape for value in values], arrays[key])
        for kind, measure in (
            ("mean", np.mean),
            ("std", np.std),
            ("first8", lambda value: value.ravel()[:8]),
        ):
            key = f"{prefix}trace_{kind}"
            got = np.array([measure(value) for value in values])
            reference.compare(file, key, got, arrays[key], reference.allowed(file, key), note)

    return compare
