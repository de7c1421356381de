"""Every tensor of the authors' networks has its place here or a reason why not, and comes back."""

import numpy as np
import pytest

from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import load_generator
from lggan_tf.runs.pytorch_detect import detect
from lggan_tf.runs.pytorch_import import import_run
from lggan_tf.runs.pytorch_names import assign, state_of
from lggan_tf.runs.pytorch_settings import Part, run_config
from lggan_tf.runs.pytorch_state import StateDict

slow = pytest.mark.slow
NETWORKS = {
    "cross_generator": lambda networks: networks.cross_generator(),
    "cross_discriminator": lambda networks: networks.cross_discriminator("source"),
    "semantic_ade_generator": lambda networks: networks.semantic_generator("ade"),
    "semantic_city_generator": lambda networks: networks.semantic_generator("city"),
    "semantic_ade_discriminator": lambda networks: networks.semantic_discriminator("ade"),
    "semantic_city_discriminator": lambda networks: networks.semantic_discriminator("city"),
}
PARAMETERS = {
    "cross_generator": 12_191_258,
    "cross_discriminator": 2_767_809,
    "semantic_ade_generator": 115_091_019,
    "semantic_city_generator": 111_123_495,
    "semantic_ade_discriminator": 5_836_930,
    "semantic_city_discriminator": 5_601_410,
}
# Defined by the authors and never used: listed, not built.
UNUSED = {
    "cross_generator": {"deconv5_7": 9_411},
    "semantic_ade_generator": {"fc": 1_392_640},
    "semantic_city_generator": {"fc": 332_800},
}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.fixture(
    params=[pytest.param(n, marks=slow if n == "semantic_city_generator" else ()) for n in NETWORKS]
)
def filled(request, networks):
    filled = NETWORKS[request.param](networks)
    filled.restore()
    return filled


def test_keys_and_shapes_are_the_authors(reference, filled):
    """Derived from our modules, in the authors' layout."""
    listed = reference.json(f"{filled.name}_keys")["tensors"]
    theirs = {tensor["key"]: tuple(tensor["shape"]) for tensor in listed}
    ours = {slot.key: slot.read().shape for slot in filled.slots}
    assert len(ours) == len(filled.slots)
    assert ours == {key: shape for key, shape in theirs.items() if key not in filled.unused}
    never = {f"{module}.{name}" for module in UNUSED.get(filled.name, ()) for name in
             ("weight", "bias")}  # fmt: skip
    assert {key for key in filled.unused if not key.endswith(STATISTICS)} == never
    # The statistics that are used are those of batch norms.
    assert all("param_free_norm" in key for key in ours if key.endswith(STATISTICS))
    learnt = {slot.key for slot in filled.slots if slot.variable.trainable}
    assert learnt == {t["key"] for t in listed if t["trainable"]} - never


def test_parameters_module_by_module(reference, filled):
    listed = reference.json(f"{filled.name}_keys")
    counts, unused = filled.count_parameters(), UNUSED.get(filled.name, {})
    for module, (theirs, ours) in counts.items():
        assert (theirs, ours) == ((unused[module], 0) if module in unused else (theirs, theirs))
    assert set(unused) <= set(counts)
    assert sum(theirs for theirs, _ in counts.values()) == listed["parameter_count"]
    assert listed["parameter_count"] == PARAMETERS[filled.name]
    own = sum(int(np.prod(v.shape)) for v in filled.network.trainable_variables)
    assert own == sum(ours for _, ours in counts.values())


def test_there_and_back_bit_by_bit(reference, filled):
    """Our weights under the authors' names are the imported ones, and fill our variables again."""
    exported = state_of(filled.slots)
    expected = reference.state(filled.name, filled.prefix)
    for key, value in exported.items():
        np.testing.assert_array_equal(value, expected[key], err_msg=key)
    del expected
    variables = {id(slot.variable): slot.variable for slot in filled.slots}.values()
    # Every weight and every statistic is reached; what else a Keras model holds is none.
    assert len(variables) == len(filled.network.variables)
    before = [np.array(variable) for variable in variables]
    try:
        for variable in variables:
            variable.assign(np.zeros(variable.shape))
        assign(filled.slots, lambda key, shape: exported.pop(key))
        assert exported == {}
        for variable, value in zip(variables, before, strict=True):
            np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def described(reference, name):
    """A state dict of the authors' keys and shapes; the values do not matter."""
    listed = reference.json(f"{name}_keys")["tensors"]
    zero = np.zeros((), "float32")
    return StateDict(name, {t["key"]: np.broadcast_to(zero, t["shape"]) for t in listed})


SETTINGS = {
    "semantic_city_generator": {
        "dataset": "cityscapes", "latent_stride": 64, "edges": True, "void_is_class": True,
        "local_classes": 0, "l1_local_slip": True, "bicubic_labels": False, "early_decay": False,
    },
    "semantic_ade_generator": {
        "dataset": "ade20k", "latent_stride": 32, "edges": False, "void_is_class": True,
        "local_classes": 52, "l1_local_slip": False, "wrap_pixels": False, "early_decay": False,
    },
    "cross_generator": {
        "dataset": "panels", "semantic_input": "colours", "l1_local_slip": False,
        "bicubic_labels": True, "wrap_pixels": True, "early_decay": True, "merge": "sum",
    },
}  # fmt: skip
RECIPES = {
    "cityscapes": {"dataset": "cityscapes", "latent_stride": 64, "edges": True},
    "ade20k": {"dataset": "ade20k"},
    "dayton_a2g_256": {
        "dataset": "panels", "discriminator_views": "semantic,source", "lambda_class": 0.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_the_importer_knows_the_released_networks_by_their_keys(reference, name):
    judge = name.replace("generator", "discriminator")
    parts = {}
    for part, listed in (("generator", name), ("discriminator_semantic", judge)):
        state = described(reference, listed)
        parts[part] = Part(state, detect(state))
    recipe = RECIPES[parts["generator"].found.recipe]
    flat = run_config(parts, recipe, {})[0].to_flat()
    expected = SETTINGS[name] | {"filters": 64, "residual_blocks": 9, "discriminator_filters": 64}
    expected |= {"discriminator_layers": 4}
    assert {key: flat[key] for key in expected} == expected


def test_released_weights_become_a_run_that_draws_the_authors_images(
    reference, to_nchw, to_nhwc, to_cross_view_labels, tmp_path
):
    """The cross-view networks from files on, with the authors' own keys, `deconv5_7` among them."""
    parts = {}
    for part, name, prefix in (
        ("generator", "cross_generator", ""),
        ("discriminator_source", "cross_discriminator", ""),
        ("discriminator_semantic", "cross_discriminator", "D2."),
    ):
        state = StateDict(part, reference.state(name, prefix))
        parts[part] = Part(state, detect(state))
    config, classes = run_config(parts, RECIPES["dayton_a2g_256"], {})
    folder = RunFolder(tmp_path / "run")
    report = import_run(parts, config, classes, folder)
    ignored = {imported.part: set(imported.ignored) for imported in report}
    assert ignored["generator"] == {"deconv5_7.weight", "deconv5_7.bias"}
    norms = {f"model.{i}.{name}" for i in (3, 6, 9) for name in STATISTICS}
    assert ignored["discriminator_source"] == ignored["discriminator_semantic"] == norms

    prepare, generator, _ = load_generator(folder)
    arrays = reference.arrays("cross_generator")
    x = to_nhwc(arrays["input_x"])
    labels = to_cross_view_labels(arrays["input_mask"][:, 0])
    inputs = {"source": x[..., :3], "semantic": x[..., 3:], "local_labels": labels}
    assert prepare.conditions == ("source", "semantic")
    image = to_nchw(generator(inputs, training=False)["image"])
    assert np.abs(image - arrays["fused"]).max() <= 5e-5


def test_every_file_of_the_reference_has_its_test(reference):
    """The end of a run looks into these files for arrays that were not compared."""
    assert {path.stem for path in reference.folder.glob("*.npz")} == reference.files
