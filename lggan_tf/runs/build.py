"""From a `Config` to the parts of a run: data, networks, objective, optimizers."""

import keras

from lggan_tf.backbones.load import load_features
from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.data.local_classes import LocalClasses, local_classes
from lggan_tf.data.panel_source import exact_groups
from lggan_tf.data.prepare import Prepare
from lggan_tf.data.sample import Source
from lggan_tf.data.sources import open_source
from lggan_tf.data.transforms import Transform
from lggan_tf.errors import UserError
from lggan_tf.losses.objective import Objective
from lggan_tf.networks.discriminator import MultiscaleDiscriminator
from lggan_tf.networks.generator import Generator
from lggan_tf.runs.adam import Adam
from lggan_tf.runs.schedule import EarlyDecay, EpochDecay, LinearDecay
from lggan_tf.runs.weight_average import WeightAverage


def build_source(config: Config, split: str, labels_alone: bool = False) -> Source:
    """The samples of "train" or "val"; of those in files, if wanted, the label maps alone."""
    data = config.data
    return open_source(
        data.dataset,
        data.data_dir,
        split,
        classes_file=data.classes_file,
        height=data.image_height,
        width=data.image_width,
        direction=data.direction,
        town_places=data.town_places,
        cache=data.cache,
        with_instances=data.edges and not labels_alone,
        photos=not labels_alone,
        with_grey=data.bicubic_labels,
    )


def build_local_classes(config: Config, classes: ClassTable) -> LocalClasses:
    """Which sub-generator owns which label id."""
    return local_classes(classes, config.data.local_classes, config.data.void_is_class)


def build_transform(config: Config, classes: ClassTable, training: bool) -> Transform:
    """Resize, crop and flip for training; the plain resize to the image size otherwise."""
    data = config.data
    return Transform(
        data.image_height,
        data.image_width,
        load_height=data.load_height if training else 0,
        load_width=data.load_width if training else 0,
        flip=data.flip and training,
        edges=data.edges,
        colours=data.semantic_input == "colours",
        palette=classes.palette,
        grey_table=exact_groups(classes) if data.bicubic_labels else None,
    )


def build_prepare(config: Config, classes: ClassTable) -> Prepare:
    """What turns a compact batch into the networks' input."""
    return Prepare(
        build_local_classes(config, classes).table,
        conditions=("source", "semantic") if config.is_cross_view else ("semantic",),
        semantic_input=config.data.semantic_input,
        edges=config.data.edges,
        dropped_labels=() if config.data.void_channel else classes.void_ids,
    )


def build_networks(config: Config, classes: ClassTable):
    """G and the discriminators by view, as the config says, with their variables.

    Returns:
        `Prepare`, `Generator` and a dict view -> `MultiscaleDiscriminator`.
    """
    model, prepare = config.model, build_prepare(config, classes)
    local = build_local_classes(config, classes)
    if not local.count and model.branches != "global":
        raise UserError(
            "the class table holds void alone, so the local generator has nothing to draw; add "
            "classes"
        )
    if config.loss.lambda_class and not local.classified:
        raise UserError(
            f"--local_classes={local.count} leaves no class to classify: set --lambda_class=0"
        )
    if config.loss.l1_local_slip and local.count < 28:
        raise UserError(
            f"--l1_local_slip concerns class image 27, but there are only {local.count}; it "
            "is for the authors' Cityscapes networks"
        )
    generator = Generator(
        local.count,
        conditions=prepare.conditions,
        filters=model.filters,
        residual_blocks=model.residual_blocks,
        residual_blocks_in=model.residual_blocks_in,
        global_generator=model.global_generator,
        spade_hidden=model.spade_hidden,
        latent_stride=model.latent_stride,
        branches=model.branches,
        merge=model.merge,
        fusion=model.fusion,
        implementation=model.implementation,
        num_classified=local.classified if config.loss.lambda_class else 0,
        initializer=model.initializer,
        local_rank=model.local_rank,
    )
    multiscale = model.discriminator == "multiscale"
    discriminators = {
        view: MultiscaleDiscriminator(
            model.discriminator_scales if multiscale else 1,
            model.discriminator_filters,
            model.discriminator_layers,
            pad=2 if multiscale else 1,
            spectral=multiscale,
            initializer=model.initializer,
        )
        for view in config.views
    }
    generator.build(prepare.shapes)
    for view, discriminator in discriminators.items():
        discriminator.build(prepare.judged_shape(view))
    return prepare, generator, discriminators


def build_average(config: Config) -> WeightAverage | None:
    """The moving average of the generator's weights, if the run has one."""
    return WeightAverage(config.train.ema_decay) if config.train.ema_decay else None


def build_objective(
    config: Config, classes: ClassTable, class_weights: tuple[float, ...] | None = None
) -> Objective:
    """The loss terms and their weights; `class_weights` are those of `--class_balance`, if any."""
    loss, target_masks = config.loss, None
    if loss.l1_local_slip:
        masks = list(range(build_local_classes(config, classes).count))
        masks[27] = 26
        target_masks = tuple(masks)
    return Objective(
        loss.gan_loss,
        loss.lambda_gan,
        loss.lambda_discriminator,
        loss.lambda_feature_matching,
        loss.lambda_l1,
        loss.lambda_l1_local,
        loss.lambda_class,
        loss.lambda_perceptual,
        loss.lambda_tv,
        loss.lambda_distillation,
        target_masks,
        class_weights,
    )


def build_features(config: Config):
    """The feature network of the perceptual loss, or None if its weight is 0."""
    loss = config.loss
    if not loss.lambda_perceptual:
        return None
    return load_features(loss.perceptual_network, loss.perceptual_weights)


def build_optimizer(
    config: Config, learning_rate: float, steps_per_epoch: int
) -> keras.optimizers.Optimizer:
    """Adam with the paper's schedule, or that of the authors' cross-view code."""
    train = config.train
    schedule = LinearDecay(
        learning_rate, train.epochs * steps_per_epoch, train.decay_epochs * steps_per_epoch
    )
    if train.early_decay or train.decay_per == "epoch":
        kind = EarlyDecay if train.early_decay else EpochDecay
        schedule = kind(learning_rate, train.epochs, train.decay_epochs, steps_per_epoch)
    return Adam(
        schedule, train.beta_1, train.beta_2, epsilon=1e-8, corrected_epsilon=train.paper_exact
    )
