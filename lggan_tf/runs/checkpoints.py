"""Checkpoints of a run: every variable of the model, both optimizers and the step.

One without optimizers, such as an import writes, is a start: training takes what it holds (the
generator, perhaps discriminators) and makes the rest anew.
"""

import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.runs.folder import RunFolder


class Checkpoints:
    """Saves and restores a compiled or an uncompiled `LGGAN`.

    Args:
        folder: the run's folder.
        model: the model; its optimizers are saved if it has any.
        step: a `tf.Variable`, the number of steps done.
        keep: number of checkpoints kept.
    """

    def __init__(self, folder: RunFolder, model, step: tf.Variable, keep: int = 2):
        parts = {"generator": model.generator}
        parts |= {f"discriminator_{view}": d for view, d in model.discriminators.items()}
        self._complete = model.compiled
        if self._complete:
            parts["generator_optimizer"] = model.generator_optimizer
            parts["discriminator_optimizer"] = model.discriminator_optimizer
        self._parts = {name: _by_number(part.variables) for name, part in parts.items()}
        self._checkpoint = tf.train.Checkpoint(step=step, **self._parts)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder.checkpoints), max_to_keep=keep
        )
        self._folder, self._step = folder, step

    @property
    def latest(self) -> str | None:
        """The newest checkpoint."""
        return self._manager.latest_checkpoint

    @property
    def missing(self) -> tuple[str, ...]:
        """Parts of the model that the newest checkpoint, if it is a start, does not hold."""
        held = _held(self.latest) if self._complete and self.latest else set()
        is_start = "generator" in held and not any(name.endswith("_optimizer") for name in held)
        return tuple(name for name in self._parts if name not in held) if is_start else ()

    def save(self) -> str:
        """Saves at the current step.

        Raises:
            UserError: the folder cannot be written.
        """
        try:
            return self._manager.save(checkpoint_number=int(self._step.numpy()))
        except (tf.errors.OpError, OSError) as error:
            raise UserError(
                f"cannot save a checkpoint in {self._folder.checkpoints} "
                f"({str(error).splitlines()[0]}); earlier ones "
                "are whole; make room or choose another --run_dir"
            ) from error

    def restore(self) -> int:
        """Restores the newest checkpoint and returns its step.

        Raises:
            UserError: there is none, or it does not fit the model.
        """
        if self.latest is None:
            raise UserError(f"{self._folder.path} has no checkpoint yet; train it first")
        missing, checkpoint = self.missing, self._checkpoint
        if missing:
            held = {name: part for name, part in self._parts.items() if name not in missing}
            checkpoint = tf.train.Checkpoint(step=self._step, **held)
        try:
            status = checkpoint.restore(self.latest)
            status.assert_existing_objects_matched()
            if self._complete:
                status.assert_consumed()
            else:
                status.expect_partial()
        except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
            raise UserError(
                f"the checkpoint {self.latest} does not fit this run "
                f"({str(error).splitlines()[0]}); was it written "
                "by another version?"
            ) from error
        return int(self._step.numpy())


def _held(path: str) -> set[str]:
    """Names of the parts in a checkpoint; none if it cannot be read, which `restore` will say."""
    try:
        return {name.partition("/")[0] for name, _ in tf.train.list_variables(path)}
    except (tf.errors.OpError, ValueError, IndexError):
        return set()


def _by_number(variables) -> tf.train.Checkpoint:
    """The variables of a model or an optimizer in their order.

    A Keras 3 layer given to `tf.train.Checkpoint` as such loses the layers that it holds in lists,
    without a word.
    """
    return tf.train.Checkpoint(
        **{f"v{number:04d}": variable.value for number, variable in enumerate(variables)}
    )
