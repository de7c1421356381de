"""Exports the generator of a run as a SavedModel or a TFLite file.

    lggan-export --run_dir=runs/town
    lggan-export --run_dir=runs/town --format=tflite --quantize=float16

A SavedModel goes to RUN_DIR/savedmodels/NAME/VERSION unless --savedmodels_dir says otherwise; every
export is a new version. A TFLite file goes to RUN_DIR/tflite/NAME_HEIGHTxWIDTH_QUANTIZE.tflite
unless --tflite_dir says otherwise; it is compared with the SavedModel on held-out label maps of the
run's data and on four more (squares, one class, two halves, one odd pixel), and is not written if
it draws one of them worse than its bound.
"""

from pathlib import Path

from absl import flags

from lggan_tf.bin import checkpoint_flag, quiet, runner
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
    checkpoint_flag.define(flag_values)
    flags.DEFINE_enum(
        "format", "saved_model", ("saved_model", "tflite"), "What to make.", flag_values=flag_values
    )
    flags.DEFINE_enum(
        "quantize",
        "none",
        ("none", "float16", "dynamic", "int16x8", "int8"),
        "TFLite: float32; weights in float16; weights in 8 bits (kernels of fewer than 1,024 "
        "elements stay float32); activations in 16 bits and "
        "weights in 8; all in 8 bits. Bounds against the SavedModel: 1e-3, 45 dB, 38 dB, 40 dB, "
        "--min_psnr.",
        flag_values=flag_values,
    )
    for side in ("height", "width"):
        flags.DEFINE_integer(
            side,
            0,
            f"TFLite: {side} of the file's images in pixels; 0: the run's.",
            flag_values=flag_values,
            lower_bound=0,
        )
    flags.DEFINE_float(
        "min_psnr",
        20.0,
        "TFLite with --quantize=int8: lowest PSNR against the SavedModel, in dB.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "tflite_dir", "", "Where TFLite files go; empty: RUN_DIR/tflite.", flag_values=flag_values
    )


SAVED_MODEL_ONLY = ("savedmodels_dir",)
TFLITE_ONLY = ("quantize", "height", "width", "min_psnr", "tflite_dir")


def main(flag_values: flags.FlagValues) -> None:
    """Loads, exports, says where."""
    if not flag_values["run_dir"].value:
        raise UserError("--run_dir is missing: the folder of a trained run")
    is_tflite = flag_values["format"].value == "tflite"
    for flag in SAVED_MODEL_ONLY if is_tflite else TFLITE_ONLY:
        if flag_values[flag].present:
            raise UserError(
                f"--{flag} has no meaning for --format={flag_values['format'].value}; leave it out"
            )
    if flag_values["min_psnr"].present and flag_values["quantize"].value != "int8":
        raise UserError(
            "--min_psnr is the bound of --quantize=int8; the others have one of their own"
        )
    quiet.load_tensorflow()
    from lggan_tf.export.saved_model import export_saved_model
    from lggan_tf.runs.folder import RunFolder

    folder = RunFolder(flag_values["run_dir"].value)
    name = flag_values["name"].value or folder.path.resolve().name
    which = flag_values["checkpoint"].value
    if is_tflite:
        _export_tflite(flag_values, folder, name, which)
        return
    target = Path(flag_values["savedmodels_dir"].value or folder.savedmodels)
    print(f"exported {export_saved_model(folder, target, name, which)}")


def _export_tflite(flag_values: flags.FlagValues, folder, name: str, which: str) -> None:
    from lggan_tf.export.tflite import export_tflite

    data, quantize = folder.read_config().data, flag_values["quantize"].value
    height = flag_values["height"].value or data.image_height
    width = flag_values["width"].value or data.image_width
    target = Path(flag_values["tflite_dir"].value or folder.path / "tflite")
    file = target / f"{name}_{height}x{width}_{quantize}.tflite"
    print("converting, then drawing maps with the file and the SavedModel ...", flush=True)
    failure = None
    # The converter and its runtime write lines that are not for the user, some of them as errors.
    with quiet.stderr_held_back():
        try:
            bound = flag_values["min_psnr"].value
            found = export_tflite(folder, file, quantize, height, width, bound, which)
        except UserError as error:
            failure = error
    if failure:
        raise failure
    print(
        f"exported {file}: {found.size / 1e6:.2f} MB, {found.psnr:.1f} dB and at most "
        f"{found.difference:.2g} from the SavedModel on {found.maps} maps, "
        f"{found.milliseconds:.1f} ms per image on {found.threads} threads"
    )
    if quantize in ("int16x8", "int8"):
        print(f"operators that compute in float32: {', '.join(found.float_operators) or 'none'}")


def console() -> None:
    """The console script."""
    runner.run(main, define)


if __name__ == "__main__":
    console()
