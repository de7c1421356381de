"""Tiny configurations, class tables and batches, all in memory."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.runs.build import build_transform
from lggan_tf.training.build import build_lggan

TINY = {
    "filters": 4,
    "spade_hidden": 4,
    "discriminator_filters": 4,
    "residual_blocks": 1,
    "global_batch_size": 2,
    "lambda_perceptual": 0.0,
}
# Neither batch norm nor spectral normalisation: a pass leaves no traces in the networks.
PLAIN = TINY | {
    "image_height": 32,
    "image_width": 32,
    "flip": False,
    "global_generator": "resnet",
    "discriminator": "patch",
    "discriminator_layers": 3,
    "initializer": "normal",
}


@pytest.fixture(scope="session")
def classes():
    """Five ids; 2 means void, so ids and sub-generators differ; nothing ever shows id 3."""
    colours = ((0, 0, 0), (250, 0, 0), (0, 250, 0), (0, 0, 250), (90, 90, 90))
    return ClassTable(("sky", "road", "void", "never", "tree"), colours, (2,))


@pytest.fixture(scope="session")
def plain():
    """Settings of a small model without batch norm and spectral normalisation."""
    return PLAIN


@pytest.fixture(scope="session")
def tiny():
    """Settings that make any model small; the image size is left as it is."""
    return TINY


@pytest.fixture(scope="session")
def random_batch():
    """Config, class table, number, seed -> compact batch, made by the config's own transform.

    Id 3 never occurs, so whatever belongs to it has no gradient.
    """

    def make(config: Config, table: ClassTable, count: int = 2, seed: int = 0):
        rng = np.random.default_rng(seed)
        data = config.data
        height, width = data.load_height or data.image_height, data.load_width or data.image_width
        ids = np.delete(np.arange(table.num_labels, dtype=table.label_dtype), 3)
        transform, samples = build_transform(config, table, training=True), []
        for _ in range(count):
            coarse = rng.choice(ids, (height // 4, width // 4))
            labels = coarse.repeat(4, axis=0).repeat(4, axis=1)
            shade = rng.integers(0, 256, (table.num_labels, 3))[labels]
            sample = {
                "labels": labels,
                "image": (shade // 2 + rng.integers(0, 128, shade.shape)).astype("uint8"),
                "instances": labels.astype("uint16"),
            }
            if config.is_cross_view:
                sample["source"] = rng.integers(0, 256, shade.shape, "uint8")
            if data.dataset == "panels":
                sample["colours"] = table.palette[labels]
            samples.append(transform.apply(sample, rng))
        return {key: tf.constant(np.stack([s[key] for s in samples])) for key in samples[0]}

    return make


@pytest.fixture(scope="session")
def make_model(classes):
    """Settings -> (config, built LGGAN with plain gradient descent in both optimizers)."""

    def make(settings, generator_rate=0.0, discriminator_rate=0.0, table=classes):
        config = Config.from_flat({"lambda_perceptual": 0.0} | settings).check()
        model = build_lggan(config, table, 10)
        model.compile(
            keras.optimizers.SGD(generator_rate),
            keras.optimizers.SGD(discriminator_rate),
            model.objective,
        )
        return config, model

    return make


@pytest.fixture(scope="session")
def values_of():
    """Variables -> their values, copied."""
    return lambda variables: [np.array(tf.convert_to_tensor(v)) for v in variables]
