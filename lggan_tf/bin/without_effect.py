"""Settings that do nothing beside others: whoever types one means something else.

`RULES` says of a setting when it matters and why it does not otherwise; `ALWAYS` names the rest.
Recipes and a run's config.json may hold such settings, so what counts is the command line.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from lggan_tf.config import Config
from lggan_tf.errors import UserError


class Rule(NamedTuple):
    """When a setting matters.

    Attributes:
        matters: whether it does beside these settings.
        why_not: the others, in the words of the flags.
        instead: what to do; leave the flag out, if empty.
    """

    matters: Callable[[Config], bool]
    why_not: str
    instead: str = ""


def _is_town(config: Config) -> bool:
    return config.data.dataset.startswith("town_")


def _draws_globally(config: Config) -> bool:
    return config.model.branches != "local"


def _draws_locally(config: Config) -> bool:
    return config.model.branches != "global"


def _has_spade(config: Config) -> bool:
    return _draws_globally(config) and config.model.global_generator == "spade"


_LOCAL = Rule(_draws_locally, "--branches=global, which has no sub-generators")
_SPADE = Rule(_has_spade, "a generator without SPADE (--global_generator, --branches)")
_JUDGED = Rule(lambda config: bool(config.views), "no discriminator (--discriminator_views)")
_ONE_HOT = Rule(lambda config: config.data.semantic_input == "one_hot", "--semantic_input=colours")
RULES = {
    "data_dir": Rule(
        lambda config: not _is_town(config),
        "the embedded town, which is drawn and not read",
        "add --dataset=folder (or cityscapes, ade20k, panels) to train on that folder",
    ),
    "classes_file": Rule(
        lambda config: not _is_town(config) and config.data.dataset != "panels",
        "a data set whose ids are fixed",
    ),
    "edges": _ONE_HOT,
    "void_channel": _ONE_HOT,
    "void_is_class": _LOCAL,
    "local_classes": _LOCAL,
    "direction": Rule(lambda config: config.is_cross_view, "a data set of one view"),
    "town_places": Rule(_is_town, "a data set that is not the embedded town"),
    "cache": Rule(lambda config: not _is_town(config), "the embedded town, which is always kept"),
    "residual_blocks": Rule(
        lambda config: _draws_locally(config) or config.model.residual_blocks_in == "encoder",
        "--branches=global with --residual_blocks_in=local",
    ),
    "global_generator": Rule(_draws_globally, "--branches=local"),
    "spade_hidden": _SPADE,
    "latent_stride": _SPADE,
    "local_rank": _LOCAL,
    "merge": _LOCAL,
    "fusion": Rule(lambda config: config.model.branches == "both", "a single branch (--branches)"),
    "discriminator": _JUDGED,
    "discriminator_filters": _JUDGED,
    "discriminator_layers": _JUDGED,
    "discriminator_scales": Rule(
        lambda config: bool(config.views) and config.model.discriminator == "multiscale",
        "a discriminator of one scale (--discriminator, --discriminator_views)",
    ),
    "gan_loss": _JUDGED,
    "lambda_discriminator": _JUDGED,
    "l1_local_slip": Rule(lambda config: config.loss.lambda_l1_local > 0, "--lambda_l1_local=0"),
    "perceptual_network": Rule(
        lambda config: config.loss.lambda_perceptual > 0, "--lambda_perceptual=0"
    ),
    "perceptual_weights": Rule(
        lambda config: (
            config.loss.lambda_perceptual > 0
            and config.loss.perceptual_network != "efficientnet_lite0"
        ),
        "--lambda_perceptual=0 or a network with weights of its own (--perceptual_network)",
    ),
    "decay_per": Rule(
        lambda config: config.train.decay_epochs > 0 and not config.train.early_decay,
        "--decay_epochs=0 or --early_decay",
    ),
    "early_decay": Rule(lambda config: config.train.decay_epochs > 0, "--decay_epochs=0"),
    "discriminator_learning_rate": _JUDGED,
    "update_order": _JUDGED,
    "discriminator_steps": _JUDGED,
    "pool_size": _JUDGED,
}
# Also those that `Config.check` refuses where they have no effect.
ALWAYS = frozenset(
    (
        "dataset",
        "image_height",
        "image_width",
        "load_height",
        "load_width",
        "flip",
        "semantic_input",
        "bicubic_labels",
        "wrap_pixels",
        "filters",
        "residual_blocks_in",
        "branches",
        "implementation",
        "discriminator_views",
        "initializer",
        "lambda_gan",
        "lambda_feature_matching",
        "lambda_l1",
        "lambda_l1_local",
        "lambda_class",
        "lambda_perceptual",
        "lambda_tv",
        "lambda_distillation",
        "teacher",
        "global_batch_size",
        "epochs",
        "decay_epochs",
        "generator_learning_rate",
        "beta_1",
        "beta_2",
        "ema_decay",
        "warm_start",
        "best_metric",
        "deterministic",
        "precision",
        "clip_norm",
        "accumulate_steps",
        "jit_compile",
        "steps_per_execution",
        "strategy",
        "paper_exact",
        "seed",
        "max_train_minutes",
        "log_every",
        "sample_every",
        "checkpoint_every",
        "keep",
        "class_balance",
        "profile_steps",
    )
)


def refuse_without_effect(config: Config, typed: Iterable[str]) -> None:
    """Refuses settings on the command line that do nothing beside the others.

    Args:
        config: all settings, checked.
        typed: names of those on the command line.

    Raises:
        UserError: one does nothing. An empty one, 0 and `--noNAME` say so themselves and pass.
    """
    values = config.to_flat()
    for name in typed:
        rule = RULES.get(name)
        if rule and values[name] and not rule.matters(config):
            raise UserError(
                f"--{name}={values[name]} has no effect with {rule.why_not}: "
                f"{rule.instead or 'leave it out'}"
            )
