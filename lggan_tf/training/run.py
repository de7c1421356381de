"""A run from its folder to its last step: data, devices, model, checkpoints, loop.

The data order is a function of seed and step, so a run that was stopped goes on where its last
checkpoint was.
"""

from collections.abc import Callable

import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.pipeline import steps_per_epoch, training_batches
from lggan_tf.data.user_errors import raised_as_user_error
from lggan_tf.errors import Stopped, UserError
from lggan_tf.runs.build import build_source, build_transform
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.class_balance import build_class_balance
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.train_samples import check_train_samples
from lggan_tf.training.build import build_lggan
from lggan_tf.training.callbacks.build import Run, build_callbacks
from lggan_tf.training.callbacks.sample_grid import SampleGrid
from lggan_tf.training.callbacks.stop_on_signals import StopOnSignals
from lggan_tf.training.compiled_step import CompiledStep
from lggan_tf.training.loop import run_steps
from lggan_tf.training.resume import check_settings, open_or_continue
from lggan_tf.training.strategy import build_strategy, is_chief, worker_count


def train(config: Config, folder: RunFolder, say: Callable[[str], None] = print) -> int:
    """Trains a run from its start, or from its last checkpoint if the folder holds one.

    Args:
        config: checked settings.
        folder: the run's folder.
        say: where lines for the user go.

    Returns:
        The number of steps done in all.

    Raises:
        UserError: data, settings, folder or weights do not fit; a loss is not finite.
        Stopped: a signal came; the run was saved.
    """
    check_settings(config, folder)
    train_config = config.train
    strategy = build_strategy(train_config)
    chief, workers = is_chief(strategy), worker_count(strategy)
    if not chief:
        say = _silent
    source, held_out = build_source(config, "train"), build_source(config, "val")
    check_train_samples(folder, source)
    per_epoch = steps_per_epoch(source, train_config.global_batch_size)
    total = per_epoch * (train_config.epochs + train_config.decay_epochs)
    with raised_as_user_error():
        grid = SampleGrid(held_out, build_transform(config, source.classes, training=False))
        balance = build_class_balance(config, folder, source, say, chief)
    with strategy.scope():
        model = build_lggan(config, source.classes, per_epoch, balance and balance.weights)
        step = tf.Variable(0, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    checkpoints = Checkpoints(folder, model, step, train_config.keep, say=say)
    start = open_or_continue(config, folder, source, model, checkpoints, total, say, chief)
    if workers > 1:
        _check_agreement(strategy, folder, start)
    say(_summary(model, source, strategy, total))

    batches = training_batches(
        source,
        build_transform(config, source.classes, training=True),
        train_config.global_batch_size,
        train_config.seed,
        start,
        balance and balance.probabilities,
    )
    distributed = strategy.num_replicas_in_sync > 1
    iterator = iter(strategy.experimental_distribute_dataset(batches) if distributed else batches)
    with raised_as_user_error(), StopOnSignals() as signals:
        run = Run(
            config=config,
            folder=folder,
            source=source,
            balance=balance,
            grid=grid,
            checkpoints=checkpoints,
            step=step,
            steps_per_epoch=per_epoch,
            total=total,
            signals=signals,
            say=say,
            is_chief=chief,
        )
        update = CompiledStep(
            strategy, model.step, train_config.jit_compile, not train_config.deterministic
        )
        done = run_steps(
            model,
            update,
            iterator,
            build_callbacks(run),
            start,
            total,
            per_epoch,
            train_config.steps_per_execution,
            workers,
        )
    if signals.received:
        say(f"stopped by a signal at step {done}; the same command goes on from there")
        raise Stopped(signals.received[0])
    say(
        f"done: {done} of {total} steps; pictures in {folder.samples}, TensorBoard logs in "
        f"{folder.logs}"
    )
    return done


def _silent(line: str) -> None:
    """What workers other than the chief say."""


def _check_agreement(strategy, folder: RunFolder, start: int) -> None:
    """All workers have to start at one step, which they read from a folder that they share."""
    own = strategy.run(lambda value: value, (tf.constant(start, "int64"),))
    total = int(strategy.reduce(tf.distribute.ReduceOp.SUM, own, None))
    if total != start * strategy.num_replicas_in_sync:
        raise UserError(
            f"this worker found step {start} in {folder.path} and another worker another step; "
            "--run_dir must be a folder that all hosts share"
        )


def _summary(model, source, strategy, total) -> str:
    g, d = (
        model.generator.count_params(),
        sum(d.count_params() for d in model.discriminators.values()),
    )
    return (
        f"{len(source)} samples, {model.generator.num_classes} classes; "
        f"G {g / 1e6:.2f} M and D {d / 1e6:.2f} M parameters; "
        f"{strategy.num_replicas_in_sync} device(s); {total} steps"
    )
