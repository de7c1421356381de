import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.layers.normalization import BatchNorm
from lggan_tf.layers.spade import SPADE
from lggan_tf.layers.spectral import SpectralConv2D
from lggan_tf.losses.classification import present_classes
from lggan_tf.networks.spade_global_generator import SpadeGlobalGenerator

PUBLISHED = {"ade": (52, 115_091_019), "city": (35, 111_123_495)}
SHOWN = {"ade": (0, 1, 50, 51), "city": (3, 7, 26, 27, 33)}
IMAGES = {
    "fused": "image",
    "global": "image_global",
    "local": "image_local",
    "attention_global": "weight_global",
    "attention_local": "weight_local",
}


@pytest.fixture(scope="module")
def evaluated(reference, task):
    return reference.arrays(f"semantic_{task}_generator_eval")


@pytest.fixture(scope="module")
def inputs(task, evaluated, semantic_inputs):
    return semantic_inputs(task, evaluated["input_label"], evaluated["input_instance"])


def test_keys_and_parameters(reference, task, semantic_generator):
    """The convolution fc is in the authors' generator and never used."""
    listed = reference.json(f"{semantic_generator.name}_keys")
    sizes = {tensor["key"]: np.prod(tensor["shape"]) for tensor in listed["tensors"]}
    unused = {key for key in sizes if key.endswith("num_batches_tracked")}
    unused |= {"fc.weight", "fc.bias"}
    assert semantic_generator.unused == unused
    assert sorted(slot.key for slot in semantic_generator.slots) == sorted(set(sizes) - unused)
    own = sum(int(np.prod(v.shape)) for v in semantic_generator.network.trainable_variables)
    assert listed["parameter_count"] == PUBLISHED[task][1]
    assert own == listed["parameter_count"] - sizes["fc.weight"] - sizes["fc.bias"]


def test_inference(
    reference, task, evaluated, inputs, traced, compare_traces, generator_layers, to_nchw,
    semantic_generator, with_class_images,
):  # fmt: skip
    name, generator = f"semantic_{task}_generator_eval", semantic_generator.network
    if task == "city":
        edges = to_nchw(inputs["semantic"][..., -1:])
        reference.compare(name, "input_edge", edges, evaluated["input_edge"], 1e-9)
    (outputs, images), seen = traced(
        generator_layers(generator), lambda: with_class_images(generator, inputs, training=False)
    )
    images = images.numpy()
    ours = {tensor: to_nchw(outputs[key]) for tensor, key in IMAGES.items()}
    ours |= {f"class_{k}": to_nchw(images[..., k, :]) for k in SHOWN[task]}
    ours["class_mean"] = images.mean(axis=(0, 1, 2, 4), dtype="float64")
    ours["class_abs_mean"] = np.abs(images).mean(axis=(0, 1, 2, 4), dtype="float64")
    rows = outputs["class_logits"].shape[-1]
    # The authors' rows are class-major, then sample.
    by_class = np.swapaxes(outputs["class_logits"], 0, 1)
    ours["feature_score"] = by_class.reshape(-1, rows)
    present = present_classes(inputs["local_labels"], rows).numpy()
    ours["valid_index"] = present.T.ravel()
    for tensor, value in ours.items():
        reference.compare(name, tensor, value, evaluated[tensor], reference.allowed(name, tensor))
    np.testing.assert_array_equal(
        evaluated["target"], np.repeat(np.arange(rows), len(inputs["semantic"]))
    )
    pixels = np.bincount(inputs["local_labels"].ravel(), minlength=PUBLISHED[task][0])
    if task == "city":
        # The published generator hands out class 26's label map in place of 27's.
        pixels[27] = pixels[26]
    reference.compare(name, "mask_pixels", pixels, evaluated["mask_pixels"], 1e-9)
    compare_traces(name, name, seen)


def test_training(
    reference, task, traced, compare_traces, generator_layers, semantic_inputs, inputs, to_nchw,
    semantic_generator, with_class_images,
):  # fmt: skip
    """Batch statistics and one power iteration; the state afterwards, too."""
    name, generator = f"semantic_{task}_generator_train", semantic_generator.network
    arrays, step = reference.arrays(name), 1
    if task == "city":
        inputs, step = semantic_inputs(task, arrays["input_label"], arrays["input_instance"]), 2
    semantic_generator.restore()
    (outputs, _), seen = traced(
        generator_layers(generator), lambda: with_class_images(generator, inputs, training=True)
    )
    stored = [slot for slot in semantic_generator.slots if f"after/{slot.key}" in arrays]
    after = {slot.key: slot.read() for slot in stored}
    semantic_generator.restore()
    for tensor in ("fused", "global", "local"):
        ours = to_nchw(outputs[IMAGES[tensor]])[:, :, ::step, ::step]
        reference.compare(name, tensor, ours, arrays[tensor], reference.allowed(name, tensor))
    assert len(after) == 7
    for key, value in after.items():
        tensor = f"after/{key}"
        reference.compare(name, tensor, value, arrays[tensor], reference.allowed(name, tensor))
    compare_traces(name, name, seen)


only_ade = pytest.mark.parametrize("task", ["ade"], indirect=True)


@pytest.fixture
def is_seen(reference, evaluated, inputs, to_nchw, semantic_generator):
    """Whether the global image in inference is now much further off than the comparison allows."""
    name = "semantic_ade_generator_eval"

    def run():
        outputs = semantic_generator.network(inputs, training=False)
        difference = np.abs(to_nchw(outputs["image_global"]) - evaluated["global"]).max()
        return difference > 10 * reference.allowed(name, "global")

    yield run
    semantic_generator.restore()


@only_ade
def test_what_is_right_is_not_seen(is_seen):
    assert not is_seen()


@only_ade
def test_gamma_for_one_plus_gamma_is_seen(is_seen, monkeypatch):
    def call(layer, inputs, semantic, training=None):
        hidden = tf.nn.relu(layer.shared(semantic))
        normalized = layer.norm(inputs, training=training)
        return normalized * layer.gamma(hidden) + layer.beta(hidden)

    monkeypatch.setattr(SPADE, "call", call)
    assert is_seen()


@only_ade
def test_another_leaky_slope_is_seen(is_seen, monkeypatch):
    monkeypatch.setattr("lggan_tf.layers.spade.LEAKY_SLOPE", 0.01)
    assert is_seen()


@only_ade
def test_another_epsilon_of_batch_norm_is_seen(is_seen, monkeypatch, semantic_generator):
    for layer in semantic_generator.network._flatten_layers():
        if isinstance(layer, BatchNorm):
            monkeypatch.setattr(layer, "epsilon", 1e-3)
    assert is_seen()


@only_ade
def test_power_iterations_in_inference_are_seen(is_seen, monkeypatch):
    sigma = SpectralConv2D.sigma
    monkeypatch.setattr(SpectralConv2D, "sigma", lambda layer, training: sigma(layer, True))
    assert is_seen()


@only_ade
def test_conditions_from_the_centre_of_a_cell_are_seen(is_seen, monkeypatch):
    """TensorFlow's own resize takes the pixel behind the centre, the reference the top left one."""
    call = SpadeGlobalGenerator.call

    class FromTheCentre:
        def __init__(self, conditions):
            self.conditions = conditions

        def __getitem__(self, key):
            _, rows, columns = key
            start = rows.step // 2
            return self.conditions[:, start :: rows.step, start :: columns.step]

    def shifted(layer, encoded, conditions=None, training=None):
        return call(layer, encoded, FromTheCentre(conditions), training)

    monkeypatch.setattr(SpadeGlobalGenerator, "call", shifted)
    assert is_seen()


@only_ade
@pytest.mark.parametrize("what", ["momentum", "biased variance"])
def test_other_running_statistics_are_seen(
    reference, inputs, monkeypatch, semantic_generator, what
):
    name, key = "semantic_ade_generator_train", "head_0.norm_0.param_free_norm.running_var"
    want = reference.arrays(name)[f"after/{key}"]
    if what == "momentum":
        norm = semantic_generator.network.global_generator.blocks[0].norm_0.norm
        monkeypatch.setattr(norm, "momentum", 0.99)
    else:
        monkeypatch.setattr(BatchNorm, "call", keras.layers.BatchNormalization.call)
    semantic_generator.restore()
    semantic_generator.network(inputs, training=True)
    difference = np.abs(semantic_generator.read(key) - want).max()
    semantic_generator.restore()
    assert difference > 10 * reference.allowed(name, f"after/{key}")
