"""Whether what a command writes would fall on what it reads."""

from collections.abc import Mapping
from pathlib import Path

from lggan_tf.errors import UserError


def check_output_apart(flag: str, output: str | Path, inputs: Mapping[str, str | Path]) -> None:
    """Makes sure that a folder to write to is neither one to read from nor inside of it.

    Inside of it a file that was written would be read the next time. Links are followed.

    Args:
        flag: the output's, without dashes.
        output: the folder, which need not exist.
        inputs: flag without dashes, or words -> folder; an empty one is left out.

    Raises:
        UserError: it is.
    """
    target = Path(output).resolve()
    for name, folder in inputs.items():
        if not str(folder):
            continue
        origin = Path(folder).resolve()
        if target == origin or origin in target.parents:
            where = "the same folder as" if target == origin else "inside of"
            raise UserError(
                f"--{flag}={output} is {where} {name}={folder}, whose files are read and would be "
                f"overwritten or mixed with new ones; choose another --{flag}"
            )
