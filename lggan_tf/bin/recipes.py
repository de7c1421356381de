"""`--recipe=NAME`: the settings of a named recipe, below everything else on the command line.

A recipe is `NAME.flags`, an absl flagfile that holds only what differs from the defaults. In the
checkout (and so in an editable install) the recipes are the top-level folder `flags`; a wheel
carries them inside the package as `lggan_tf/recipes`, where `setup.py` copies them. The package's
own folder is looked at first, because next to an installed package a folder called `flags` belongs
to somebody else.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

import lggan_tf
from lggan_tf.errors import UserError

SUFFIX = ".flags"


def folder() -> Path:
    """Where the recipes of this installation or checkout are."""
    package = Path(lggan_tf.__file__).resolve().parent
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "flags"


def available_recipes() -> dict[str, Path]:
    """Every recipe's name and file, in alphabetical order."""
    return {path.stem: path for path in sorted(folder().glob(f"*{SUFFIX}"))}


def define(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines `--recipe`."""
    flags.DEFINE_string(
        "recipe",
        "",
        "Named settings to start from; flags given beside it win. One of: "
        + ", ".join(available_recipes()),
        flag_values=flag_values,
        module_name="recipe",
    )


def expand(arguments: Sequence[str], flag_values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """Puts the recipe's settings in front of the other arguments, which so win wherever they stand.

    Flagfiles are opened on the way, so that `--recipe` may stand in one. `--recipe` itself stays,
    as the record of what was asked for.

    Args:
        arguments: the command line without the program's name.
        flag_values: the flags defined so far.

    Returns:
        The recipe's settings followed by the given arguments, without flagfiles.

    Raises:
        UserError: no such recipe, or more than one.
    """
    arguments = flag_values.read_flags_from_files(list(arguments), force_gnu=False)
    names = _names(arguments)
    if not names:
        return arguments
    if len(names) > 1:
        raise UserError(
            f"--recipe is given {len(names)} times ({', '.join(names)}): choose one recipe"
        )
    known = available_recipes()
    if names[0] not in known:
        raise UserError(f"there is no recipe called {names[0]!r}; there are {', '.join(known)}")
    return _settings(names[0], flag_values) + arguments


def is_typed(name: str, flag_values: flags.FlagValues = flags.FLAGS) -> bool:
    """Whether a parsed flag stands beside the recipe, on the command line or in a flagfile."""
    recipe = flag_values["recipe"].value if "recipe" in flag_values else ""
    held = _settings(recipe, flag_values) if recipe else []
    names = [argument.lstrip("-").partition("=")[0] for argument in held]
    return flag_values[name].present > names.count(name) + names.count(f"no{name}")


def _settings(recipe: str, flag_values: flags.FlagValues) -> list[str]:
    """The recipe's settings as arguments."""
    return flag_values.read_flags_from_files([f"--flagfile={available_recipes()[recipe]}"])


def _names(arguments: Sequence[str]) -> list[str]:
    """The values of every `--recipe=NAME` and `--recipe NAME`, one dash or two, before a `--`."""
    found = []
    position = 0
    while position < len(arguments) and arguments[position] != "--":
        name, equals, value = arguments[position].partition("=")
        if name in ("--recipe", "-recipe"):
            if not equals:
                position += 1
                value = arguments[position] if position < len(arguments) else ""
            found.append(value)
        position += 1
    return found
