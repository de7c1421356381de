"""A trained generator as one function from the compact batch to pixels.

What is exported is what `lggan-generate` runs.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable, load_classes
from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import load_generator

EXTRA = "assets.extra"  # TensorFlow's place for files that travel with a SavedModel


@dataclass(frozen=True)
class Drawing:
    """A model that draws.

    Attributes:
        draw: batch (`lggan_tf.data.prepare.Prepare.call`, without `image`) -> `[B,H,W,3]` uint8.
        config: the settings of its run.
        classes: its class table.
    """

    draw: Callable[[dict[str, tf.Tensor]], tf.Tensor]
    config: Config
    classes: ClassTable


def input_specs(prepare, classes: ClassTable) -> dict[str, tf.TensorSpec]:
    """Inputs of the exported function; batch, height and width are free."""
    maps, pictures = [None, None, None], [None, None, None, 3]
    specs = {"labels": tf.TensorSpec(maps, tf.as_dtype(classes.label_dtype), "labels")}
    if prepare.semantic_input == "colours":
        specs["colours"] = tf.TensorSpec(pictures, tf.uint8, "colours")
    elif prepare.edges:
        specs["edges"] = tf.TensorSpec(maps, tf.uint8, "edges")
    if "source" in prepare.conditions:
        specs["source"] = tf.TensorSpec(pictures, tf.uint8, "source")
    return specs


def to_pixels(image: tf.Tensor, wrap: bool = False) -> tf.Tensor:
    """[-1, 1] float32 -> uint8, rounded and clipped.

    With `wrap` as numpy's cast does it, and so the authors' cross-view code (spec, section 7, 9):
    fractions are cut off, and what leaves [-1, 1] wraps around.
    """
    if wrap:
        return tf.cast(tf.cast((image + 1.0) / 2.0 * 255.0, "int32"), "uint8")
    return tf.cast(tf.clip_by_value(tf.round((image + 1.0) * 127.5), 0.0, 255.0), "uint8")


def drawing_function(prepare, generator, classes: ClassTable, wrap_pixels: bool) -> Callable:
    """The graph of `Drawing.draw`: checks, preparation, fused image, `to_pixels`."""

    @tf.function(input_signature=[input_specs(prepare, classes)])
    def draw(batch):
        labels, multiple = batch["labels"], generator.side_multiple
        largest = tf.reduce_max(tf.cast(labels, "int32"))
        sides = tf.shape(labels)[1:]
        checks = [
            tf.debugging.Assert(
                largest < classes.num_labels,
                [
                    f"labels must be below {classes.num_labels}, the number of ids, and one is",
                    largest,
                ],
            ),
            tf.debugging.Assert(
                tf.reduce_all(sides % multiple == 0),
                [f"height and width must be multiples of {multiple}, and they are", sides],
            ),
        ]
        with tf.control_dependencies(checks):
            prepared = prepare({name: tf.identity(value) for name, value in batch.items()})
        image = tf.cast(generator(prepared, training=False)["image"], "float32")
        return to_pixels(image, wrap_pixels)

    return draw


def open_drawing(path: str | Path, checkpoint: str = "latest") -> Drawing:
    """A run folder or a SavedModel (NAME/VERSION, or NAME for its newest version) as a `Drawing`.

    `checkpoint`: a run's "latest" or "best".

    Raises:
        UserError: it is neither, or cannot be read.
    """
    path = Path(path)
    folder = RunFolder(path)
    if folder.exists:
        prepare, generator, _ = load_generator(folder, checkpoint)
        classes, config = folder.read_classes(), folder.read_config()
        draw = drawing_function(prepare, generator, classes, config.data.wrap_pixels)
        names = input_specs(prepare, classes)
        return Drawing(lambda batch: draw({name: batch[name] for name in names}), config, classes)
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        versions = [
            p for p in path.iterdir() if p.name.isdecimal() and (p / "saved_model.pb").is_file()
        ]
        path = max(versions, key=lambda p: int(p.name), default=path)
    if not (path / "saved_model.pb").is_file():
        raise UserError(
            f"{path} is neither a run folder (config.json) nor a SavedModel (saved_model.pb)"
        )
    try:
        classes = load_classes(path / EXTRA / "classes.json")
        config = Config.from_json(
            (path / EXTRA / "config.json").read_text(), str(path / EXTRA / "config.json")
        )
        loaded = tf.saved_model.load(str(path))
    except (OSError, tf.errors.OpError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not a SavedModel that lggan-export wrote ({error})") from error
    signature = loaded.signatures["serving_default"]
    names = signature.structured_input_signature[1]

    def draw(batch, keep=loaded):
        return signature(**{name: batch[name] for name in names})["image"]

    return Drawing(draw, config, classes)
