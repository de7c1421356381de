import json

import pytest
from absl import flags

from lggan_tf import config
from lggan_tf.bin import config_flags
from lggan_tf.errors import UserError


def parsed(*arguments):
    values = flags.FlagValues()
    config_flags.define(values)
    values(["lggan-test", *arguments])
    return values


def test_without_flags_the_config_is_the_default():
    assert config_flags.read(parsed("--lambda_perceptual=0")).to_flat() == (
        config.Config().to_flat() | {"lambda_perceptual": 0.0}
    )


def test_each_kind_of_flag_arrives_with_its_type():
    read = config_flags.read(
        parsed(
            "--dataset=panels",
            "--data_dir=some where",
            "--noflip",
            "--edges",
            "--filters=32",
            "--lambda_tv=1e-6",
            "--lambda_perceptual",
            "0",
        )
    )
    assert (read.data.dataset, read.data.data_dir) == ("panels", "some where")
    assert (read.data.flip, read.data.edges) == (False, True)
    assert read.model.filters == 32 and isinstance(read.model.filters, int)
    assert read.loss.lambda_tv == 1e-6
    assert isinstance(read.loss.lambda_perceptual, float)


def test_every_setting_has_a_flag_in_the_group_of_its_section_with_help_and_choices():
    values = parsed()
    group_of = {
        flag.name: group
        for group, members in values.flags_by_module_dict().items()
        for flag in members
    }
    settings = config.all_fields()
    assert group_of == {name: section for name, (section, _) in settings.items()}
    for name, (_, field) in settings.items():
        assert values[name].default == field.default
        assert field.metadata["help"] in values[name].help
        if field.metadata["choices"]:
            assert tuple(values[name].parser.enum_values) == field.metadata["choices"]


def test_settings_that_do_not_fit_together_are_refused():
    with pytest.raises(UserError, match="--image_height=100"):
        config_flags.read(parsed("--image_height=100", "--lambda_perceptual=0"))


def test_a_flag_of_the_binary_cannot_hide_a_setting():
    values = flags.FlagValues()
    flags.DEFINE_string("dataset", "", "Mine.", flag_values=values)
    with pytest.raises(flags.DuplicateFlagError):
        config_flags.define(values)


def test_the_config_of_flags_survives_json():
    read = config_flags.read(parsed("--lambda_perceptual=0", "--filters=8"))
    assert json.loads(read.to_json())["model"]["filters"] == 8
    assert config.Config.from_json(read.to_json(), "config.json") == read
