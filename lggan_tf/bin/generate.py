"""Draws images for label maps with a trained model.

    lggan-generate --model=runs/town --labels_dir=MAPS --output_dir=OUT
    lggan-generate --model=runs/town --split=val --output_dir=OUT

Each label map NAME.png gives OUT/NAME.png, at the size that the model was trained for. A cross-view
model also needs --sources_dir, photos of the source view under the same names, and a model with
edges --instances_dir.
"""

import io
import time
from pathlib import Path

from absl import flags

from lggan_tf.bin import checkpoint_flag, quiet, runner
from lggan_tf.bin.places import check_output_apart
from lggan_tf.errors import UserError


def define(flag_values: flags.FlagValues) -> None:
    """Model, input, output."""
    for name, text in (
        ("model", "A run's folder, or a SavedModel (NAME/VERSION, or NAME for the newest)."),
        ("labels_dir", "Folder of label maps (PNG, one channel of ids)."),
        (
            "sources_dir",
            "Folder of photos of the source view, same names; cross-view models need it.",
        ),
        ("instances_dir", "Folder of instance maps, same names; models with edges need it."),
        (
            "split",
            "Instead of --labels_dir: train or val of the data that the model was trained on.",
        ),
        ("output_dir", "Folder for the images."),
    ):
        flags.DEFINE_string(name, "", text, flag_values=flag_values)
    flags.DEFINE_integer(
        "batch_size", 4, "Images drawn at a time.", flag_values=flag_values, lower_bound=1
    )
    checkpoint_flag.define(flag_values)


def _source(flag_values: flags.FlagValues, drawing):
    """The samples to draw.

    Raises:
        UserError: flags are missing, or have no effect with the others or with this model.
    """
    from lggan_tf.data.folder_source import LabelFolderSource
    from lggan_tf.runs.build import build_source

    labels_dir, split = flag_values["labels_dir"].value, flag_values["split"].value
    if bool(labels_dir) == bool(split):
        raise UserError(
            "give one of --labels_dir, a folder of label maps, and --split, train or val"
        )
    for name, is_used in (
        ("sources_dir", drawing.config.is_cross_view),
        ("instances_dir", drawing.config.data.edges),
    ):
        folder = flag_values[name].value
        if folder and split:
            raise UserError(
                f"--{name}={folder} has no effect with --split={split}, which reads the data that "
                "the model was trained on: leave one of them out"
            )
        if folder and not is_used:
            raise UserError(f"--{name}={folder} has no effect with this model: leave it out")
    if split:
        return build_source(drawing.config, split)
    if drawing.config.is_cross_view and not flag_values["sources_dir"].value:
        raise UserError("this model turns one view into another: --sources_dir is missing")
    if drawing.config.data.edges and not flag_values["instances_dir"].value:
        raise UserError("this model sees instance edges: --instances_dir is missing")
    return LabelFolderSource(
        labels_dir,
        drawing.classes,
        flag_values["sources_dir"].value,
        flag_values["instances_dir"].value,
    )


def main(flag_values: flags.FlagValues) -> None:
    """Opens the model, then draws batch after batch."""
    for name in ("model", "output_dir"):
        if not flag_values[name].value:
            raise UserError(f"--{name} is missing")
    output = Path(flag_values["output_dir"].value)
    inputs = ("labels_dir", "sources_dir", "instances_dir")
    check_output_apart("output_dir", output, {f"--{n}": flag_values[n].value for n in inputs})
    quiet.load_tensorflow()
    from PIL import Image

    from lggan_tf.data.pipeline import evaluation_batches
    from lggan_tf.data.user_errors import raised_as_user_error
    from lggan_tf.export.drawing import open_drawing
    from lggan_tf.runs.build import build_transform
    from lggan_tf.runs.folder import write_atomically

    drawing = open_drawing(flag_values["model"].value, flag_values["checkpoint"].value)
    source = _source(flag_values, drawing)
    if flag_values["split"].value:
        check_output_apart("output_dir", output, {"the data": drawing.config.data.data_dir})
    batches = evaluation_batches(
        source,
        build_transform(drawing.config, drawing.classes, training=False),
        flag_values["batch_size"].value,
    )
    done, start, said = 0, time.monotonic(), time.monotonic()
    with raised_as_user_error():
        for batch in batches:
            batch.pop("image", None)
            for image in drawing.draw(batch).numpy():
                encoded = io.BytesIO()
                Image.fromarray(image).save(encoded, "PNG")
                file = output / f"{source.names[done]}.png"
                write_atomically(file, encoded.getvalue(), lasts=False)
                done += 1
            if time.monotonic() - said > 5:
                said = time.monotonic()
                left = (said - start) / done * (len(source) - done)
                print(f"{done}/{len(source)} images, {left:.0f} s left", flush=True)
    print(f"{done} images in {output}")


def console() -> None:
    """The console script."""
    runner.run(main, define)


if __name__ == "__main__":
    console()
