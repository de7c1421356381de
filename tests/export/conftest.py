"""Trained runs of two kinds, made without training: random weights large enough to be seen."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable, builtin_classes
from lggan_tf.runs.build import build_networks
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import GeneratorOnly

COMMON = {
    "image_height": 32,
    "image_width": 32,
    "filters": 4,
    "spade_hidden": 4,
    "residual_blocks": 1,
    "lambda_perceptual": 0.0,
}
KINDS = {
    # Sides are multiples of 4, and the panels' colours are the semantic input.
    "cross_view": {
        "dataset": "panels",
        "data_dir": "nowhere",
        "semantic_input": "colours",
        "global_generator": "resnet",
        "residual_blocks_in": "encoder",
        "merge": "sum",
        "lambda_class": 0.0,
    },
    # Sides are multiples of 16, batch norms have averages of their own, edges come beside labels.
    "semantic": {"dataset": "folder", "data_dir": "nowhere", "latent_stride": 16, "edges": True},
    # With data: the embedded town.
    "town_semantic": {"dataset": "town_semantic", "latent_stride": 16},
    "town_cross_view": {
        "dataset": "town_cross_view",
        "global_generator": "resnet",
        "residual_blocks_in": "encoder",
        "merge": "sum",
        "lambda_class": 0.0,
    },
}


def make_run(path, kind, step):
    colours = ((0, 0, 0), (250, 0, 0), (0, 250, 0), (0, 0, 250))
    classes = ClassTable(("sky", "road", "void", "tree"), colours, (2,), (255,))
    config = Config.from_flat(COMMON | KINDS[kind]).check()
    if config.data.dataset.startswith("town_"):
        classes = builtin_classes("town")
    prepare, generator, _ = build_networks(config, classes)
    rng = np.random.default_rng(0)
    for variable in generator.variables:
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        deviation = 0.3 if len(variable.shape) < 3 else fan_in**-0.5
        value = rng.normal(0, deviation, variable.shape)
        variable.assign(1 + np.abs(value) if "variance" in variable.path else value)
    if config.model.global_generator == "spade":
        # Random vectors are not those of the kernels: divided by a chance sigma near 0, a network
        # would make much of any rounding.
        for block in generator.global_generator.blocks:
            for layer in (block.convolution_0, block.convolution_1):
                for _ in range(5):
                    layer.sigma(training=True)
            if block.learns_shortcut:
                for _ in range(5):
                    block.convolution_s.sigma(training=True)
    folder = RunFolder(path)
    folder.create(config, classes)
    Checkpoints(folder, GeneratorOnly(generator), tf.Variable(step, dtype=tf.int64)).save()
    return SimpleNamespace(folder=folder, classes=classes, prepare=prepare, generator=generator)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Kind -> run (`folder`, `classes`, `prepare`, `generator`), made when first asked for."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = make_run(tmp_path_factory.mktemp("runs") / kind, kind, step=12)
        return made[kind]

    return get


@pytest.fixture(scope="session")
def random_input():
    """Kind, count, height, width -> a batch without a photo."""

    def make(kind, count, height, width, seed=0):
        rng = np.random.default_rng(seed)
        batch = {"labels": rng.integers(0, 4, (count, height, width), "uint8")}
        pictures = ("colours", "source") if kind == "cross_view" else ()
        batch |= {n: rng.integers(0, 256, (count, height, width, 3), "uint8") for n in pictures}
        if kind == "semantic":
            batch["edges"] = rng.integers(0, 2, (count, height, width), "uint8")
        return {name: tf.constant(value) for name, value in batch.items()}

    return make
