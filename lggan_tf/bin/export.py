"""Exports the generator of a run as a SavedModel.

    lggan-export --run_dir=runs/town

The model goes to RUN_DIR/savedmodels/NAME/VERSION unless --savedmodels_dir says otherwise; every
export is a new version.
"""

from pathlib import Path

from absl import flags

from lggan_tf.bin import quiet, runner
from lggan_tf.errors import UserError


def define(flag_values: flags.FlagValues) -> None:
    """Which run, and where to."""
    flags.DEFINE_string("run_dir", "", "Folder of the trained run.", flag_values=flag_values)
    flags.DEFINE_string(
        "savedmodels_dir",
        "",
        "Where models go; empty: RUN_DIR/savedmodels.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "name", "", "The model's name; empty: that of the run's folder.", flag_values=flag_values
    )
    flags.DEFINE_enum(
        "checkpoint",
        "latest",
        ["latest", "best"],
        "Which checkpoint of the run; best: by its --best_metric.",
        flag_values=flag_values,
    )


def main(flag_values: flags.FlagValues) -> None:
    """Loads, exports, says where."""
    if not flag_values["run_dir"].value:
        raise UserError("--run_dir is missing: the folder of a trained run")
    quiet.load_tensorflow()
    from lggan_tf.export.saved_model import export_saved_model
    from lggan_tf.runs.folder import RunFolder

    folder = RunFolder(flag_values["run_dir"].value)
    target = Path(flag_values["savedmodels_dir"].value or folder.savedmodels)
    name = flag_values["name"].value or folder.path.resolve().name
    which = flag_values["checkpoint"].value
    print(f"exported {export_saved_model(folder, target, name, which)}")


def console() -> None:
    """The console script."""
    runner.run(main, define)


if __name__ == "__main__":
    console()
