"""What is typed and would do nothing is refused; what only a recipe or a run holds is not."""

import pytest

from lggan_tf import config
from lggan_tf.bin import runner, train
from lggan_tf.bin.without_effect import ALWAYS, RULES, refuse_without_effect
from lggan_tf.config import Config
from lggan_tf.errors import UserError

BASE = {"lambda_perceptual": 0.0}
ONE_BRANCH = {"lambda_class": 0.0, "lambda_l1_local": 0.0}
GLOBAL = ONE_BRANCH | {"branches": "global"}
LOCAL = {"branches": "local"}
UNJUDGED = {"discriminator_views": "", "lambda_gan": 0.0, "lambda_feature_matching": 0.0}
FOLDER = {"dataset": "folder", "data_dir": "D"}
PANELS = {"dataset": "panels", "data_dir": "D"}
# Setting, beside what it does nothing, and beside what it does something.
CASES = [
    ("data_dir", {"data_dir": "D"}, FOLDER),
    ("classes_file", PANELS | {"classes_file": "C"}, FOLDER | {"classes_file": "C"}),
    ("edges", PANELS | {"edges": True, "semantic_input": "colours"}, FOLDER | {"edges": True}),
    ("void_channel", PANELS | {"semantic_input": "colours"}, FOLDER),
    ("void_is_class", GLOBAL | {"void_is_class": True}, {"void_is_class": True}),
    ("local_classes", GLOBAL | {"local_classes": 3}, {"local_classes": 3}),
    ("direction", FOLDER, PANELS),
    ("town_places", FOLDER, {}),
    ("cache", {"cache": True}, FOLDER | {"cache": True}),
    ("residual_blocks", GLOBAL, GLOBAL | {"residual_blocks_in": "encoder"}),
    ("global_generator", LOCAL, {}),
    ("spade_hidden", {"global_generator": "resnet"}, {}),
    ("latent_stride", LOCAL, {}),
    ("local_rank", GLOBAL | {"local_rank": 2}, {"local_rank": 2}),
    ("merge", GLOBAL, LOCAL),
    ("fusion", GLOBAL, {}),
    ("discriminator", UNJUDGED, {}),
    ("discriminator_filters", UNJUDGED, {}),
    ("discriminator_layers", UNJUDGED, {}),
    ("discriminator_scales", {"discriminator": "patch"}, {}),
    ("gan_loss", UNJUDGED, {}),
    ("lambda_discriminator", UNJUDGED, {}),
    ("l1_local_slip", {"l1_local_slip": True, "lambda_l1_local": 0.0}, {"l1_local_slip": True}),
    ("perceptual_network", {}, {"lambda_perceptual": 1.0, "perceptual_weights": "W"}),
    (
        "perceptual_weights",
        {"perceptual_weights": "W"}
        | {"lambda_perceptual": 1.0, "perceptual_network": "efficientnet_lite0"},
        {"lambda_perceptual": 1.0, "perceptual_weights": "W"},
    ),
    ("decay_per", {"decay_epochs": 0}, {}),
    ("early_decay", {"early_decay": True, "decay_epochs": 0}, {"early_decay": True}),
    ("discriminator_learning_rate", UNJUDGED, {}),
    ("update_order", UNJUDGED, {}),
    ("discriminator_steps", UNJUDGED, {}),
    ("pool_size", UNJUDGED | {"pool_size": 9}, {"pool_size": 9}),
]


def test_every_setting_was_thought_of():
    assert set(RULES) | ALWAYS == set(config.all_fields())
    assert not set(RULES) & ALWAYS
    assert [name for name, *_ in CASES] == list(RULES)


@pytest.mark.parametrize(("name", "idle", "used"), CASES, ids=[name for name, *_ in CASES])
def test_a_setting_is_refused_where_it_does_nothing(name, idle, used):
    refuse_without_effect(Config.from_flat(BASE | used).check(), [name])
    without = Config.from_flat(BASE | idle).check()
    with pytest.raises(UserError, match=f"^--{name}=.* has no effect with .*: "):
        refuse_without_effect(without, [name])
    refuse_without_effect(without, [])  # nobody typed it


def run(*arguments):
    runner.run(train.main, train.define, ["lggan-train", *arguments])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data_dir=MINE"], "--data_dir=MINE has no effect with the embedded town, which is "
         "drawn and not read: add --dataset=folder"),
        (["--recipe=town_semantic", "--data_dir=/nowhere"], "add --dataset=folder"),
        (["--recipe=town_cross_view", "--spade_hidden=8"], "--spade_hidden=8 has no effect with a "
         "generator without SPADE (--global_generator, --branches): leave it out"),
    ],
)  # fmt: skip
def test_lggan_train_says_so(capsys, tmp_path, arguments, words):
    with pytest.raises(SystemExit) as ended:
        run("--lambda_perceptual=0", f"--run_dir={tmp_path / 'run'}", *arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        # The recipe gives residual blocks and more to a model that is then made smaller.
        ["--recipe=town_semantic", "--branches=local", "--data_dir=", "--nocache"],
        ["--recipe=town_cross_view", "--direction=g2a"],
    ],
)
def test_what_a_recipe_holds_is_no_mistake(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        run("--dry_run", *arguments)
    assert ended.value.code == 0, capsys.readouterr().err
