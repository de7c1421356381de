"""SavedModels in TensorFlow Serving's layout NAME/VERSION."""

import json
import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.export.card import as_markdown, model_card
from lggan_tf.export.drawing import load_graph
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.saved_model import EXTRA


def write_signatures(signatures: dict, path: Path) -> None:
    """Writes a SavedModel.

    Args:
        signatures: name -> function of a dict of tensors, and the dict of its `tf.TensorSpec`.
        path: the new folder.
    """
    archive = keras.export.ExportArchive()
    # Not archive.track(generator): all that the functions use is saved, and what was tracked again.
    for name, (function, specs) in signatures.items():
        archive.add_endpoint(name, function, input_signature=[specs])
    archive.write_out(str(path), verbose=False)


def export_saved_model(
    folder: RunFolder, savedmodels_dir: Path, name: str, checkpoint: str = "latest"
) -> Path:
    """Exports a run's generator as the next version of `name`.

    Signatures: see `lggan_tf.export.graph`. Beside them, in `assets.extra`: `classes.json`,
    `config.json` and the model card, `card.md` and `card.json`.

    Returns:
        The folder of the new version. It appears whole or not at all.

    Raises:
        UserError: no trained run, or a folder that cannot be written.
    """
    graph, step = load_graph(folder, checkpoint=checkpoint)
    card = model_card(name, folder, graph, step)
    target = savedmodels_dir / name
    try:
        target.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".export-", dir=target))
    except OSError as error:
        raise UserError(
            f"cannot write {target} ({error.strerror}); choose another --savedmodels_dir"
        ) from error
    try:
        write_signatures(graph.signatures, temporary / "model")
        extra = temporary / "model" / EXTRA
        extra.mkdir()
        shutil.copy(folder.config_file, extra)
        shutil.copy(folder.classes_file, extra)
        (extra / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        (extra / "card.md").write_text(as_markdown(card), encoding="utf-8")
        version = 1 + max((int(p.name) for p in target.iterdir() if p.name.isdecimal()), default=0)
        (temporary / "model").rename(target / str(version))
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"cannot write {target} ({error}); nothing was left there") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target / str(version)
