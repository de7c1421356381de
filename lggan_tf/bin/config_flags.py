"""Flags from the settings of `lggan_tf.settings`, and a `Config` from the flags.

A setting is declared once, as a dataclass field; its flag takes the field's name, type, default,
help and legal values. The flags are grouped by section (data, model, loss, train), which is how
`--help` shows them.
"""

from collections.abc import Container
from typing import Any

from absl import flags

from lggan_tf import config
from lggan_tf.bin import recipes

_DEFINERS = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each setting.

    Args:
        flag_values: where to define them.

    Raises:
        flags.DuplicateFlagError: a flag of that name is defined already.
        KeyError: a setting has a type that no flag can hold.
    """
    for name, (section, field) in config.all_fields().items():
        common = {
            "name": name,
            "default": field.default,
            "help": field.metadata["help"],
            "flag_values": flag_values,
            "module_name": section,
        }
        if choices := field.metadata["choices"]:
            flags.DEFINE_enum(enum_values=list(choices), **common)
        else:
            _DEFINERS[field.type](**common)


def given(flag_values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
    """The settings on the command line, by name, those of its recipe and flagfiles included."""
    return {
        name: flag_values[name].value
        for name in config.all_fields()
        if not flag_values[name].using_default_value
    }


def typed(flag_values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """Names of the settings on the command line and in its flagfiles, not in its recipe."""
    return [name for name in given(flag_values) if recipes.is_typed(name, flag_values)]


def read(
    flag_values: flags.FlagValues = flags.FLAGS,
    base: config.Config | None = None,
    kept: Container[str] = (),
) -> config.Config:
    """The `Config` that the parsed flags describe, checked.

    Args:
        flag_values: parsed flags, after `define`.
        base: where settings that are not on the command line come from; None: their defaults.
        kept: of these settings `base` holds what a recipe alone says otherwise.

    Raises:
        UserError: the settings do not fit together (`Config.check`).
    """
    base = base or config.Config()
    own = typed(flag_values)
    values = {
        name: value for name, value in given(flag_values).items() if name not in kept or name in own
    }
    return config.Config.from_flat(base.to_flat() | values).check()
