"""SavedModels in TensorFlow Serving's layout NAME/VERSION."""

import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.export.drawing import EXTRA, drawing_function, input_specs
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import load_generator


def export_saved_model(
    folder: RunFolder, savedmodels_dir: Path, name: str, checkpoint: str = "latest"
) -> Path:
    """Exports a run's generator as the next version of `name`.

    Pre- and post-processing are inside the graph.

    Signature `serving_default`: uint8 (uint16 above 256 ids) `labels` `[B,H,W]` and, where the
    model wants them, `edges`, `colours`, `source` -> uint8 `image` `[B,H,W,3]`.

    Returns:
        The folder of the new version. It appears whole or not at all.

    Raises:
        UserError: no trained run, or a folder that cannot be written.
    """
    prepare, generator, step = load_generator(folder, checkpoint)
    classes = folder.read_classes()
    draw = drawing_function(prepare, generator, classes, folder.read_config().data.wrap_pixels)
    archive = keras.export.ExportArchive()
    archive.track(generator)
    archive.add_endpoint(
        "serving_default",
        lambda batch: {"image": draw(batch)},
        input_signature=[input_specs(prepare, classes)],
    )
    target = savedmodels_dir / name
    try:
        target.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".export-", dir=target))
    except OSError as error:
        raise UserError(
            f"cannot write {target} ({error.strerror}); choose another --savedmodels_dir"
        ) from error
    try:
        archive.write_out(str(temporary / "model"), verbose=False)
        extra = temporary / "model" / EXTRA
        extra.mkdir()
        shutil.copy(folder.config_file, extra)
        shutil.copy(folder.classes_file, extra)
        (extra / "step.txt").write_text(f"{step}\n")
        version = 1 + max((int(p.name) for p in target.iterdir() if p.name.isdecimal()), default=0)
        (temporary / "model").rename(target / str(version))
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"cannot write {target} ({error}); nothing was left there") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target / str(version)
