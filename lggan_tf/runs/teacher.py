"""A trained model whose images another one learns to draw (distillation)."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.classes import ClassTable
from lggan_tf.errors import UserError
from lggan_tf.losses.objective import drawn_images
from lggan_tf.runs.build import build_prepare
from lggan_tf.runs.saved_model import read_saved_model

Teacher = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]


def load_teacher(config: Config, classes: ClassTable) -> Teacher:
    """The SavedModel at `config.loss.teacher` as a function for `LGGAN.compile`.

    Returns:
        From the compact batch (`Prepare.call`) to `image` and, if the teacher has both branches,
        `image_global` and `image_local`, `[B,H,W,3]` float32.

    Raises:
        UserError: no SavedModel, or one of other classes, inputs, sizes or branches than the run's.
    """
    path = config.loss.teacher
    model = read_saved_model(Path(path))
    explain = model.loaded.signatures["explain"]
    wanted = set(explain.structured_input_signature[1])
    given = set(build_prepare(config, classes).batch_channels)
    if (model.classes.names, model.classes.void_ids) != (classes.names, classes.void_ids):
        raise UserError(
            f"--teacher={path} was trained on other classes ({model.classes.num_labels} ids, "
            f"{', '.join(model.classes.names[:3])}, ...) than this run "
            f"({classes.num_labels} ids, {', '.join(classes.names[:3])}, ...)"
        )
    if not wanted <= given:
        raise UserError(
            f"--teacher={path} also takes {', '.join(sorted(wanted - given))}, which this run's "
            "samples do not have; give the run the teacher's --dataset, --edges and "
            "--semantic_input"
        )
    sides = (config.data.image_height, config.data.image_width)
    if any(side % model.config.side_multiple for side in sides):
        raise UserError(
            f"--teacher={path} draws sides that are multiples of {model.config.side_multiple}, not "
            f"{sides[0]} x {sides[1]}"
        )
    if config.model.branches == "both" and model.config.model.branches != "both":
        raise UserError(
            f"--teacher={path} has --branches={model.config.model.branches} and cannot teach both"
        )

    def teach(batch, keep=model):
        return drawn_images(explain(**{name: batch[name] for name in wanted}))

    return teach
