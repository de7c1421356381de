"""The callbacks of a run, in the order in which they are called."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.class_balance import ClassBalance
from lggan_tf.data.pipeline import sample_numbers, training_batches
from lggan_tf.data.sample import Source
from lggan_tf.runs.build import build_transform
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.training.callbacks.advice import (
    Advice,
    collapsed_weight_map,
    winning_discriminator,
)
from lggan_tf.training.callbacks.finite import FiniteCheck
from lggan_tf.training.callbacks.load_ahead import LoadAhead
from lggan_tf.training.callbacks.profile import Profile
from lggan_tf.training.callbacks.progress import Progress
from lggan_tf.training.callbacks.report import Reports
from lggan_tf.training.callbacks.sample_grid import SampleGrid
from lggan_tf.training.callbacks.samples import Samples
from lggan_tf.training.callbacks.save import SaveCheckpoints
from lggan_tf.training.callbacks.scalars import Scalars
from lggan_tf.training.callbacks.settings import Settings
from lggan_tf.training.callbacks.stop_on_signals import StopOnSignals
from lggan_tf.training.callbacks.time_limit import TimeLimit


@dataclass(frozen=True)
class Run:
    """What callbacks are made of.

    Args:
        config: checked settings.
        folder: the run's folder.
        source: training samples.
        balance: how often they are drawn, if not each once an epoch.
        grid: the held-out samples that are drawn.
        checkpoints: where checkpoints go.
        step: the variable that says in a checkpoint how many steps were done.
        steps_per_epoch: steps of an epoch.
        total: step at the end.
        limit: ends the run after some wall time.
        signals: notes Ctrl-C and SIGTERM.
        ahead: loads the first epoch's samples.
        say: where lines for the user go.
        is_chief: whether this process writes files; one of several workers does.
    """

    config: Config
    folder: RunFolder
    source: Source
    balance: ClassBalance | None
    grid: SampleGrid
    checkpoints: Checkpoints
    step: tf.Variable
    steps_per_epoch: int
    total: int
    limit: TimeLimit
    signals: StopOnSignals
    ahead: LoadAhead
    say: Callable[[str], None]
    is_chief: bool = True


def build_callbacks(run: Run) -> list[keras.callbacks.Callback]:
    """All callbacks of a run.

    What checks comes before what saves: a run that went wrong leaves its last good checkpoint.
    """
    train = run.config.train
    size, seed = train.global_batch_size, train.seed
    probabilities = run.balance and run.balance.probabilities

    def names(step: int) -> list[str]:
        numbers = sample_numbers(run.source, size, seed, [step], probabilities)
        return [run.source.names[number] for number in numbers]

    def batch(step: int) -> dict[str, np.ndarray]:
        transform = build_transform(run.config, run.source.classes, training=True)
        batches = training_batches(run.source, transform, size, seed, step, probabilities)
        return next(batches.as_numpy_iterator())

    check = FiniteCheck(
        train.checkpoint_every,
        run.folder,
        run.checkpoints,
        run.step,
        batch,
        names,
        run.is_chief,
    )
    reporters, writers = [check], []
    if run.is_chief:
        writer = tf.summary.create_file_writer(str(run.folder.logs))
        warnings = [*map(winning_discriminator, run.config.views), collapsed_weight_map()]
        reporters += [
            Progress(run.total, train.epochs + train.decay_epochs, run.limit, run.say),
            Advice(warnings, run.say),
            Scalars(writer),
        ]
        trial, classes = run.folder.path.name, run.source.classes
        writers = [
            Settings(run.config, trial, classes, run.balance, writer, run.say),
            Profile(
                run.config.profiled_steps,
                run.folder.logs,
                run.say,
                train.steps_per_execution,
                run.steps_per_epoch,
            ),
            Samples(train.sample_every, run.grid, run.folder, writer),
            SaveCheckpoints(
                train.checkpoint_every, run.checkpoints, run.step, train.best_metric, run.grid
            ),
        ]
    reports = Reports(train.log_every, run.steps_per_epoch, size, reporters, run.ahead.take_waited)
    # What may wait comes before what looks whether to stop.
    return [run.ahead, run.limit, run.signals, reports, *reporters, *writers]
