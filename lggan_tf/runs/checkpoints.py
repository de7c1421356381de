"""Checkpoints of a run: every variable of the model, both optimizers and the step.

One without optimizers, such as an import writes, is a start: training takes what it holds (the
generator, perhaps discriminators) and makes the rest anew.
"""

import sys
from collections.abc import Callable

import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoint_files import CheckpointFiles
from lggan_tf.runs.folder import RunFolder


class Checkpoints:
    """Saves and restores a compiled or an uncompiled `LGGAN`.

    Args:
        folder: the run's folder.
        model: the model; its optimizers are saved if it has any, and what `model.state` names
            beside them (a dict name -> object with `variables`).
        step: a `tf.Variable`, the number of steps done.
        keep: number of checkpoints kept.
        which: "latest", or "best" (`save_best`).
        say: where a damaged checkpoint is reported; standard error by default.
    """

    def __init__(
        self,
        folder: RunFolder,
        model,
        step: tf.Variable,
        keep: int = 2,
        which: str = "latest",
        say: Callable[[str], None] | None = None,
    ):
        parts = {"generator": model.generator}
        parts |= {f"discriminator_{view}": d for view, d in model.discriminators.items()}
        parts |= getattr(model, "state", {})
        self._complete = model.compiled
        if self._complete:
            parts["generator_optimizer"] = model.generator_optimizer
            parts["discriminator_optimizer"] = model.discriminator_optimizer
        self._parts = {name: _by_number(part.variables) for name, part in parts.items()}
        self._checkpoint = tf.train.Checkpoint(step=step, **self._parts)
        best = CheckpointFiles(folder.checkpoints / "best", 1)
        self._best = best
        self._files = best if which == "best" else CheckpointFiles(folder.checkpoints, keep)
        self._folder, self._step, self._which = folder, step, which
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))

    @property
    def latest(self) -> str | None:
        """The newest checkpoint that is whole; None if none was ever finished.

        Raises:
            UserError: there were some, and none is whole.
        """
        newest = self._files.newest()
        return None if newest is None else self._files.prefix(newest)

    @property
    def unfinished(self) -> str:
        """Checkpoints that are left out, if there are none that are used, in words."""
        return "" if self.latest else self._files.faults(self._files.numbers())

    @property
    def missing(self) -> tuple[str, ...]:
        """Parts of the model that the newest checkpoint, if it is a start, does not hold."""
        held = held_parts(self.latest) if self._complete and self.latest else set()
        return tuple(name for name in self._parts if name not in held) if is_start(held) else ()

    @property
    def steps_done(self) -> int:
        """Step of the newest checkpoint that is whole; 0 if none was ever finished."""
        return self._files.newest() or 0

    def save(self) -> str:
        """Saves at the current step.

        Raises:
            UserError: the folder cannot be written.
        """
        return self._files.write(int(self._step.numpy()), self._checkpoint.write)

    def save_best(self, metric: str, value: float, larger_is_better: bool) -> bool:
        """Saves in `checkpoints/best` if `value` beats that of the one there; says whether it did.

        Raises:
            UserError: the folder cannot be written.
        """
        number = self._best.newest_whole()
        if number is not None:
            before = self._best.notes(number).get(metric)
            # At its own step again, after an interruption, it is written once more.
            is_other = before is not None and number != int(self._step.numpy())
            if is_other and not (value > before if larger_is_better else value < before):
                return False
        self._best.write(int(self._step.numpy()), self._checkpoint.write, {metric: value})
        return True

    def restore(self) -> int:
        """Restores the newest checkpoint that is whole and returns its step.

        Damaged ones that are newer are reported.

        Raises:
            UserError: there is none, or it does not fit the model.
        """
        latest = self.latest
        if latest is None:
            if self._which == "best":
                raise UserError(
                    f"{self._folder.path} has no best checkpoint: it was trained without "
                    "--best_metric; use --checkpoint=latest"
                )
            raise UserError(f"{self._folder.path} has no checkpoint yet; train it first")
        own = int(latest.rpartition("-")[2])
        newer = [n for n in self._files.numbers() if n > own]
        if newer:
            self._say(f"damaged and left out: {self._files.faults(newer)}; ckpt-{own} is used")
        missing, checkpoint = self.missing, self._checkpoint
        if missing:
            held = {name: part for name, part in self._parts.items() if name not in missing}
            checkpoint = tf.train.Checkpoint(step=self._step, **held)
        try:
            status = checkpoint.read(latest)
            status.assert_existing_objects_matched()
            if self._complete:
                status.assert_consumed()
            else:
                status.expect_partial()
        except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
            raise UserError(
                f"the checkpoint {latest} does not fit this run "
                f"({str(error).splitlines()[0]}); was it written "
                "by another version?"
            ) from error
        return int(self._step.numpy())


def held_parts(path: str) -> set[str]:
    """Names of the parts in a checkpoint; none if it cannot be read, which `restore` will say."""
    try:
        return {name.partition("/")[0] for name, _ in tf.train.list_variables(path)}
    except (tf.errors.OpError, ValueError, IndexError):
        return set()


def newest_parts(folder: RunFolder) -> set[str]:
    """Names of the parts in a run's newest whole checkpoint; none if none was ever finished.

    Raises:
        UserError: there were some, and none is whole.
    """
    files = CheckpointFiles(folder.checkpoints, 1)
    newest = files.newest()
    return set() if newest is None else held_parts(files.prefix(newest))


def is_start(held: set[str]) -> bool:
    """Whether parts of a checkpoint are weights that have not trained a step in this run."""
    return "generator" in held and not any(name.endswith("_optimizer") for name in held)


def _by_number(variables) -> tf.train.Checkpoint:
    """The variables of a model or an optimizer in their order.

    A Keras 3 layer given to `tf.train.Checkpoint` as such loses the layers that it holds in lists,
    without a word.
    """
    return tf.train.Checkpoint(
        **{f"v{number:04d}": variable.value for number, variable in enumerate(variables)}
    )
