"""State dicts as the authors' code would save them, of small networks of ours."""

from types import SimpleNamespace

import numpy as np
import pytest

from lggan_tf.config import Config
from lggan_tf.data.sources import open_classes
from lggan_tf.runs import pytorch_names
from lggan_tf.runs.build import build_networks

SMALL = {
    "filters": 4,
    "residual_blocks": 2,
    "spade_hidden": 4,
    "discriminator_filters": 4,
    "lambda_perceptual": 0.0,
    "data_dir": "d",
}
KINDS = {
    "semantic": {"dataset": "cityscapes", "edges": True, "void_is_class": True},
    "groups": {"dataset": "ade20k", "local_classes": 52, "void_is_class": True},
    "town": {"dataset": "town_semantic", "latent_stride": 16},
    "cross_view": {
        "dataset": "panels",
        "semantic_input": "colours",
        "residual_blocks_in": "encoder",
        "global_generator": "resnet",
        "merge": "sum",
        "discriminator": "patch",
        "discriminator_views": "semantic,source",
        "lambda_class": 0.0,
        "lambda_feature_matching": 0.0,
    },
}
SLOTS = {
    "generator": pytorch_names.generator_slots,
    "patch": pytorch_names.patch_discriminator_slots,
    "multiscale": pytorch_names.multiscale_discriminator_slots,
}


def make(kind, seed):
    """Networks with random weights: `config`, `classes`, `states` by part of a checkpoint."""
    config = Config.from_flat(SMALL | KINDS[kind]).check()
    classes = open_classes(config.data.dataset, "d")
    prepare, generator, discriminators = build_networks(config, classes)
    slots = {"generator": SLOTS["generator"](generator)}
    for view, network in discriminators.items():
        slots[f"discriminator_{view}"] = SLOTS[config.model.discriminator](network)
    rng = np.random.default_rng(seed)
    for network in (generator, *discriminators.values()):
        for variable in network.variables:
            value = rng.normal(0, 0.2, variable.shape)
            variable.assign(1 + np.abs(value) if "variance" in variable.path else value)
    states = {part: pytorch_names.state_of(s) for part, s in slots.items()}
    return SimpleNamespace(
        config=config, classes=classes, prepare=prepare, generator=generator, states=states
    )


@pytest.fixture(scope="session")
def authors():
    """Kind -> small networks of that kind, made when first asked for; do not change them."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = make(kind, len(made))
        return made[kind]

    return get


@pytest.fixture
def saved(authors, tmp_path):
    """Kind -> path of an .npz by part, with additional tensors if given."""

    def save(kind, **extra):
        paths = {}
        for part, state in authors(kind).states.items():
            paths[part] = str(tmp_path / f"{part}.npz")
            np.savez(paths[part], **(state | extra.get(part, {})))
        return paths

    return save
