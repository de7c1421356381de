"""A run from its folder to its last step: data, devices, model, checkpoints, loop.

The data order is a function of seed and step, so a run that was stopped goes on where its last
checkpoint was.
"""

import contextlib
from collections.abc import Callable

import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.pipeline import sample_numbers, steps_per_epoch, training_batches
from lggan_tf.data.user_errors import raised_as_user_error
from lggan_tf.errors import Stopped
from lggan_tf.runs.build import build_source, build_transform
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.class_balance import build_class_balance
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.lock import locked
from lggan_tf.runs.train_samples import check_train_samples
from lggan_tf.training.build import build_lggan
from lggan_tf.training.callbacks.build import Run, build_callbacks
from lggan_tf.training.callbacks.load_ahead import LoadAhead
from lggan_tf.training.callbacks.sample_grid import SampleGrid
from lggan_tf.training.callbacks.stop_on_signals import StopOnSignals
from lggan_tf.training.callbacks.time_limit import TimeLimit
from lggan_tf.training.compiled_step import CompiledStep
from lggan_tf.training.hosts import (
    check_same_settings,
    check_same_start,
    lost_host_as_user_error,
    signal_of_any,
)
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
        UserError: data, settings, folder or weights do not fit; a loss is not finite; another
            process trains in the folder; another host is gone.
        Stopped: a signal came before the last step, on several hosts to any of them; the run was
            saved.
    """
    strategy = build_strategy(config.train)
    with lost_host_as_user_error(strategy):
        check_same_settings(strategy, config)
        check_settings(config, folder)
        # The chief alone writes.
        with locked(folder) if is_chief(strategy) else contextlib.nullcontext():
            return _train(config, folder, strategy, say)


def _train(
    config: Config, folder: RunFolder, strategy: tf.distribute.Strategy, say: Callable[[str], None]
) -> int:
    """`train` on its devices."""
    train_config = config.train
    chief = is_chief(strategy)
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
    check_same_start(strategy, folder, start)
    say(_summary(model, source, strategy, total))

    size, seed = train_config.global_batch_size, train_config.seed
    probabilities = balance and balance.probabilities
    transform = build_transform(config, source.classes, training=True)
    batches = training_batches(source, transform, size, seed, start, probabilities)
    distributed = strategy.num_replicas_in_sync > 1
    iterator = iter(strategy.experimental_distribute_dataset(batches) if distributed else batches)
    next_steps = range(start, min(start + per_epoch, total))
    first_epoch = sample_numbers(source, size, seed, next_steps, probabilities)
    limit = TimeLimit(train_config.max_train_minutes)
    with (
        raised_as_user_error(),
        StopOnSignals() as signals,
        LoadAhead(source, first_epoch, limit, signals.received, say) as ahead,
    ):
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
            limit=limit,
            signals=signals,
            ahead=ahead,
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
            worker_count(strategy),
        )
        # One that came in the last step stopped nothing.
        number = signal_of_any(strategy, signals.received) if done < total else 0
    if number:
        say(f"stopped by a signal at step {done}; the same command goes on from there")
        raise Stopped(number)
    say(
        f"done: {done} of {total} steps; pictures in {folder.samples}, TensorBoard logs in "
        f"{folder.logs}"
    )
    return done


def _silent(line: str) -> None:
    """What workers other than the chief say."""


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
