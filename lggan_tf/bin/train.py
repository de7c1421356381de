"""Trains LGGAN on label maps and photos.

    lggan-train --recipe=town_semantic --run_dir=runs/town
    lggan-train --recipe=camvid --data_dir=DATA --run_dir=runs/camvid --lambda_perceptual=0

The run folder gets config.json, classes.json, checkpoints/, logs/ (TensorBoard) and
samples/step_*.png. The same command continues a run that was stopped; settings that it leaves out
are those of the run, and a recipe does not change how long it goes on.

    lggan-train --run_dir=runs/town_semantic
"""

import os
import sys

from absl import flags

from lggan_tf.bin import config_flags, quiet, recipes, runner
from lggan_tf.bin.places import check_output_apart
from lggan_tf.bin.without_effect import refuse_without_effect
from lggan_tf.config import LENGTH
from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder


def define(flag_values: flags.FlagValues) -> None:
    """The flags: a recipe, every setting, and where the run goes."""
    recipes.define(flag_values)
    flags.DEFINE_string("run_dir", "", "Folder of the run.", flag_values=flag_values)
    flags.DEFINE_boolean("dry_run", False, "Print the settings and stop.", flag_values=flag_values)
    config_flags.define(flag_values)


def main(flag_values: flags.FlagValues) -> None:
    """Settings, then the loop."""
    folder = RunFolder(flag_values["run_dir"].value)
    is_run = bool(flag_values["run_dir"].value) and folder.exists
    base = folder.read_config() if is_run else None
    kept = LENGTH if is_run and not folder.is_import else ()
    config = config_flags.read(flag_values, base, kept)
    refuse_without_effect(config, config_flags.typed(flag_values))
    if flag_values["run_dir"].value:
        check_output_apart("run_dir", folder.path, {"--data_dir": config.data.data_dir})
    if flag_values["dry_run"].value:
        print(config.to_json(), end="")
        return
    if not flag_values["run_dir"].value:
        raise UserError("--run_dir is missing: the folder that the run is to be written to")
    tensorflow = quiet.load_tensorflow(trains=True)
    # TensorFlow 2.21's remapper fails on the gradient of SPADE blocks and says so on the terminal;
    # without it a step costs the same.
    tensorflow.config.optimizer.set_experimental_options({"remapping": False})
    if config.train.deterministic:
        tensorflow.config.experimental.enable_op_determinism()
    from lggan_tf.training.run import train

    train(config, folder, _say)


def _say(line: str) -> None:
    """A line on the terminal. A reader that is gone, as behind `| head`, does not end a run."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # Later lines go nowhere, as what Python still holds of this one does at its end.
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def console() -> None:
    """The console script."""
    runner.run(main, define)


if __name__ == "__main__":
    console()
