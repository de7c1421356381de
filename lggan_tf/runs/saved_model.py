"""Reading what `lggan-export` wrote: a SavedModel with its settings and classes."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable, load_classes
from lggan_tf.errors import UserError

EXTRA = "assets.extra"  # TensorFlow's place for files that travel with a SavedModel


class ExportedModel(NamedTuple):
    """A SavedModel in memory.

    Attributes:
        loaded: what TensorFlow made of it; its functions hold the variables only as long as this
            is held.
        config: the settings of its run.
        classes: its class table.
    """

    loaded: Any
    config: Config
    classes: ClassTable


def find_saved_model(path: Path) -> Path | None:
    """The folder NAME/VERSION itself, or the newest version below NAME, or None."""
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        versions = [
            p for p in path.iterdir() if p.name.isdecimal() and (p / "saved_model.pb").is_file()
        ]
        path = max(versions, key=lambda p: int(p.name), default=path)
    return path if (path / "saved_model.pb").is_file() else None


def read_saved_model(path: Path) -> ExportedModel:
    """The SavedModel NAME/VERSION, or NAME for its newest version.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    found = find_saved_model(path)
    if found is None:
        raise UserError(f"{path} is no SavedModel (saved_model.pb)")
    path = found
    try:
        classes = load_classes(path / EXTRA / "classes.json")
        file = path / EXTRA / "config.json"
        config = Config.from_json(file.read_text(encoding="utf-8"), str(file))
        return ExportedModel(tf.saved_model.load(str(path)), config, classes)
    except (OSError, tf.errors.OpError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not a SavedModel that lggan-export wrote ({error})") from error
