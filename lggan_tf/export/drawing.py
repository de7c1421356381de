"""A trained generator as one function from the compact batch to pixels.

What is exported is what `lggan-generate` runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError
from lggan_tf.export.graph import DrawingGraph
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import load_generator
from lggan_tf.runs.saved_model import find_saved_model, read_saved_model


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


def load_graph(
    folder: RunFolder, implementation: str | None = None, checkpoint: str = "latest"
) -> tuple[DrawingGraph, int]:
    """A run's generator, folded (`Generator.fold`), as a graph, and the step of its checkpoint.

    Args:
        folder: of the run.
        implementation: "auto" or "dense"; what the run's settings say if None.
        checkpoint: "latest" or "best".

    Raises:
        UserError: no trained run.
    """
    prepare, generator, step = load_generator(folder, checkpoint)
    generator.fold()
    if implementation:
        generator.implementation = implementation
    config = folder.read_config()
    exact = "cut" if config.train.paper_exact else "rounded"
    pixels = "wrapped" if config.data.wrap_pixels else exact
    return DrawingGraph(prepare, generator, folder.read_classes(), pixels), int(step)


def open_drawing(path: str | Path, checkpoint: str = "latest") -> Drawing:
    """A run folder or a SavedModel (NAME/VERSION, or NAME for its newest version) as a `Drawing`.

    `checkpoint`: a run's "latest" or "best".

    Raises:
        UserError: it is neither, or cannot be read; the best checkpoint is asked of a SavedModel.
    """
    path = Path(path)
    folder = RunFolder(path)
    if folder.exists:
        graph, _ = load_graph(folder, checkpoint=checkpoint)
        draw = tf.function(graph.draw, input_signature=[graph.specs])
        return Drawing(
            lambda batch: draw({name: batch[name] for name in graph.specs})["image"],
            folder.read_config(),
            graph.classes,
        )
    if find_saved_model(path) is None:
        raise UserError(
            f"{path} is neither a run folder (config.json) nor a SavedModel (saved_model.pb)"
        )
    if checkpoint != "latest":
        raise UserError(
            f"--checkpoint={checkpoint} has no effect with {path}: a SavedModel holds one set of "
            "weights; leave it out, or point to the run's folder"
        )
    loaded, config, classes = read_saved_model(path)
    signature = loaded.signatures["serving_default"]
    names = signature.structured_input_signature[1]

    def draw(batch, keep=loaded):
        return signature(**{name: batch[name] for name in names})["image"]

    return Drawing(draw, config, classes)
