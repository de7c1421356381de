"""A teacher's images as targets: the term by hand, a SavedModel as teacher, and what is refused."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import builtin_classes
from lggan_tf.data.town_source import TownSource
from lggan_tf.errors import UserError
from lggan_tf.export.drawing import open_drawing
from lggan_tf.export.graph import to_pixels
from lggan_tf.losses.objective import Objective, drawn_images
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.teacher import load_teacher
from lggan_tf.training.run import train

DEMO = Path(__file__).parents[2] / "savedmodels" / "town_semantic"
TOWN = {
    "image_height": 32,
    "image_width": 32,
    "latent_stride": 16,
    "teacher": str(DEMO),
    "lambda_distillation": 2.0,
}


def grey(batch):
    """A teacher that has seen nothing."""
    shape = [*batch["labels"].shape, 3]
    return {name: tf.fill(shape, 0.25) for name in ("image", "image_global", "image_local")}


def compiled(make_model, plain, teacher=grey, **weights):
    config, model = make_model(plain)
    objective = Objective(lambda_perceptual=0.0, lambda_distillation=3.0, **weights)
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.0), objective, teacher=teacher)
    return config, model


def test_the_term_by_hand_and_in_parts(make_model, plain, random_batch, classes):
    config, model = compiled(make_model, plain)
    batch = random_batch(config, classes)
    images = drawn_images(model(batch, training=True))
    expected = 3.0 * sum(np.mean(np.abs(image - 0.25)) for image in images.values())
    assert float(model.test_step(batch)["distillation"]) == pytest.approx(expected, rel=1e-4)
    assert float(model.step(batch)["distillation"]) == pytest.approx(expected, rel=1e-4)
    _, model = compiled(make_model, plain)
    model.accumulate_steps = 2
    images = drawn_images(model(batch, training=True))
    expected = 3.0 * sum(np.mean(np.abs(image - 0.25)) for image in images.values())
    assert float(model.step(batch)["distillation"]) == pytest.approx(expected, rel=1e-4)


def test_images_come_to_the_teachers(make_model, plain, random_batch, classes):
    nothing_else = {"lambda_gan": 0.0, "lambda_feature_matching": 0.0, "lambda_class": 1e-6}
    config, model = compiled(make_model, plain, lambda_l1_local=0.0, **nothing_else)
    batch = random_batch(config, classes)
    step = tf.function(model.step)
    terms = [float(step(batch)["distillation"]) for _ in range(30)]
    assert terms[-1] < 0.5 * terms[0]


def test_no_teacher_no_term(make_model, plain):
    with pytest.raises(ValueError, match="pass teacher="):
        compiled(make_model, plain, teacher=None)
    _, model = compiled(make_model, plain)
    assert model.get_compile_config() is None


@pytest.fixture(scope="module")
def town():
    return Config.from_flat(TOWN | {"lambda_perceptual": 0.0}).check(), builtin_classes("town")


def test_a_saved_model_teaches_what_it_draws(town):
    teach = load_teacher(*town)
    source = TownSource("semantic", "val", 2, 32, 32)
    batch = {"labels": tf.constant(source.load(0)["labels"][None])}
    images = teach(batch)
    assert set(images) == {"image", "image_global", "image_local"}
    drawn = open_drawing(DEMO).draw(batch)
    np.testing.assert_array_equal(to_pixels(images["image"]), drawn)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"teacher": "nowhere"}, "nowhere is no SavedModel"),
        ({"image_height": 24, "global_generator": "resnet"}, "multiples of 16, not 24 x 32"),
    ],
)
def test_teachers_that_do_not_fit(town, changed, words):
    config = Config.from_flat(town[0].to_flat() | changed).check()
    with pytest.raises(UserError, match=words):
        load_teacher(config, town[1])


def test_a_teacher_of_labels_for_a_run_that_sees_colours(town):
    """The samples have labels beside the colours."""
    load_teacher(Config.from_flat(town[0].to_flat() | {"semantic_input": "colours"}), town[1])


def test_a_teacher_of_other_classes(town, classes):
    with pytest.raises(UserError, match="trained on other classes .*12 ids, sky"):
        load_teacher(town[0], classes)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"teacher": ""}, "go together"),
        ({"lambda_distillation": 0.0}, "go together"),
        ({"jit_compile": True}, "neither with --jit_compile"),
        ({"local_rank": -1}, "--local_rank=-1 must not be negative"),
    ],
)
def test_settings_that_do_not_fit(town, changed, words):
    with pytest.raises(UserError, match=words):
        Config.from_flat(town[0].to_flat() | changed).check()


@pytest.mark.slow
def test_a_run_with_a_teacher_and_low_rank_resumes(tiny, tmp_path):
    settings = tiny | TOWN | {"local_rank": 2, "town_places": 4, "epochs": 1, "decay_epochs": 0}
    config, folder, lines = Config.from_flat(settings).check(), RunFolder(tmp_path / "run"), []
    assert train(config, folder, lines.append) == 2
    longer = Config.from_flat(settings | {"epochs": 2}).check()
    assert train(longer, folder, lines.append) == 4
    assert any("distillation" in line for line in lines)
