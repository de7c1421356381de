"""The authors' numbers (reference/README.md of the shared folder), and a table of comparisons.

Theirs is `[B,C,H,W]`, ours `[B,H,W,C]`. A bias in front of a norm without parameters has a true
gradient of 0; the authors' numbers on it are rounding noise, so it is left out throughout.
"""

import importlib.util
import json
import re

import keras
import numpy as np
import pytest

from lggan_tf.layers.class_specific import ClassSpecificConv2D
from lggan_tf.networks.discriminator import MultiscaleDiscriminator
from lggan_tf.networks.generator import Generator
from lggan_tf.runs import pytorch_names

ROWS = []  # network, tensor, largest and mean difference, allowed


def pytest_terminal_summary(terminalreporter, config):
    if not ROWS:
        return
    terminalreporter.section("differences from the authors' implementation")
    networks = {}
    for network, *row in ROWS:
        networks.setdefault(network, []).append(row)
    for network, rows in networks.items():
        tensor, largest, mean, allowed = max(rows, key=lambda row: row[1] / row[3])
        terminalreporter.write_line(
            f"{network}: {len(rows)} tensors, closest to its limit {tensor}: "
            f"{largest:.1e} of {allowed:.1e}, mean {mean:.1e}"
        )
        for tensor, largest, mean, allowed in rows if config.option.verbose > 0 else ():
            terminalreporter.write_line(
                f"    {tensor:50s} max {largest:.1e} mean {mean:.1e} allowed {allowed:.1e}"
            )


class Reference:
    """The folder `reference`: arrays, weight rule, rounding noise."""

    def __init__(self, folder):
        self.folder = folder
        spec = importlib.util.spec_from_file_location("rule_weights", folder / "rule_weights.py")
        self.rule = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.rule)
        self.noise = json.loads((folder / "float64_noise.json").read_text())

    def json(self, name):
        return json.loads((self.folder / f"{name}.json").read_text())

    def arrays(self, name):
        with np.load(self.folder / f"{name}.npz") as stored:
            return {key: stored[key] for key in stored.files}

    def fill(self, slots, name, prefix=""):
        """Gives a network the weights of the rule; returns the keys that it did not ask for."""
        state = self.rule.rule_state_dict(
            self.rule.load_spec(self.folder / f"{name}_keys.json"), prefix
        )
        pytorch_names.assign(slots, lambda key, shape: state.pop(key))
        return set(state)

    def allowed(self, name, tensor, factor=10.0):
        """Some times the reference's own rounding noise, and float32's share of the size."""
        noise, size = self.noise[name][tensor]
        return factor * noise + 1e-5 * size

    def compare(self, network, tensor, got, want, allowed):
        """Asserts that two arrays differ by `allowed` at most, and notes by how much they do."""
        got, want = np.asarray(got, "float64"), np.asarray(want, "float64")
        assert got.shape == want.shape, f"{network} {tensor}"
        difference = np.abs(got - want)
        ROWS.append((network, tensor, difference.max(), difference.mean(), np.max(allowed)))
        assert np.all(difference <= allowed), f"{network} {tensor}: {difference.max():.2e}"


@pytest.fixture(scope="session")
def reference(shared_dir):
    return Reference(shared_dir / "reference")


@pytest.fixture(scope="session")
def to_nchw():
    return lambda value: np.moveaxis(np.asarray(value), -1, 1)


@pytest.fixture(scope="session")
def to_nhwc():
    return lambda value: np.moveaxis(np.asarray(value), 1, -1)


@pytest.fixture(scope="session")
def is_noise():
    """Whether the true gradient of a tensor of this key is 0: a bias in front of a bare norm."""
    pattern = re.compile(
        r"(\bconv[1-5]|resnet_blocks\d\.conv[12]|deconv[34]_\w+|D[12]\.model\.[258]"
        r"|(head_0|G_middle_[01]|up_\d)\.conv_0"
        # From here on a constant only meets batch norms, through every shortcut.
        r"|(head_0|G_middle_[01]|up_[012])\.conv_1)\.bias$"
    )
    return lambda key: bool(pattern.search(key))


@pytest.fixture(scope="session")
def traced():
    """Runs a function and gives the outputs of named layers."""

    def run(layers, function):
        names, seen = {id(layer): name for name, layer in layers.items()}, {}
        original = keras.layers.Layer.__call__

        def call(layer, *args, **kwargs):
            outputs = original(layer, *args, **kwargs)
            if id(layer) in names:
                seen[names[id(layer)]] = outputs
            return outputs

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keras.layers.Layer, "__call__", call)
            result = function()
        assert set(seen) == set(layers)
        return result, seen

    return run


@pytest.fixture(scope="session")
def with_class_images():
    """Runs a generator and gives its outputs and all class images, which it never holds itself.

    Merging those takes the dense way through the convolution that the traces call deconv9.
    """

    def run(generator, inputs, training=None):
        given, original = [], ClassSpecificConv2D.call

        def call(layer, features, labels, **settings):
            given[:] = features, labels
            return original(layer, features, labels, **settings)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClassSpecificConv2D, "call", call)
            outputs = generator(inputs, training=training)
        layer = generator.local_generator.class_convolution
        images = layer.class_images(*given)
        np.testing.assert_allclose(layer.merge_images(images), outputs["image_local"], atol=2e-5)
        return outputs, images

    return run


@pytest.fixture(scope="session")
def generator_layers():
    """Our layers by the names of the authors' direct child modules, as their traces list them."""

    def layers(generator):
        encoder, local = generator.encoder, generator.local_generator
        whole, spade = generator.global_generator, hasattr(generator.global_generator, "blocks")
        found = {"conv1": encoder.stem.convolution, "conv1_norm": encoder.stem.norm}
        for number, block in enumerate((*encoder.down, *(whole.down if spade else ())), 2):
            found |= {f"conv{number}": block.convolution, f"conv{number}_norm": block.norm}
        for number, block in enumerate((*encoder.residual, *local.residual), 1):
            found[f"resnet_blocks{number}"] = block
        ups = {"local": local, "attention": generator.weight_map} | (
            {} if spade else {"global": whole}
        )
        for name, network in ups.items():
            for number, block in enumerate(network.up, 3):
                found[f"deconv{number}_{name}"] = block.convolution
                found[f"deconv{number}_norm_{name}"] = block.norm
        found["deconv5_attention"] = generator.weight_map.to_weights
        if not spade:
            return found | {"deconv5_global": whole.to_image}
        found |= dict(zip(pytorch_names.SPADE_BLOCKS, whole.blocks, strict=False))
        return found | {"conv_img": whole.to_image, "deconv9": local.class_convolution.mix}

    return layers


@pytest.fixture(scope="session")
def compare_traces(reference, to_nchw):
    """Mean, deviation and first eight values of the named outputs."""

    def compare(network, name, seen, prefix=""):
        arrays = reference.arrays(name)
        rows = {row: i for i, row in enumerate(arrays[f"{prefix}trace_name"])}
        ours = {row: to_nchw(value).astype("float64") for row, value in seen.items()}
        for row, value in ours.items():
            shape = tuple(n for n in arrays[f"{prefix}trace_shape"][rows[row]])
            assert value.shape == shape, row
        for kind, measure in (
            ("mean", np.mean),
            ("std", np.std),
            ("first8", lambda value: value.ravel()[:8]),
        ):
            key = f"{prefix}trace_{kind}"
            got = np.array([measure(value) for value in ours.values()])
            want = arrays[key][[rows[row] for row in ours]]
            reference.compare(network, key, got, want, reference.allowed(name, key))

    return compare


def cross_view_labels(values):
    """10, 20, .. 60 -> sub-generators 0 to 5; everything else is void, 6."""
    values = np.asarray(values, "int32")
    is_class = (values % 10 == 0) & (values >= 10) & (values <= 60)
    return np.where(is_class, values // 10 - 1, 6).astype("int32")


@pytest.fixture(scope="session")
def to_cross_view_labels():
    return cross_view_labels


def instance_edges(instances):
    """1 where a pixel differs from one of its four neighbours, `[B,H,W]`."""
    edges = np.zeros(instances.shape, bool)
    for axis in (1, 2):
        differs = np.diff(instances, axis=axis) != 0
        for side in ((1, 0), (0, 1)):
            edges |= np.pad(differs, [side if i == axis else (0, 0) for i in range(3)])
    return edges


@pytest.fixture(scope="session")
def semantic_inputs():
    """Label and instance ids -> the semantic generator's input."""

    def make(task, labels, instances):
        labels = np.asarray(labels, "int32")
        count, num_local = {"city": (35, 35), "ade": (151, 52)}[task]
        semantic = np.eye(count, dtype="float32")[labels]
        if task == "city":
            edges = instance_edges(np.asarray(instances)).astype("float32")
            semantic = np.concatenate([semantic, edges[..., None]], axis=-1)
        return {"semantic": semantic, "local_labels": np.minimum(labels, num_local - 1)}

    return make


class Filled:
    """A network with the rule's weights; `restore` undoes what a training call has moved."""

    def __init__(self, reference, network, slots, name, prefix=""):
        self.reference, self.network, self.slots = reference, network, slots
        self.name, self.prefix = name, prefix
        self.refill()

    def refill(self):
        self.unused = self.reference.fill(self.slots, self.name, self.prefix)
        self._state = [(v, np.array(v)) for v in self.network.non_trainable_variables]

    def restore(self):
        for variable, value in self._state:
            variable.assign(value)

    def read(self, key):
        return next(slot for slot in self.slots if slot.key == key).read()


@pytest.fixture(scope="module")
def cross_generator(reference):
    generator = Generator(
        6,
        ("source", "semantic"),
        residual_blocks_in="encoder",
        global_generator="resnet",
        merge="sum",
        initializer="normal",
    )
    pixels = np.zeros((1, 16, 16, 3), "float32")
    generator(
        {"source": pixels, "semantic": pixels, "local_labels": np.zeros((1, 16, 16), "int32")}
    )
    slots = pytorch_names.generator_slots(generator)
    return Filled(reference, generator, slots, "cross_generator")


@pytest.fixture(scope="module")
def cross_discriminators(reference):
    """D1 judges the source view, D2 the semantic map."""
    made = {}
    for view, prefix in (("source", ""), ("semantic", "D2.")):
        network = MultiscaleDiscriminator(1, pad=1, spectral=False, initializer="normal")
        network(np.zeros((1, 64, 64, 6), "float32"))
        slots = pytorch_names.patch_discriminator_slots(network)
        made[view] = Filled(reference, network, slots, "cross_discriminator", prefix)
    return made


@pytest.fixture(scope="module", params=["ade", pytest.param("city", marks=pytest.mark.slow)])
def task(request):
    """The two published semantic networks."""
    return request.param


@pytest.fixture(scope="module")
def semantic_generator(reference, semantic_inputs, task):
    settings = {
        "ade": {"num_classes": 52, "latent_stride": 32, "num_classified": 51},
        "city": {"num_classes": 35, "latent_stride": 64, "num_classified": 35},
    }[task]
    generator = Generator(**settings)
    side = settings["latent_stride"]
    ids = np.zeros((1, side, side), "int32")
    generator(semantic_inputs(task, ids, ids))
    slots = pytorch_names.generator_slots(generator)
    return Filled(reference, generator, slots, f"semantic_{task}_generator")


@pytest.fixture(scope="module")
def semantic_discriminator(reference, task):
    network = MultiscaleDiscriminator()
    network(np.zeros((1, 64, 64, {"ade": 154, "city": 39}[task]), "float32"))
    slots = pytorch_names.multiscale_discriminator_slots(network)
    return Filled(reference, network, slots, f"semantic_{task}_discriminator")
