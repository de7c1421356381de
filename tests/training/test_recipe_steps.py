"""Every recipe and every row of the paper's ablation, very small, takes a real step."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from without_effect import biases_without_effect

from lggan_tf.bin import config_flags, recipes
from lggan_tf.config import Config
from lggan_tf.data.sources import open_classes
from lggan_tf.layers.class_specific import ClassSpecificConv2D
from lggan_tf.layers.normalization import BatchNorm, InstanceNorm
from lggan_tf.runs.build import build_features
from lggan_tf.runs.teacher import load_teacher
from lggan_tf.training.build import build_lggan

DEMO = Path(__file__).parents[2] / "savedmodels" / "town_semantic"
WITH_PERCEPTUAL = "camvid"  # its feature network comes from a package


def every_element():
    """Adam without memory: whatever has any gradient moves by 0.01, the rest stays bit by bit."""
    return keras.optimizers.Adam(0.01, beta_1=0.0, beta_2=0.0, epsilon=1e-30)


def standing_still():
    return keras.optimizers.SGD(0.0)


@pytest.fixture
def norm_inputs(monkeypatch):
    """(network part, number of values that share a mean) of every norm that is called."""
    seen = []

    def recorded(cls, values):
        before = cls.call

        def call(self, inputs, *args, **kwargs):
            seen.append((self.path, values(inputs.shape)))
            return before(self, inputs, *args, **kwargs)

        monkeypatch.setattr(cls, "call", call)

    recorded(InstanceNorm, lambda shape: shape[1] * shape[2])
    recorded(BatchNorm, lambda shape: shape[0] * shape[1] * shape[2])
    return seen


def smallest_image(config):
    """Height and width that leave a norm at least four values (SPADE's 1 x 2 maps, two images)."""
    if config.side_multiple == 4:
        return 32, 32
    return max(config.side_multiple, 32), 2 * config.side_multiple


def tiny_recipe(name, tiny):
    values = flags.FlagValues()
    recipes.define(values)
    config_flags.define(values)
    values(["lggan-test", *recipes.expand([f"--recipe={name}"], values)])
    flat = {setting: values[setting].value for setting in Config().to_flat()}
    height, width = smallest_image(Config.from_flat(flat))
    flat |= tiny | {"image_height": height, "image_width": width, "data_dir": "nowhere"}
    if flat["load_height"]:
        flat |= {"load_height": height + 8, "load_width": width + 8}
    if name == WITH_PERCEPTUAL:
        flat["lambda_perceptual"] = 10.0
    if flat["lambda_distillation"]:
        flat["teacher"] = str(DEMO)
    return Config.from_flat(flat).check()


def losses(found):
    """A step's results without its metrics."""
    return {name: value for name, value in found.items() if not name.startswith("metric/")}


def stuck(variables, before, exempt):
    return [
        v.path
        for v, old in zip(variables, before, strict=True)
        if id(v) not in exempt and np.array_equal(v, old)
    ]


@pytest.mark.parametrize("name", recipes.available_recipes())
def test_a_recipe_updates_g_and_d_and_each_alone(
    name, tiny, classes, random_batch, norm_inputs, values_of
):
    config = tiny_recipe(name, tiny)
    built_in = config.data.dataset.startswith("town") or config.data.dataset == "panels"
    table = open_classes(config.data.dataset, "") if built_in else classes
    model = build_lggan(config, table, 10)
    batch = random_batch(config, table)
    norm_inputs.clear()

    terms = losses(model.step(batch))
    assert min(values for _, values in norm_inputs) >= 4, min(norm_inputs, key=lambda x: x[1])
    assert sorted(terms) == sorted(model.objective.term_names(config.views))
    assert {n: float(v) for n, v in terms.items() if not np.isfinite(v)} == {}
    assert ("perceptual" in terms) == (name == WITH_PERCEPTUAL)

    for discriminator in model.discriminators.values():
        for scale in discriminator.scales:
            # Near 0 photo and drawing pull the last bias with equal force.
            scale.to_logits.bias.assign([2.0])
    g, d = model.generator.trainable_variables, model.discriminator_variables
    exempt = set(map(id, biases_without_effect([model.generator, *model.discriminators.values()])))
    features, before_g, before_d = build_features(config), values_of(g), values_of(d)
    teacher = load_teacher(config, table) if config.loss.teacher else None

    model.compile(every_element(), standing_still(), model.objective, features, teacher=teacher)
    model.step(batch)
    assert stuck(g, before_g, exempt) == []
    assert len(stuck(d, before_d, set())) == len(d)
    convolution = next(
        x for x in model.generator._flatten_layers() if isinstance(x, ClassSpecificConv2D)
    )
    old = next(b for v, b in zip(g, before_g, strict=True) if v is convolution.kernels)
    shown = set(np.unique(np.asarray(table.local_table())[batch["labels"]])) - {table.num_local}
    moved = {
        i for i in range(table.num_local) if not np.array_equal(convolution.kernels[i], old[i])
    }
    assert moved == shown and 0 < len(shown) < table.num_local

    for variable, value in zip(g, before_g, strict=True):
        variable.assign(value)
    model.compile(standing_still(), every_element(), model.objective, features, teacher=teacher)
    model.step(batch)
    assert len(stuck(g, before_g, set())) == len(g)
    assert stuck(d, before_d, exempt) == []


ALL_TERMS = {"d_semantic_fake", "d_semantic_real", "d_total", "gan_semantic", "g_total"} | {
    "feature_matching_semantic",
    "l1",
    "l1_local",
    "class",
}
DRAWN = {"image", "image_global", "image_local", "weight_global", "weight_local", "class_logits"}
# Settings beside `plain` -> terms and outputs that are gone or new (symmetric difference).
ABLATION = {
    "global branch": (
        {"branches": "global", "lambda_class": 0.0, "lambda_l1_local": 0.0},
        {"class", "l1_local"},
        {"image_local", "weight_global", "weight_local", "class_logits"},
    ),
    "local branch": (
        {"branches": "local"},
        set(),
        {"image_global", "weight_global", "weight_local"},
    ),
    "both branches": ({"branches": "both"}, set(), set()),
    "class images summed": ({"merge": "sum"}, set(), set()),
    "class images mixed": ({"merge": "conv"}, set(), set()),
    "learned fusion": ({"fusion": "learned"}, set(), set()),
    "uniform fusion": ({"fusion": "uniform"}, set(), set()),
    "everything everywhere": ({"implementation": "dense"}, set(), set()),
    "no classification": ({"lambda_class": 0.0}, {"class"}, {"class_logits"}),
    "no feature matching": (
        {"lambda_feature_matching": 0.0},
        {"feature_matching_semantic"},
        set(),
    ),
    "cross view, D_s alone": ({"dataset": "town_cross_view"}, set(), set()),
    "cross view, D_s and D_i": (
        {"dataset": "town_cross_view", "discriminator_views": "semantic,source"},
        {"d_source_fake", "d_source_real", "gan_source", "feature_matching_source"},
        set(),
    ),
    "D_s and a D_i that sees the image alone": (
        {"discriminator_views": "semantic,image"},
        {"d_image_fake", "d_image_real", "gan_image", "feature_matching_image"},
        set(),
    ),
    "no discriminator": (
        {"discriminator_views": "", "lambda_gan": 0.0, "lambda_feature_matching": 0.0},
        {"d_semantic_fake", "d_semantic_real", "d_total", "gan_semantic"}
        | {"feature_matching_semantic"},
        set(),
    ),
    "cross entropy": ({"gan_loss": "cross_entropy"}, set(), set()),
    "least squares": ({"gan_loss": "least_squares"}, set(), set()),
}


@pytest.mark.parametrize("row", ABLATION)
def test_ablation(row, plain, classes, make_model, random_batch, values_of):
    settings, terms_changed, drawn_changed = ABLATION[row]
    config, model = make_model(plain | {"lambda_l1": 1.0} | settings, 0.1, 0.1)
    batch = random_batch(config, classes)
    before = values_of([*model.generator.trainable_variables, *model.discriminator_variables])

    terms = losses(model.step(batch))
    assert set(terms) == ALL_TERMS ^ terms_changed
    assert np.isfinite([float(value) for value in terms.values()]).all()
    own = [v for n, v in terms.items() if not n.startswith("d_") and n != "g_total"]
    assert float(terms["g_total"]) == pytest.approx(float(sum(own)), rel=1e-5)
    after = values_of([*model.generator.trainable_variables, *model.discriminator_variables])
    assert any(not np.array_equal(a, b) for a, b in zip(before[-2:], after[-2:], strict=True))
    assert not np.array_equal(before[0], after[0])

    assert model.generator.implementation == config.model.implementation
    outputs = model(batch)
    assert set(outputs) == DRAWN ^ drawn_changed
    if "weight_global" in outputs:
        weights = outputs["weight_global"]
        tf.debugging.assert_near(weights + outputs["weight_local"], tf.ones_like(weights))
        assert (float(tf.math.reduce_std(weights)) == 0.0) == (config.model.fusion == "uniform")
    mixes = "image_local" in outputs and model.generator.local_generator.class_convolution.merge
    assert mixes == (config.model.branches != "global" and config.model.merge)
