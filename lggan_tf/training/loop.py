"""The training loop: the model's own step on every device, checkpoints, samples, TensorBoard.

The data order is a function of seed and step, so a run that was stopped goes on where its last
checkpoint was.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator

import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.data.pipeline import batch_names, steps_per_epoch, training_batches
from lggan_tf.data.user_errors import raised_as_user_error
from lggan_tf.errors import UserError
from lggan_tf.runs.build import build_local_classes, build_source, build_transform
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.class_balance import build_class_balance
from lggan_tf.runs.folder import RunFolder, write_atomically
from lggan_tf.training.advice import Advice, collapsed_weight_map, winning_discriminator
from lggan_tf.training.balance_table import balance_rows, markdown_table, terminal_table
from lggan_tf.training.build import build_lggan, build_strategy
from lggan_tf.training.failure import failure_error
from lggan_tf.training.hyperparameters import write_hyperparameters
from lggan_tf.training.memory import memory_peaks
from lggan_tf.training.profile import StepProfile
from lggan_tf.training.progress import Progress
from lggan_tf.training.samples import SampleGrid

# What a continued run may change: how long it goes on and what it reports, not what it computes.
CHANGEABLE = (
    "max_train_minutes",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep",
    "strategy",
    "cache",
    "profile_steps",
)


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
    """
    train_config = config.train
    strategy = build_strategy(train_config.strategy, train_config.global_batch_size)
    source, held_out = build_source(config, "train"), build_source(config, "val")
    per_epoch = steps_per_epoch(source, train_config.global_batch_size)
    epochs = train_config.epochs + train_config.decay_epochs
    total = per_epoch * epochs
    with raised_as_user_error():
        samples = SampleGrid(held_out, build_transform(config, source.classes, training=False))
    with raised_as_user_error():
        balance = build_class_balance(config, folder, source, say)
    with strategy.scope():
        model = build_lggan(config, source.classes, per_epoch, balance and balance.weights)
        step_variable = tf.Variable(
            0, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )
    checkpoints = Checkpoints(folder, model, step_variable, train_config.keep)
    missing = checkpoints.missing
    _open_run(config, folder, source.classes, is_start=bool(missing))
    start = 0
    if checkpoints.latest:
        start = checkpoints.restore()
        if missing:
            write_atomically(folder.config_file, config.to_json())
            say(f"starting from the weights in {folder.path}; new are {', '.join(missing)}")
        else:
            say(f"continuing {folder.path} from step {start}")
    model.guard.start(start)
    say(_summary(model, source, strategy, total))

    def batches_from(step):
        return training_batches(
            source,
            build_transform(config, source.classes, training=True),
            train_config.global_batch_size,
            train_config.seed,
            step,
            balance and balance.probabilities,
        )

    batches = batches_from(start)
    distributed = strategy.num_replicas_in_sync > 1
    iterator = iter(strategy.experimental_distribute_dataset(batches) if distributed else batches)

    @tf.function(reduce_retracing=True)
    def update(batch):
        shares = strategy.run(model.step, (batch,))
        return {n: strategy.reduce(tf.distribute.ReduceOp.SUM, v, None) for n, v in shares.items()}

    draw = tf.function(lambda batch: model(batch, training=False))
    progress = Progress(
        start, total, train_config.global_batch_size, train_config.max_train_minutes, say
    )
    writer = tf.summary.create_file_writer(str(folder.logs))
    step, window = start, []
    profile = StepProfile(config.profiled_steps, folder.logs, say)
    advice = Advice([collapsed_weight_map(), *map(winning_discriminator, config.views)], start)

    def check():
        failure = model.guard.failure()
        if failure is None:
            return
        step_variable.assign(failure.step - 1)
        raise failure_error(
            failure,
            folder,
            next(batches_from(failure.step - 1).as_numpy_iterator()),
            batch_names(
                source,
                train_config.global_batch_size,
                train_config.seed,
                failure.step - 1,
                balance and balance.probabilities,
            ),
            checkpoints.latest,
            lambda place: Checkpoints(place, model, step_variable).save(),
        )

    with raised_as_user_error(), _stop_on_signals() as stopped, writer.as_default(step):
        if step < total:
            write_hyperparameters(config, folder.path.name)
            if balance:
                _tell_balance(balance, config, source.classes, say, step)
        while step < total and not progress.out_of_time and not stopped:
            profile.before(step + 1)
            window.append(update(next(iterator)))
            step += 1
            profile.after(step)
            if step % train_config.log_every == 0 or step in (start + 1, total):
                check()
                terms = _means(window)
                speed = progress.report(
                    step, min((step - 1) // per_epoch + 1, epochs), epochs, terms
                )
                for sentence in advice.look(step, terms):
                    say(sentence)
                _write_scalars(model, terms, speed, step)
                window = []
            if step % train_config.sample_every == 0:
                _write_samples(samples, folder, draw, step)
            if step % train_config.checkpoint_every == 0:
                check()
                step_variable.assign(step)
                checkpoints.save()
        profile.close()
        if step > start:
            check()
            step_variable.assign(step)
            checkpoints.save()
            _write_samples(samples, folder, draw, step)
    if stopped:
        say(f"stopped by a signal at step {step}; the same command goes on from there")
        raise KeyboardInterrupt
    say(
        f"done: {step} of {total} steps; pictures in {folder.samples}, TensorBoard logs in "
        f"{folder.logs}"
    )
    return step


def _open_run(config: Config, folder: RunFolder, classes, is_start: bool = False) -> None:
    """Starts a run, or makes sure that the one in the folder is the same.

    Imported weights that have not trained a step yet (`is_start`) may be trained with other data
    and losses than the import supposed, but not in other networks.
    """
    if not folder.exists:
        folder.create(config, classes)
        return
    before, now = folder.read_config().to_flat(), config.to_flat()
    own = vars(config.model) if is_start else now
    for name, value in now.items():
        if name in own and name not in CHANGEABLE and before[name] != value:
            raise UserError(
                f"{folder.path} holds a run with --{name}={before[name]}, not {value}; give the "
                f"same flags to "
                "continue it, or another --run_dir"
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


def _means(window: list[dict[str, tf.Tensor]]) -> dict[str, float]:
    return {
        name: float(tf.add_n([terms[name] for terms in window])) / len(window) for name in window[0]
    }


def _tell_balance(balance, config, classes, say, step) -> None:
    rows = balance_rows(balance, classes, build_local_classes(config, classes).table)
    say(f"class balance {config.train.class_balance:g}: shares of pixels, rarest classes first")
    for line in terminal_table(rows):
        say(f"  {line}")
    tf.summary.text("class_balance", markdown_table(rows), step)


def _write_scalars(model, terms: dict[str, float], speed: float | None, step: int) -> None:
    for name, value in terms.items():
        tf.summary.scalar(name if name.startswith("metric/") else f"loss/{name}", value, step)
    for name, value in memory_peaks().items():
        tf.summary.scalar(name, value, step)
    tf.summary.scalar("learning_rate/generator", model.generator_optimizer.learning_rate, step)
    tf.summary.scalar(
        "learning_rate/discriminator", model.discriminator_optimizer.learning_rate, step
    )
    if speed is not None:
        tf.summary.scalar("images_per_second", speed, step)


def _write_samples(samples: SampleGrid, folder: RunFolder, draw, step: int) -> None:
    grid = samples.save(folder, draw(samples.batch), step)
    tf.summary.image("samples", grid[None], step)


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[list[int]]:
    """Collects the first SIGINT or SIGTERM, so that the step can end; a second acts at once."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number, frame):
        received.append(number)
        for other, handler in before.items():
            signal.signal(other, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
