"""Single precision against double, also on maps of which nothing but rounding could be seen.

On a map of one class features are the same at all pixels, and each norm multiplies what rounding
left of differences between them by up to 316.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.data.edges import instance_edges
from lggan_tf.data.prepare import Prepare
from lggan_tf.networks.generator import Generator

NUM_CLASSES = 7
MAPS = ("squares", "one class", "halves", "odd pixel")
SEMANTIC = {"latent_stride": 16, "num_classified": NUM_CLASSES}
CROSS_VIEW = {
    "conditions": ("source", "semantic"),
    "residual_blocks_in": "encoder",
    "global_generator": "resnet",
    "merge": "sum",
}


def label_maps(height, width):
    """uint8 `[1,height,width]` by name."""
    cells = np.random.default_rng(0).integers(NUM_CLASSES, size=(height // 8, width // 8))
    flat, halves, odd = (np.full((height, width), 2, "uint8") for _ in range(3))
    halves[:, width // 2 :] = 5
    odd[height // 3, width // 3] = 5
    squares = cells.repeat(8, 0).repeat(8, 1).astype("uint8")
    return {n: labels[None] for n, labels in zip(MAPS, (squares, flat, halves, odd), strict=True)}


def batches(is_cross_view, height, width):
    """Compact batches by name of their map."""
    found = {}
    for name, labels in label_maps(height, width).items():
        source = np.full((1, height, width, 3), 77, "uint8")
        if name == "squares":
            source = np.random.default_rng(1).integers(256, size=source.shape).astype("uint8")
        edges = instance_edges(labels[0])[None]
        found[name] = {"labels": labels} | (
            {"source": source} if is_cross_view else {"edges": edges}
        )
    return found


@pytest.fixture
def drawn():
    """Function: images of the four maps by networks of a kind in a precision, by name."""

    def draw(settings, dtype, size, training, implementation="auto", filters=4, blocks=1):
        is_cross_view = "conditions" in settings
        conditions = settings.get("conditions", ("semantic",))
        widths = {"filters": filters, "spade_hidden": filters, "residual_blocks": blocks}
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(dtype)
        try:
            prepare = Prepare(range(NUM_CLASSES), conditions, edges=not is_cross_view)
            generator = Generator(NUM_CLASSES, implementation=implementation, **(settings | widths))
            generator.build(prepare.shapes)
        finally:
            keras.config.set_dtype_policy(before)
        rng, state = np.random.default_rng(0), []
        for variable in generator.variables:
            fan_in = max(1, int(np.prod(variable.shape[:-1])))
            deviation = 0.1 if len(variable.shape) < 3 else fan_in**-0.5
            values = rng.normal(0, deviation, variable.shape).astype("float32")
            state.append(np.abs(values) + 0.5 if "variance" in variable.path else values)
        image = tf.function(lambda batch: generator(prepare(batch), training=training)["image"])

        images = {}
        for name, batch in batches(is_cross_view, *size).items():
            for variable, values in zip(generator.variables, state, strict=True):
                variable.assign(values)  # batch statistics move in training
            batch = {key: tf.constant(value) for key, value in batch.items()}
            images[name] = image(batch).numpy()
            assert images[name].dtype == dtype
        return images

    return draw


def differences(found, exact):
    return {name: float(np.abs(found[name] - exact[name]).max()) for name in exact}


@pytest.mark.parametrize(
    ("settings", "training", "implementation"),
    [
        pytest.param(SEMANTIC, False, "auto", id="semantic", marks=pytest.mark.slow),
        pytest.param(SEMANTIC, False, "dense", id="semantic_dense", marks=pytest.mark.slow),
        pytest.param(SEMANTIC, True, "dense", id="semantic_training", marks=pytest.mark.slow),
        pytest.param(CROSS_VIEW, False, "auto", id="cross_view"),
    ],
)
def test_small_networks(drawn, settings, training, implementation):
    exact = drawn(settings, "float64", (64, 128), training, "dense")
    found = drawn(settings, "float32", (64, 128), training, implementation)
    off = differences(found, exact)
    assert off["squares"] < 2e-5 and max(off.values()) < 1e-3, off


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_semantic_networks_of_the_papers_size(drawn, training):
    """256x512, with the paper's depth and a quarter of its width."""
    settings, size = SEMANTIC | {"latent_stride": 64}, (256, 512)
    exact = drawn(settings, "float64", size, training, filters=16, blocks=9)
    found = drawn(settings, "float32", size, training, filters=16, blocks=9)
    off = differences(found, exact)
    assert off["squares"] < 2e-5 and max(off.values()) < 1e-3, off
