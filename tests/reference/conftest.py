"""The authors' numbers (reference/README.md of the shared folder) and networks with their weights.

Theirs is `[B,C,H,W]`, ours `[B,H,W,C]`. A bias in front of a norm without parameters has a true
gradient of 0; the authors' numbers on it are rounding noise, so it is left out throughout.
"""

import importlib.util
import json
from collections import Counter

import comparisons
import numpy as np
import pytest

from lggan_tf.networks.discriminator import MultiscaleDiscriminator
from lggan_tf.networks.generator import Generator
from lggan_tf.runs import pytorch_names
from lggan_tf.runs.pytorch_import import parameter_counts


class Reference:
    """The folder `reference`: arrays, weight rule, rounding noise."""

    files = comparisons.QUICK | comparisons.SLOW

    def __init__(self, folder):
        self.folder = folder
        spec = importlib.util.spec_from_file_location("rule_weights", folder / "rule_weights.py")
        self.rule = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.rule)
        self.noise = json.loads((folder / "float64_noise.json").read_text())
        comparisons.folders.add(str(folder))

    def json(self, name):
        return json.loads((self.folder / f"{name}.json").read_text())

    def arrays(self, name):
        with np.load(self.folder / f"{name}.npz") as stored:
            return {key: stored[key] for key in stored.files}

    def state(self, name, prefix=""):
        """The weights of the rule under the authors' keys."""
        spec = self.rule.load_spec(self.folder / f"{name}_keys.json")
        return self.rule.rule_state_dict(spec, prefix)

    def fill(self, slots, name, prefix=""):
        """Gives a network the weights of the rule; returns the keys that it did not ask for."""
        state = self.state(name, prefix)
        pytorch_names.assign(slots, lambda key, shape: state.pop(key))
        return set(state)

    def allowed(self, name, tensor, factor=10.0):
        """Some times the reference's own rounding noise, and a few units of float32's last place.

        The noise of a tensor without a float64 twin is that of its like: give the twin's name.
        """
        noise, size = self.noise[name][tensor]
        return factor * noise + 1e-6 * size

    def compare(self, file, tensor, got, want, allowed, note=""):
        """Asserts that two arrays differ by `allowed` at most, and notes by how much they do.

        Where `allowed` is an array, the row in the table is the entry closest to its limit.
        """
        got, want = np.asarray(got, "float64"), np.asarray(want, "float64")
        assert got.shape == want.shape, f"{file} {tensor} {note}"
        difference, allowed = np.abs(got - want), np.broadcast_to(allowed, got.shape)
        comparisons.compared.add((file, tensor))
        ratio = np.divide(difference, allowed, out=np.zeros_like(difference), where=difference > 0)
        closest = np.unravel_index(np.argmax(ratio), ratio.shape)
        label = f"{tensor}, {note}" if note else tensor
        mean = difference.mean()
        comparisons.rows.append((file, label, difference[closest], mean, allowed[closest]))
        assert np.all(difference <= allowed), f"{file} {label}: {difference[closest]:.2e}"

    def compare_exactly(self, file, tensor, got, want):
        """Of whole numbers and of masks."""
        self.compare(file, tensor, got, want, 0.0)


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
def to_cross_view_labels():
    """10, 20, .. 60 -> sub-generators 0 to 5; everything else is void, 6."""

    def convert(values):
        values = np.asarray(values, "int32")
        is_class = (values % 10 == 0) & (values >= 10) & (values <= 60)
        return np.where(is_class, values // 10 - 1, 6).astype("int32")

    return convert


def instance_edges(instances):
    """1 where a pixel differs from one of its four neighbours, `[B,H,W]`."""
    edges = np.zeros(instances.shape, bool)
    for axis in (1, 2):
        differs = np.diff(instances, axis=axis) != 0
        for side in ((1, 0), (0, 1)):
            edges |= np.pad(differs, [side if i == axis else (0, 0) for i in range(3)])
    return edges


def semantic_input(task, labels, instances):
    """Label and instance ids -> the semantic generator's input."""
    labels = np.asarray(labels, "int32")
    count, num_local = {"city": (35, 35), "ade": (151, 52)}[task]
    symbols, values = labels, np.eye(count, dtype="float32")
    if task == "city":
        symbols = labels + count * instance_edges(np.asarray(instances))
        edges = np.repeat([[0.0], [1.0]], count, axis=0).astype("float32")
        values = np.concatenate([np.tile(values, (2, 1)), edges], axis=1)
    return {
        "semantic": values[symbols],
        "local_labels": np.minimum(labels, num_local - 1),
        "symbols": symbols.astype("int32"),
        "symbol_values": values,
    }


@pytest.fixture(scope="session")
def semantic_inputs():
    return semantic_input


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

    def count_parameters(self):
        """Module -> (the authors' parameters, ours), for the table."""
        theirs, ours = Counter(), parameter_counts(self.slots)
        for tensor in self.reference.json(f"{self.name}_keys")["tensors"]:
            if tensor["trainable"]:
                module = pytorch_names.module_of(tensor["key"])
                is_unused = tensor["key"] in self.unused
                module = tensor["key"].partition(".")[0] if is_unused else module
                theirs[module] += int(np.prod(tensor["shape"]))
        both = {module: (theirs[module], ours.get(module, 0)) for module in theirs | ours}
        comparisons.counts[self.name] = both
        return both


class Networks:
    """The authors' networks, each built and filled when first asked for, once per run."""

    def __init__(self, reference):
        self.reference, self.made = reference, {}

    def _once(self, key, make):
        if key not in self.made:
            self.made[key] = Filled(self.reference, *make())
        return self.made[key]

    def cross_generator(self):
        return self._once("cross", _cross_generator)

    def cross_discriminator(self, view):
        """D1 judges the source view, D2 the semantic map."""
        prefix = {"source": "", "semantic": "D2."}[view]
        return self._once(view, lambda: (*_cross_discriminator(), "cross_discriminator", prefix))

    def semantic_generator(self, task):
        return self._once(f"generator {task}", lambda: _semantic_generator(task))

    def semantic_discriminator(self, task):
        return self._once(f"discriminator {task}", lambda: _semantic_discriminator(task))


def _cross_generator():
    generator = Generator(
        6,
        ("source", "semantic"),
        residual_blocks_in="encoder",
        global_generator="resnet",
        merge="sum",
        initializer="normal",
    )
    generator.build(dict.fromkeys(("source", "semantic"), (None, None, None, 3)))
    return generator, pytorch_names.generator_slots(generator), "cross_generator"


def _cross_discriminator():
    network = MultiscaleDiscriminator(1, pad=1, spectral=False, initializer="normal")
    network.build((None, None, None, 6))
    return network, pytorch_names.patch_discriminator_slots(network)


def _semantic_generator(task):
    settings = {
        "ade": {"num_classes": 52, "latent_stride": 32, "num_classified": 51},
        "city": {"num_classes": 35, "latent_stride": 64, "num_classified": 35},
    }[task]
    generator = Generator(**settings)
    generator.build({"semantic": (None, None, None, {"ade": 151, "city": 36}[task])})
    return generator, pytorch_names.generator_slots(generator), f"semantic_{task}_generator"


def _semantic_discriminator(task):
    network = MultiscaleDiscriminator()
    network.build((None, None, None, {"ade": 154, "city": 39}[task]))
    slots = pytorch_names.multiscale_discriminator_slots(network)
    return network, slots, f"semantic_{task}_discriminator"


@pytest.fixture(params=["auto", "dense"])
def implementation(request, monkeypatch):
    """The generator's; with "auto" distinct windows of labels count as few whatever they are."""
    monkeypatch.setattr("lggan_tf.layers.label_windows.LARGEST_SHARE", 2.0)
    return request.param


@pytest.fixture(scope="session")
def networks(reference):
    return Networks(reference)


@pytest.fixture(scope="session", params=["ade", pytest.param("city", marks=pytest.mark.slow)])
def task(request):
    """The two published semantic networks."""
    return request.param


@pytest.fixture(scope="session")
def cross_generator(networks):
    return networks.cross_generator()


@pytest.fixture(scope="session")
def cross_discriminators(networks):
    return {view: networks.cross_discriminator(view) for view in ("source", "semantic")}


@pytest.fixture
def semantic_generator(networks, task):
    return networks.semantic_generator(task)
