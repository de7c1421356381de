"""The whole of G and its losses can learn four photographs by heart."""

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.runs.build import build_source, build_transform
from lggan_tf.training.build import build_lggan

ENOUGH = 0.06  # mean absolute difference in [-1, 1]: 8 of 255 grey levels


@pytest.mark.slow
def test_four_photos_are_learnt_by_heart(shared_dir):
    settings = {
        "dataset": "folder",
        "data_dir": str(shared_dir / "data" / "camvid"),
        "image_height": 96,
        "image_width": 128,
        "flip": False,
        "filters": 16,
        "residual_blocks": 3,
        "global_generator": "resnet",
        "merge": "sum",
        "initializer": "normal",
        "discriminator_views": "",
        "lambda_gan": 0.0,
        "lambda_feature_matching": 0.0,
        "lambda_l1": 1.0,
        "lambda_class": 0.0,
        "lambda_perceptual": 0.0,
        "generator_learning_rate": 2e-3,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "global_batch_size": 4,
        # A step an epoch: at most 400 steps.
        "epochs": 150,
        "decay_epochs": 250,
    }
    config = Config.from_flat(settings).check()
    source = build_source(config, "train")
    transform = build_transform(config, source.classes, training=False)
    samples = [transform.apply(source.load(i * len(source) // 4)) for i in range(4)]
    batch = {key: tf.constant(np.stack([s[key] for s in samples])) for key in samples[0]}
    photos = tf.cast(batch["image"], "float32") / 127.5 - 1.0
    model = build_lggan(config, source.classes, steps_per_epoch=1)
    step = tf.function(model.step)
    draw = tf.function(lambda given: model(given, training=False)["image"])

    for number in range(400):
        step(batch)
        if number % 20 == 19:
            difference = float(tf.reduce_mean(tf.abs(draw(batch) - photos)))
            if difference < ENOUGH:
                break
    assert difference < ENOUGH
