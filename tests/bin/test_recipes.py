from pathlib import Path

import pytest
from absl import flags

import lggan_tf
from lggan_tf import config
from lggan_tf.bin import config_flags, recipes, runner, train
from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder

ALL = [
    "ade20k",
    "camvid",
    "camvid_small",
    "cityscapes",
    "cvusa",
    "dayton_a2g_256",
    "dayton_a2g_64",
    "dayton_g2a_256",
    "dayton_g2a_64",
    "sva",
    "town_cross_view",
    "town_phone",
    "town_semantic",
]
CROSS_VIEW = {
    "dataset": "panels",
    "direction": "a2g",
    "semantic_input": "colours",
    "flip": False,
    "image_height": 256,
    "image_width": 256,
    "load_height": 286,
    "load_width": 286,
    "filters": 64,
    "residual_blocks": 9,
    "residual_blocks_in": "encoder",
    "global_generator": "resnet",
    "merge": "sum",
    "discriminator": "patch",
    "discriminator_views": "semantic,source",
    "discriminator_filters": 64,
    "discriminator_layers": 4,
    "initializer": "normal",
    "gan_loss": "cross_entropy",
    "lambda_gan": 1.0,
    "lambda_discriminator": 0.5,
    "lambda_feature_matching": 0.0,
    "lambda_l1": 100.0,
    "lambda_l1_local": 100.0,
    "lambda_class": 0.0,
    "lambda_perceptual": 10.0,
    "lambda_tv": 1e-6,
    "perceptual_network": "vgg19",
    "generator_learning_rate": 2e-4,
    "discriminator_learning_rate": 2e-4,
    "beta_1": 0.5,
    "beta_2": 0.999,
    "update_order": "discriminator_first",
}
SEMANTIC = {
    "flip": True,
    "image_height": 256,
    "filters": 64,
    "residual_blocks": 9,
    "residual_blocks_in": "local",
    "global_generator": "spade",
    "spade_hidden": 128,
    "merge": "conv",
    "discriminator": "multiscale",
    "discriminator_views": "semantic",
    "discriminator_layers": 4,
    "discriminator_scales": 2,
    "initializer": "xavier",
    "gan_loss": "hinge",
    "lambda_discriminator": 1.0,
    "lambda_feature_matching": 10.0,
    "lambda_l1": 0.0,
    "lambda_l1_local": 1.0,
    "lambda_class": 1.0,
    "lambda_perceptual": 10.0,
    "lambda_tv": 0.0,
    "perceptual_network": "vgg19",
    "epochs": 100,
    "decay_epochs": 100,
    "generator_learning_rate": 1e-4,
    "discriminator_learning_rate": 4e-4,
    "beta_1": 0.0,
    "beta_2": 0.9,
    "update_order": "generator_first",
}
SMALL = {"image_height": 64, "image_width": 64, "load_height": 72, "load_width": 72}
G2A = {"direction": "g2a"}


def schedule(batch, epochs, decay):
    return {"global_batch_size": batch, "epochs": epochs, "decay_epochs": decay}


PAPER = {
    "dayton_a2g_256": CROSS_VIEW | schedule(4, 20, 15),
    "dayton_g2a_256": CROSS_VIEW | G2A | schedule(4, 20, 15),
    "dayton_a2g_64": CROSS_VIEW | SMALL | schedule(16, 50, 50),
    "dayton_g2a_64": CROSS_VIEW | SMALL | G2A | schedule(16, 50, 50),
    "cvusa": CROSS_VIEW | schedule(4, 15, 15),
    "sva": CROSS_VIEW | schedule(4, 10, 10),
    "cityscapes": SEMANTIC
    | {
        "dataset": "cityscapes",
        "image_width": 512,
        "load_height": 0,
        "edges": True,
        "latent_stride": 64,
        "global_batch_size": 8,
    },
    "ade20k": SEMANTIC
    | {
        "dataset": "ade20k",
        "image_width": 256,
        "load_height": 286,
        "load_width": 286,
        "edges": False,
        "latent_stride": 32,
        "global_batch_size": 24,
    },
}


def parsed(*arguments):
    values = flags.FlagValues()
    recipes.define(values)
    config_flags.define(values)
    values(["lggan-test", *recipes.expand(arguments, values)])
    return values


def settings_in(file):
    """The file's own settings, by a plain reading that does not go through absl."""
    found = {}
    for line in file.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, equals, value = line.removeprefix("--").partition("=")
            if not equals:
                name, value = (
                    (name.removeprefix("no"), False) if name.startswith("no") else (name, True)
                )
            field = config.all_fields()[name][1]
            assert name not in found, f"{name} twice"
            found[name] = field.type(value)
    return found


def test_the_recipes_are_these():
    assert sorted(recipes.available_recipes()) == ALL


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_gives_a_config_that_passes_its_checks(name):
    given = ["--data_dir=here"] if not name.startswith("town") else []
    if name in PAPER:
        given.append("--perceptual_weights=vgg19")
    if name == "town_phone":
        given.append("--teacher=somewhere")
    read = config_flags.read(parsed(f"--recipe={name}", *given))
    assert read.to_flat().items() >= settings_in(recipes.available_recipes()[name]).items()


@pytest.mark.parametrize("name", ALL)
def test_a_recipe_holds_only_what_differs_from_the_defaults_and_opens_with_its_card(name):
    file = recipes.available_recipes()[name]
    defaults = {setting: field.default for setting, (_, field) in config.all_fields().items()}
    assert {k: v for k, v in settings_in(file).items() if v == defaults[k]} == {}
    comments = [line for line in file.read_text().splitlines() if line.startswith("#")]
    assert any(f"--recipe={name} " in line and "# Command:" in line for line in comments)
    for word in ("# Hardware:", "# Time:", "# Score:"):
        assert sum(line.startswith(word) for line in comments) == 1


@pytest.mark.parametrize("name", sorted(PAPER))
def test_a_paper_recipe_has_the_settings_of_the_authors_scripts(name):
    read = config_flags.read(
        parsed(f"--recipe={name}", "--data_dir=d", "--perceptual_weights=w")
    ).to_flat()
    assert {key: read[key] for key in PAPER[name]} == PAPER[name]


@pytest.mark.parametrize(
    "form", [["--recipe=town_semantic"], ["--recipe", "town_semantic"], ["-recipe=town_semantic"]]
)
def test_flags_beside_a_recipe_win_wherever_they_stand(form):
    recipe_filters = parsed("--recipe=town_semantic").filters
    assert recipe_filters != 8
    assert parsed("--filters=8", *form).filters == 8
    assert parsed(*form, "--filters=8").filters == 8
    assert parsed("--filters=8", *form).spade_hidden == parsed(*form).spade_hidden == 32


def test_what_is_typed_beside_a_recipe_is_told_from_what_it_holds(tmp_path):
    file = tmp_path / "mine.cfg"
    file.write_text("--recipe=town_semantic\n--decay_epochs=4\n")
    values = parsed(f"--flagfile={file}", "--keep=3")
    typed = {name for name in config.all_fields() if recipes.is_typed(name, values)}
    assert typed == {"decay_epochs", "keep"} and not values["epochs"].using_default_value
    # The value that the recipe has as well, and a switch.
    assert recipes.is_typed("epochs", parsed("--recipe=town_semantic", "--epochs=4"))
    assert not recipes.is_typed("flip", parsed("--recipe=cvusa"))
    assert recipes.is_typed("flip", parsed("--recipe=cvusa", "--noflip"))


@pytest.mark.parametrize(
    ("typed", "is_import", "expected"),
    [
        ([], False, (400, 4)),
        (["--epochs=4"], False, (4, 4)),
        (["--decay_epochs=0"], False, (400, 0)),
        ([], True, (4, 4)),  # what it will be trained for is not settled yet
    ],
)
def test_a_recipe_does_not_change_how_long_a_run_goes_on(
    tmp_path, capsys, typed, is_import, expected
):
    folder = RunFolder(tmp_path / "a")
    before = config_flags.read(parsed("--recipe=town_semantic", "--epochs=400"))
    folder.create(before, ClassTable(("a",), ((0, 0, 0),), ()))
    folder.checkpoints.mkdir()
    (folder.checkpoints / f"ckpt-{0 if is_import else 7}.index").touch()
    command = ["lggan-train", "--recipe=town_semantic", f"--run_dir={folder.path}", "--dry_run"]
    with pytest.raises(SystemExit):
        runner.run(train.main, train.define, [*command, *typed])
    found = config.Config.from_json(capsys.readouterr().out, "stdout")
    assert (found.train.epochs, found.train.decay_epochs) == expected


def test_a_flagfile_wins_over_the_recipe_and_may_name_it(tmp_path):
    file = tmp_path / "mine.cfg"
    file.write_text("# mine\n--filters=8\n--recipe=town_semantic\n--seed=3\n")
    values = parsed("--seed=4", f"--flagfile={file}")
    assert (values.recipe, values.filters, values.spade_hidden) == ("town_semantic", 8, 32)
    assert (
        values.seed == 3
    )  # absl: of a flag given twice the last holds, and the flagfile stands last
    assert parsed(f"--flagfile={file}", "--seed=4").seed == 4


def test_an_unknown_recipe_is_answered_with_those_that_exist():
    with pytest.raises(UserError) as caught:
        parsed("--recipe=townsemantic")
    assert (
        str(caught.value) == f"there is no recipe called 'townsemantic'; there are {', '.join(ALL)}"
    )


def test_two_recipes_are_refused():
    with pytest.raises(UserError, match="given 2 times"):
        parsed("--recipe=cvusa", "--recipe=sva")


def test_after_a_bare_double_dash_there_are_no_recipes():
    values = flags.FlagValues()
    recipes.define(values)
    assert recipes.expand(["--", "--recipe=none"], values) == ["--", "--recipe=none"]


def test_a_wheels_own_recipes_come_before_a_neighbouring_folder(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "lggan_tf"
    package.mkdir(parents=True)
    monkeypatch.setattr(lggan_tf, "__file__", str(package / "__init__.py"))
    beside = package.parent / "flags"
    beside.mkdir()
    (beside / "checkout.flags").touch()
    assert recipes.available_recipes() == {"checkout": beside.resolve() / "checkout.flags"}
    (package / "recipes").mkdir()
    (package / "recipes" / "wheel.flags").touch()
    (package / "recipes" / "readme.txt").touch()
    assert list(recipes.available_recipes()) == ["wheel"]
    assert isinstance(recipes.available_recipes()["wheel"], Path)
