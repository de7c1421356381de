"""From a `Config` to a compiled `LGGAN`."""

import contextlib
from collections.abc import Iterator

import keras

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.runs.build import (
    build_average,
    build_features,
    build_networks,
    build_objective,
    build_optimizer,
)
from lggan_tf.runs.teacher import load_teacher
from lggan_tf.training.image_pool import ImagePool
from lggan_tf.training.lggan import LGGAN


def build_lggan(
    config: Config,
    classes: ClassTable,
    steps_per_epoch: int,
    class_weights: tuple[float, ...] | None = None,
) -> LGGAN:
    """A compiled and built model; call it in the strategy's scope.

    `class_weights` are those of `--class_balance`, if any.

    Raises:
        UserError: the perceptual loss has no weights to load; the teacher does not fit.
    """
    features = build_features(config)
    teacher = load_teacher(config, classes) if config.loss.teacher else None
    keras.utils.set_random_seed(config.train.seed)
    with _precision(config.train.precision):
        prepare, generator, discriminators = build_networks(config, classes)
        model = LGGAN(
            prepare,
            generator,
            discriminators,
            config.train.update_order,
            joint_passes=not config.train.paper_exact,
            average=build_average(config),
            pool=_build_pool(config),
            discriminator_steps=config.train.discriminator_steps,
        )
    train = config.train
    # D's rate follows G's: its optimizer counts every update of its own.
    of_d = steps_per_epoch * train.discriminator_steps
    model.compile(
        build_optimizer(config, train.generator_learning_rate, steps_per_epoch),
        build_optimizer(config, train.discriminator_learning_rate, of_d),
        build_objective(config, classes, class_weights),
        features,
        teacher=teacher,
        accumulate_steps=train.accumulate_steps,
        clip_norm=train.clip_norm,
        jit_compile=train.jit_compile,
    )
    return model


def _build_pool(config: Config) -> ImagePool | None:
    train, data = config.train, config.data
    if not train.pool_size:
        return None
    return ImagePool(train.pool_size, data.image_height, data.image_width, train.seed)


@contextlib.contextmanager
def _precision(name: str) -> Iterator[None]:
    """Layers made inside compute in this precision; the rest of the process keeps its own."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
