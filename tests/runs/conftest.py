"""A tiny trained run: everything that a checkpoint holds, and nothing at its initial value."""

import numpy as np
import pytest

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.training.build import build_lggan

SETTINGS = {
    "image_height": 32,
    "image_width": 32,
    "latent_stride": 16,
    "filters": 4,
    "spade_hidden": 4,
    "residual_blocks": 1,
    "discriminator_filters": 4,
    "discriminator_layers": 3,
    "lambda_perceptual": 0.0,
    "initializer": "normal",
    "generator_learning_rate": 0.01,
    "discriminator_learning_rate": 0.01,
    "beta_1": 0.5,
}


@pytest.fixture(scope="session")
def classes():
    colours = ((0, 0, 0), (250, 0, 0), (0, 250, 0))
    return ClassTable(("sky", "road", "void"), colours, (2,), (255,))


@pytest.fixture(scope="session")
def settings():
    """SPADE and spectral normalisation: networks with state beside their trainable weights."""
    return SETTINGS


@pytest.fixture(scope="session")
def build(classes):
    """Changed settings and seed -> a compiled, built model."""

    def make(table=classes, **changed):
        config = Config.from_flat(SETTINGS | changed).check()
        return build_lggan(config, table, steps_per_epoch=10)

    return make


@pytest.fixture(scope="session")
def batch():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (2, 8, 8), "uint8").repeat(4, 1).repeat(4, 2)
    return {"labels": labels, "image": rng.integers(0, 256, (2, 32, 32, 3), "uint8")}


@pytest.fixture(scope="session")
def trained(build, batch):
    """A model after two steps, so that even Adam's slots and the batch norms have moved."""
    model = build(seed=1)
    for _ in range(2):
        model.step(batch)
    return model
