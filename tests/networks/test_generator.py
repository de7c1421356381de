import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.data.prepare import Prepare
from lggan_tf.layers import spade
from lggan_tf.networks.generator import Generator, fuse
from lggan_tf.networks.spade_global_generator import SpadeGlobalGenerator

K = 3
IMAGES = {"image", "image_global", "image_local"}
CROSS_VIEW = {
    "conditions": ("source", "semantic"),
    "residual_blocks_in": "encoder",
    "global_generator": "resnet",
    "merge": "sum",
    "initializer": "normal",
}
SEMANTIC = {"latent_stride": 16, "num_classified": K}
TASKS = pytest.mark.parametrize("task", [CROSS_VIEW, SEMANTIC], ids=["cross_view", "semantic"])


def small(**settings):
    defaults = {"filters": 4, "residual_blocks": 1, "spade_hidden": 6}
    return Generator(K, **defaults | settings)


def inputs(height=32, width=48, batch=2):
    rng = np.random.default_rng(7)
    labels = rng.integers(0, K + 1, size=(batch, height, width)).astype("int32")
    return {
        "source": rng.uniform(-1, 1, size=(batch, height, width, 3)).astype("float32"),
        "semantic": np.eye(K + 1, dtype="float32")[labels],
        "local_labels": labels,
    }


@pytest.fixture(scope="module")
def generators():
    """One generator per task with weights that show; tests put back what they change."""
    made = {}

    def get(task, randomize):
        key = task.get("merge", "conv")
        if key not in made:
            made[key] = small(**task)
            made[key](inputs())
            randomize(made[key])
        return made[key]

    return get


@TASKS
def test_shapes_and_ranges(generators, randomize, task):
    outputs = generators(task, randomize)(inputs())
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    expected = {name: (2, 32, 48, 3) for name in IMAGES}
    expected |= {"weight_global": (2, 32, 48, 1), "weight_local": (2, 32, 48, 1)}
    if task is SEMANTIC:
        expected |= {"class_logits": (2, K, K)}
    assert shapes == expected
    for value in outputs.values():
        assert value.dtype == tf.float32 and np.all(np.isfinite(value))
    # A sum of tanh may leave [-1, 1]; what is behind a tanh may not.
    within_one = ["image_global"] + ["image_local"] * (task is SEMANTIC)
    for name in within_one:
        assert np.abs(outputs[name]).max() <= 1 and np.std(outputs[name]) > 0.05


@TASKS
def test_weights_sum_to_one_and_fuse(generators, randomize, task):
    outputs = generators(task, randomize)(inputs())
    local, whole = outputs["weight_local"].numpy(), outputs["weight_global"].numpy()
    np.testing.assert_allclose(local + whole, 1, atol=1e-6)
    assert local.min() >= 0 and whole.min() >= 0 and np.std(local) > 0.05
    expected = outputs["image_global"] * whole + outputs["image_local"] * local
    np.testing.assert_allclose(outputs["image"], expected, atol=1e-6)
    np.testing.assert_array_equal(outputs["image"], fuse(outputs))


def test_fuse_by_head():
    """0.25 * 4 + 0.75 * 8 = 7."""
    parts = {"image_global": 4.0, "weight_global": 0.25, "image_local": 8.0, "weight_local": 0.75}
    assert float(fuse({name: tf.constant(value) for name, value in parts.items()})) == 7


# Building with SPADE takes seconds, so it is met twice only.
@pytest.mark.parametrize(
    "kind, merge, num_classified, fusion",
    [
        ("resnet", "sum", 2, "learned"),
        ("resnet", "conv", 0, "uniform"),
        ("resnet", "conv", 2, "learned"),
        ("resnet", "sum", 0, "uniform"),
        ("spade", "sum", 2, "uniform"),
    ],
)
def test_ablations_of_both_branches(kind, merge, num_classified, fusion):
    generator = small(
        merge=merge,
        global_generator=kind,
        num_classified=num_classified,
        fusion=fusion,
        latent_stride=16,
    )
    outputs = generator(inputs(16, 16, 1))
    heads = {"class_logits"} if num_classified else set()
    assert set(outputs) == IMAGES | heads | {"weight_global", "weight_local"}
    if num_classified:
        assert outputs["class_logits"].shape == (1, 2, 2)
    if fusion == "uniform":
        assert not hasattr(generator, "weight_map")
        mean = (outputs["image_global"] + outputs["image_local"]) / 2
        np.testing.assert_allclose(outputs["image"], mean, atol=1e-6)
        assert np.all(outputs["weight_local"] == 0.5) and np.all(outputs["weight_global"] == 0.5)


def test_the_global_branch_alone():
    """What does not draw is not built, and the one image is the image."""
    generator = small(branches="global", global_generator="resnet")
    outputs = generator(inputs(16, 16, 1))
    assert set(outputs) == {"image", "image_global"}
    np.testing.assert_array_equal(outputs["image"], outputs["image_global"])
    assert not hasattr(generator, "local_generator") and not hasattr(generator, "weight_map")


def test_the_local_branch_alone():
    generator = small(branches="local", num_classified=K)
    outputs = generator(inputs(16, 16, 1))
    assert set(outputs) == {"image", "image_local", "class_logits"}
    np.testing.assert_array_equal(outputs["image"], outputs["image_local"])
    assert not hasattr(generator, "global_generator") and not hasattr(generator, "weight_map")


@pytest.mark.parametrize("place", ["encoder", "local"])
def test_where_the_residual_blocks_stand(place):
    generator = small(residual_blocks=2, residual_blocks_in=place, latent_stride=16)
    counts = len(generator.encoder.residual), len(generator.local_generator.residual)
    assert counts == ((2, 0) if place == "encoder" else (0, 2))


@TASKS
def test_the_global_image_ignores_the_local_branch(generators, randomize, task):
    generator, given = generators(task, randomize), inputs()
    before = generator(given)
    relabelled = generator(given | {"local_labels": (given["local_labels"] + 1) % K})
    assert np.any(relabelled["image_local"] != before["image_local"])
    variables = generator.local_generator.trainable_variables
    kept = [np.array(v) for v in variables]
    for variable in variables:
        variable.assign(-variable)
    negated = generator(given)
    for variable, value in zip(variables, kept, strict=True):
        variable.assign(value)
    assert np.any(negated["image_local"] != before["image_local"])
    for changed in (relabelled, negated):
        for name in ("image_global", "weight_global", "weight_local"):
            np.testing.assert_array_equal(changed[name], before[name])


@TASKS
def test_images_of_a_batch_are_independent(generators, randomize, task):
    generator, given = generators(task, randomize), inputs()
    other = {name: value.copy() for name, value in given.items()}
    other["source"][1] *= -1
    other["semantic"][1] = other["semantic"][1, ::-1, ::-1]
    other["local_labels"][1] = 0
    before, after = generator(given), generator(other)
    alone = generator({name: value[:1] for name, value in given.items()})
    for name, value in before.items():
        np.testing.assert_allclose(after[name][0], value[0], atol=1e-6, err_msg=name)
        np.testing.assert_allclose(alone[name][0], value[0], atol=1e-5, err_msg=name)
        assert np.any(after[name][1] != value[1]), name


def test_conditions_are_concatenated_in_their_order():
    """The stem's kernel sees the channels of the first name first."""
    generator, given = small(**CROSS_VIEW), inputs(16, 16, 1)
    generator(given)
    kernel = generator.encoder.stem.convolution.kernel
    assert kernel.shape == (7, 7, 3 + K + 1, 4)
    only_source = np.zeros(kernel.shape, "float32")
    only_source[:, :, :3] = np.random.default_rng(0).normal(size=(7, 7, 3, 4))
    kernel.assign(only_source)
    first = generator(given)["image_global"]
    np.testing.assert_array_equal(
        first, generator(given | {"semantic": -given["semantic"]})["image_global"]
    )
    assert np.any(first != generator(given | {"source": -given["source"]})["image_global"])


@pytest.mark.parametrize(
    "settings, height, width, message",
    [
        ({"latent_stride": 32}, 48, 64, "the height 48 .* multiple of 32"),
        ({"latent_stride": 16}, 32, 40, "the width 40 .* multiple of 16"),
        ({"global_generator": "resnet"}, 30, 32, "the height 30 .* multiple of 4"),
        ({"branches": "local", "latent_stride": 32}, 32, 34, "the width 34 .* multiple of 4"),
    ],
)
@pytest.mark.filterwarnings("ignore:.* unbuilt state")
def test_wrong_sides(settings, height, width, message):
    with pytest.raises(ValueError, match=message):
        small(**settings)(inputs(height, width, 1))


def test_wrong_latent_stride():
    with pytest.raises(ValueError, match=r"latent_stride=24 is not one of \[16, 32, 64, 128\]"):
        small(latent_stride=24)


@pytest.mark.parametrize("stride, blocks, half", [(32, 7, 4), (128, 8, 2)])
def test_spade_reaches_full_size(stride, blocks, half):
    """From one row of two pixels; stride 128 has an eighth block, of half the width."""
    network = SpadeGlobalGenerator(4, 6, stride)
    image = network(tf.ones([1, stride // 4, stride // 2, 16]), tf.ones([1, stride, 2 * stride, 3]))
    assert image.shape == (1, stride, 2 * stride, 3)
    widths = [block.filters for block in network.blocks]
    assert len(widths) == blocks and widths[0] == 64 and widths[-1] == half
    assert len(network.doubled) == np.log2(stride)


@TASKS
def test_training_learns_from_the_whole_image_alone(generators, randomize, task):
    """Every kernel gets a gradient through `image` (and the head through its logits)."""
    generator = generators(task, randomize)
    state = [np.array(v) for v in generator.non_trainable_variables]
    with tf.GradientTape() as tape:
        outputs = generator(inputs(), training=True)
        loss = tf.reduce_sum(outputs["image"] ** 2)
        if "class_logits" in outputs:
            loss += tf.reduce_sum(outputs["class_logits"] ** 2)
    gradients = tape.gradient(loss, generator.trainable_variables)
    for variable, gradient in zip(generator.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert variable.name == "bias" or np.any(gradient != 0), variable.path
    for variable, value in zip(generator.non_trainable_variables, state, strict=True):
        assert np.any(np.array(variable) != value), variable.path
        variable.assign(value)


@TASKS
def test_a_file_gives_the_same_generator(generators, randomize, task, tmp_path):
    generator, path = generators(task, randomize), tmp_path / "generator.keras"
    generator.save(path)
    restored = keras.models.load_model(path)
    assert restored.get_config() == generator.get_config()
    assert len(restored.variables) == len(generator.variables)
    before, after = generator(inputs()), restored(inputs())
    assert set(before) == set(after)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


@pytest.fixture
def double_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("edges", [False, True])
def test_by_windows_of_labels_as_everywhere(rng, randomize, monkeypatch, edges):
    """Images and gradients, with windows that are few at some scales and many at others.

    In double precision: behind instance norms a bias has a gradient of rounding alone.
    """
    few = []
    plan = spade.spade_windows

    def noted(label_map):
        windows = plan(label_map)
        few.append(windows is not None and bool(windows.outer.are_few))
        return windows

    monkeypatch.setattr("lggan_tf.networks.spade_global_generator.spade_windows", noted)
    labels = np.kron(rng.integers(0, K + 1, (2, 4, 4)), np.ones((1, 32, 32), int))
    labels = np.roll(
        labels, (5, 3), axis=(1, 2)
    )  # so that it matters which pixel of a cell is taken
    given = {"labels": labels.astype("uint8")}
    if edges:
        given["edges"] = (rng.random(labels.shape) < 0.001).astype("uint8")
    prepare = Prepare(range(K + 1), edges=edges)
    generator = small(**SEMANTIC)
    generator.build(prepare.shapes)
    randomize(generator)
    batch, weights = prepare(given), rng.normal(size=(2, 128, 128, 3))
    for _ in range(3):
        generator(batch, training=True)  # spectral vectors at random would saturate every pixel
    few.clear()

    def drawn(implementation):
        generator.implementation = implementation
        with tf.GradientTape() as tape:
            image = generator(batch)["image"]
            loss = tf.reduce_sum(image * weights)
        variables = [variable.value for variable in generator.trainable_variables]
        return [image, *tape.gradient(loss, variables, unconnected_gradients="zero")]

    pairs = list(zip(drawn("auto"), drawn("dense"), strict=True))
    # Of the five scales the coarsest is computed everywhere anyway, and the dense pass has none.
    assert few[0] is False and few[4] is True and not any(few[5:])
    for ours, dense in pairs:
        np.testing.assert_allclose(ours, dense, atol=1e-9 * max(1.0, np.abs(dense).max()))


def test_an_unknown_implementation_is_refused():
    generator = small()
    with pytest.raises(ValueError, match="implementation='sorted' is neither"):
        generator.implementation = "sorted"
