"""What `Config.check` refuses, in which words, and the edge that it still allows."""

import json

import pytest

from lggan_tf.config import SECTIONS, Config, all_fields
from lggan_tf.errors import UserError

LEGAL = {"lambda_perceptual": 0.0}
REFUSED = {
    "a word that is no choice": (
        {"merge": "mix"},
        "--merge=mix is not one of sum, conv",
    ),
    "a data set without its folder": (
        {"dataset": "cityscapes"},
        "--dataset=cityscapes needs --data_dir, the folder with its files",
    ),
    "a latent stride between the legal ones": (
        {"latent_stride": 48},
        "--latent_stride=48 is not 16, 32, 64 or 128",
    ),
    "a side that SPADE cannot halve often enough": (
        {"image_width": 272},
        "--image_width=272 is not a positive multiple of 32, which --global_generator=spade "
        "--latent_stride=32 demands",
    ),
    "a side that the encoder cannot halve twice": (
        {"image_height": 254, "global_generator": "resnet"},
        "--image_height=254 is not a positive multiple of 4",
    ),
    "a TPU with shapes that depend on labels": (
        {"strategy": "tpu"},
        "--strategy=tpu needs --implementation=dense",
    ),
    "no steps in a call": ({"steps_per_execution": 0}, "--steps_per_execution=0 must be at least"),
    "no parts of a step": ({"accumulate_steps": 0}, "--accumulate_steps=0 must be at least 1"),
    "a negative norm": ({"clip_norm": -1.0}, "--clip_norm=-1 must not be negative"),
    "no side": ({"image_height": 0}, "--image_height=0 is not a positive multiple of 32"),
    "one load side": (
        {"load_width": 286},
        "--load_height and --load_width go together: give both or neither",
    ),
    "a crop larger than the picture": (
        {"load_height": 286, "load_width": 240},
        "--load_height=286 --load_width=240 is smaller than the crop of 256 x 256",
    ),
    "an unknown view": (
        {"discriminator_views": "semantic,instance"},
        "--discriminator_views=semantic,instance: no view is called 'instance'; "
        "use semantic, source and image",
    ),
    "a source view that the data has not": (
        {"discriminator_views": "semantic,source"},
        "--discriminator_views names source, but --dataset=town_semantic has no source view; "
        "use image for a discriminator that sees the image alone",
    ),
    "a source view that a folder's networks do not see": (
        {"discriminator_views": "source", "dataset": "folder", "data_dir": "d"},
        "--discriminator_views names source, but --dataset=folder has no source view; "
        "use image for a discriminator that sees the image alone",
    ),
    "an adversarial weight without a discriminator": (
        {"discriminator_views": "", "lambda_feature_matching": 0.0},
        "--discriminator_views is empty, so --lambda_gan and --lambda_feature_matching must be 0",
    ),
    "feature matching without a discriminator": (
        {"discriminator_views": " , ", "lambda_gan": 0.0},
        "--discriminator_views is empty, so --lambda_gan and --lambda_feature_matching must be 0",
    ),
    "class terms without class images": (
        {"branches": "global", "lambda_l1_local": 0.0},
        "--branches=global has no class images: set --lambda_class=0 --lambda_l1_local=0",
    ),
    "the paper's network without its weights": (
        {"lambda_perceptual": 10.0},
        "--lambda_perceptual=10 with --perceptual_network=vgg19 needs --perceptual_weights, a "
        "VGG19 weights file; set it, choose another network, or set the weight to 0",
    ),
    "bicubic labels without grey panels": (
        {"bicubic_labels": True},
        "--bicubic_labels is for the grey label panels of --dataset=panels, not for "
        "--dataset=town_semantic",
    ),
    "fewer than no sub-generators": (
        {"local_classes": -1},
        "--local_classes=-1 must not be negative",
    ),
    "an empty batch": ({"global_batch_size": 0}, "--global_batch_size=0 must be at least 1"),
    "no filters": ({"filters": 0}, "--filters=0 must be at least 1"),
    "no hidden channels": ({"spade_hidden": 0}, "--spade_hidden=0 must be at least 1"),
    "D without channels": (
        {"discriminator_filters": 0},
        "--discriminator_filters=0 must be at least 1",
    ),
    "D without layers": (
        {"discriminator_layers": 0},
        "--discriminator_layers=0 must be at least 1",
    ),
    "D without scales": (
        {"discriminator_scales": 0},
        "--discriminator_scales=0 must be at least 1",
    ),
    "a town without places": ({"town_places": 0}, "--town_places=0 must be at least 1"),
    "no log": ({"log_every": 0}, "--log_every=0 must be at least 1"),
    "no samples": ({"sample_every": 0}, "--sample_every=0 must be at least 1"),
    "no checkpoints": ({"checkpoint_every": 0}, "--checkpoint_every=0 must be at least 1"),
    "no checkpoint kept": ({"keep": 0}, "--keep=0 must be at least 1"),
    "a negative weight": ({"lambda_tv": -0.5}, "--lambda_tv=-0.5 must not be negative"),
    "a seed below 0": ({"seed": -1}, "--seed=-1 must be between 0 and 4294967295"),
    "a seed beyond 32 bits": (
        {"seed": 2**32},
        "--seed=4294967296 must be between 0 and 4294967295",
    ),
    "no epochs": (
        {"epochs": 0, "decay_epochs": 0},
        "--epochs and --decay_epochs are both 0: there is nothing to train",
    ),
}
ALLOWED = {
    "defaults": {},
    "the smallest SPADE": {"image_height": 16, "image_width": 32, "latent_stride": 16},
    "a side of four without SPADE": {"image_height": 252, "global_generator": "resnet"},
    "SPADE's stride where only the local branch draws": {"image_height": 252, "branches": "local"},
    "a crop of the whole": {"load_height": 256, "load_width": 256},
    "views with blanks": {"dataset": "town_cross_view", "discriminator_views": " semantic, source"},
    "no discriminator": {
        "discriminator_views": "",
        "lambda_gan": 0.0,
        "lambda_feature_matching": 0.0,
    },
    "the global branch alone": {"branches": "global", "lambda_class": 0.0, "lambda_l1_local": 0.0},
    "vgg19 with weights": {"lambda_perceptual": 1.0, "perceptual_weights": "w"},
    "a network that needs no file": {
        "lambda_perceptual": 1.0,
        "perceptual_network": "efficientnet_lite0",
    },
    "decay alone": {"epochs": 0},
    "no decay": {"decay_epochs": 0},
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    settings, words = REFUSED[case]
    with pytest.raises(UserError) as caught:
        Config.from_flat(LEGAL | settings).check()
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", ALLOWED)
def test_allowed(case):
    config = Config.from_flat(LEGAL | ALLOWED[case])
    assert config.check() is config


def test_views_in_their_declared_order():
    assert Config.from_flat({"discriminator_views": "source , semantic"}).views == (
        "source",
        "semantic",
    )


def test_every_setting_survives_json():
    changed = {
        name: {bool: not field.default, int: 7, float: 0.125, str: "é, ü"}[field.type]
        for name, (_, field) in all_fields().items()
    }
    config = Config.from_flat(changed)
    assert config.to_flat() == changed
    assert Config.from_json(config.to_json(), "config.json") == config
    assert list(json.loads(config.to_json())) == list(SECTIONS)


def test_an_unknown_setting_is_named():
    with pytest.raises(UserError, match="there is no setting called 'fliters'"):
        Config.from_flat({"fliters": 3})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "runs/a/config.json is not a run's config.json"),
        ("{", "runs/a/config.json is not a run's config.json"),
        ("[1]", "runs/a/config.json is not a run's config.json"),
        ('{"data": 3}', "runs/a/config.json is not a run's config.json"),
        ('{"data": {"edge": true}}', "runs/a/config.json: there is no setting called 'edge'"),
        ('{"model": {"filters": "many"}}', "runs/a/config.json"),
        ('{"model": {"filters": null}}', "runs/a/config.json"),
    ],
)
def test_a_config_file_that_is_none(text, words):
    with pytest.raises(UserError) as caught:
        Config.from_json(text, "runs/a/config.json")
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)
