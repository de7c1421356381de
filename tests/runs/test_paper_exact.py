"""Each setting that reproduces the authors' code reaches the part that it is about, and only it."""

import numpy as np
import pytest

from lggan_tf.config import Config
from lggan_tf.data.classes import builtin_classes
from lggan_tf.errors import UserError
from lggan_tf.runs.build import (
    build_networks,
    build_objective,
    build_optimizer,
    build_prepare,
    build_source,
    build_transform,
)
from lggan_tf.runs.schedule import EarlyDecay, LinearDecay
from lggan_tf.training.build import build_lggan

SMALL = {"filters": 4, "spade_hidden": 4, "residual_blocks": 1, "lambda_perceptual": 0.0}
FIELDS = ("void_is_class", "local_classes", "bicubic_labels", "wrap_pixels", "l1_local_slip",
          "early_decay", "paper_exact")  # fmt: skip


def configured(**settings):
    return Config.from_flat(SMALL | {"data_dir": "d"} | settings).check()


def test_none_is_on_unless_asked_for():
    flat = Config().to_flat()
    assert not any(flat[name] for name in FIELDS)


def test_ade20k_with_52_groups():
    classes = builtin_classes("ade20k")
    config = configured(dataset="ade20k", local_classes=52, void_is_class=True)
    prepare, generator, _ = build_networks(config, classes)
    assert prepare.local_table == tuple(np.minimum(np.arange(151), 51).tolist())
    assert prepare.channels("semantic") == 151
    assert generator.num_classes == 52
    assert generator.local_generator.num_classified == 51
    sound = build_networks(configured(dataset="ade20k"), classes)[1]
    assert sound.num_classes == sound.local_generator.num_classified == 150


def test_void_of_cityscapes_as_a_class():
    classes = builtin_classes("cityscapes")
    _, generator, _ = build_networks(configured(dataset="cityscapes", void_is_class=True), classes)
    assert generator.num_classes == generator.local_generator.num_classified == 35
    assert build_prepare(configured(dataset="cityscapes"), classes).local_table[34] == 34
    assert build_networks(configured(dataset="cityscapes"), classes)[1].num_classes == 34


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"local_classes": 35}, "--local_classes=35 is more than the 34 classes"),
        ({"local_classes": 1}, "--local_classes=1 leaves no class to classify"),
        (
            {"l1_local_slip": True, "local_classes": 20},
            "--l1_local_slip concerns class image 27, but there are only 20",
        ),
    ],
)
def test_what_the_class_table_does_not_allow(settings, words):
    with pytest.raises(UserError, match=words):
        build_networks(configured(dataset="cityscapes", **settings), builtin_classes("cityscapes"))


def test_the_slip_is_the_objectives():
    classes = builtin_classes("cityscapes")
    slip = build_objective(configured(dataset="cityscapes", l1_local_slip=True), classes)
    assert slip.target_masks == (*range(27), 26, *range(28, 34))
    assert build_objective(configured(dataset="cityscapes"), classes).target_masks is None


def test_the_rest_is_adams_epsilon_and_separate_passes():
    classes = builtin_classes("town")
    for exact in (False, True):
        settings = {"paper_exact": exact, "global_generator": "resnet", "discriminator_filters": 4}
        model = build_lggan(configured(**settings, image_height=32, image_width=32), classes, 1)
        assert model.joint_passes != exact
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
            assert optimizer.corrected_epsilon == exact


def test_the_early_decay_is_the_optimizers():
    for early, kind in ((True, EarlyDecay), (False, LinearDecay)):
        optimizer = build_optimizer(configured(early_decay=early), 1e-4, 10)
        assert isinstance(optimizer._learning_rate, kind)


def test_bicubic_labels_need_grey_values_and_a_table_for_them(tmp_path):
    from PIL import Image

    (tmp_path / "train").mkdir()
    Image.new("RGB", (6 * 32, 32), (10, 10, 10)).save(tmp_path / "train" / "a.png")
    for bicubic in (True, False):
        config = configured(dataset="panels", data_dir=str(tmp_path), bicubic_labels=bicubic)
        source = build_source(config, "train")
        assert ("grey" in source.load(0)) == bicubic
        transform = build_transform(config, source.classes, training=True)
        assert (transform.grey_table is not None) == bicubic
