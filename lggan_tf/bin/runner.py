"""The shared entry of all binaries: flags in, exit code out.

| what happens | on stderr | exit code |
|---|---|---|
| main returns, `--help` | | what main returns, or 0 |
| wrong flag, `UserError`, a file that cannot be written or read | one sentence | 2 |
| Ctrl-C | one sentence | 130 |
| a training run that Ctrl-C or SIGTERM stopped, saved | one sentence | 130 or 143 |
| any other exception: a fault of the program | traceback | 1 |

A binary is then::

    def define(flag_values): ...  # absl's DEFINE_*, all with flag_values=flag_values
    def main(flag_values): ...    # imports TensorFlow itself, after quiet.load_tensorflow()
    def console() -> None:
        runner.run(main, define)

Each run has flags of its own in place of absl's global ones, so that flags of imported libraries
do not mix in.
"""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import NoReturn

from absl import flags

from lggan_tf.bin import recipes
from lggan_tf.errors import Stopped, UserError

_PLACE = "choose a place that you may write to"
_SPACE = "free some space or choose another disk"
_PATH = "check the path"
_ADVICE = {
    errno.EACCES: _PLACE,
    errno.EPERM: _PLACE,
    errno.EROFS: _PLACE,
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: _SPACE,
    errno.ENOTDIR: _PATH,
    errno.EISDIR: _PATH,
    errno.EEXIST: _PATH,
    errno.ENOENT: _PATH,
    errno.ENAMETOOLONG: _PATH,
}
# TensorFlow's own: "{{node}} PATH; Permission denied [Op:SaveV2]" or "PATH is not a directory".
_REASONS = {os.strerror(number): number for number in _ADVICE}
_TENSORFLOW_FILE_ERROR = re.compile(
    r"(?:\{\{.*?\}\} *)?(?P<path>[^;{}\n]+?)"
    rf"(?:; (?P<reason>{'|'.join(map(re.escape, _REASONS))})| is not a directory)"
)


def run(
    main: Callable[[flags.FlagValues], int | None],
    define: Callable[[flags.FlagValues], None],
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Parses the command line, runs `main` on the flags, and ends the process.

    Args:
        main: does the work; its result is the exit code, None meaning 0.
        define: defines the binary's flags in the `FlagValues` that it is given.
        argv: the command line; `sys.argv` by default.

    Raises:
        SystemExit: always, with the exit code, except where a fault of the program passes through.
    """
    program, *arguments = sys.argv if argv is None else argv
    program = _program_name(program)
    flag_values = flags.FlagValues()
    define(flag_values)
    binarys_own = dict(flag_values.flags_by_module_dict())
    _define_help(flag_values)
    try:
        _parse(program, arguments, flag_values)
        if flag_values["help"].value or flag_values["helpfull"].value:
            print(_help(program, main, flag_values, list(binarys_own)))
            code = 0
        else:
            code = main(flag_values) or 0
        sys.stdout.flush()
    except Stopped as stopped:
        _complain(f"{program}: stopped and saved")
        sys.exit(128 + stopped.number)
    except KeyboardInterrupt:
        _complain(f"{program}: interrupted")
        sys.exit(130)
    except Exception as error:
        sentence = _sentence(error, flag_values)
        if sentence is None:
            raise
        _complain(f"{program}: error: {sentence}")
        sys.exit(2)
    sys.exit(code)


def _program_name(program: str) -> str:
    """`lggan-train`, started as a console script or as `python -m lggan_tf.bin.train`."""
    path = PurePath(program)
    return f"lggan-{path.stem}" if path.suffix == ".py" else path.stem


def _define_help(flag_values: flags.FlagValues) -> None:
    for name, short, text in (
        ("help", "h", "Show this help."),
        ("helpfull", None, "The same as --help."),
    ):
        flags.DEFINE_boolean(
            name, False, text, flag_values=flag_values, module_name="help", short_name=short
        )


def _parse(program: str, arguments: list[str], flag_values: flags.FlagValues) -> None:
    """Parses the arguments after opening flagfiles and the recipe.

    Raises:
        UserError: absl refuses a flag, or an argument is no flag.
    """
    try:
        if "recipe" in flag_values:
            arguments = recipes.expand(arguments, flag_values)
        _, *leftover = flag_values([program, *arguments])
    except (flags.Error, ValueError) as error:
        raise UserError(str(error).removeprefix("ERROR:: ")) from error
    if leftover:
        raise UserError(
            f"unexpected argument {leftover[0]!r}: settings are given as --name=value, a switch is "
            "turned off with --noname"
        )


def _help(program: str, main: Callable, flag_values: flags.FlagValues, groups: list[str]) -> str:
    """The words of the binary (its module's docstring), then its flags by group."""
    text = (sys.modules[main.__module__].__doc__ or "").strip()
    lines = [f"usage: {program} [--flagfile=FILE] [--name=value ...]", "", text]
    for group in [*groups, "help"]:
        # A flag defined without a group is under its module's name or path: it is the binary's own.
        title = group if group.isidentifier() else program
        lines.append(flag_values.module_help(group).replace(f"{group}:", f"{title}:", 1))
    return "\n".join(lines)


def _sentence(error: Exception, flag_values: flags.FlagValues) -> str | None:
    """One sentence for an error that the user can mend; None for a fault of the program."""
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno in _ADVICE:
        # A full disk is noticed by a write, which knows no file name: name the folders in use.
        return _file_sentence(error.filename or _folders(flag_values), error.errno)
    if any(
        cls.__name__ == "OpError" and cls.__module__.startswith("tensorflow")
        for cls in type(error).__mro__
    ):
        match = _TENSORFLOW_FILE_ERROR.search(str(error))
        if match:
            return _file_sentence(
                match["path"].strip(), _REASONS.get(match["reason"], errno.ENOTDIR)
            )
    return None


def _file_sentence(place: object, number: int) -> str:
    reason = os.strerror(number)
    return f"{place or 'a file'}: {reason[0].lower()}{reason[1:]}; {_ADVICE[number]}"


def _folders(flag_values: flags.FlagValues) -> str:
    values = {name: flag_values[name].value for name in flag_values if name.endswith("_dir")}
    return " ".join(f"--{name}={value}" for name, value in values.items() if value)


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):  # the full disk may be where stdout goes
        sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
