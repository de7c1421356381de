"""The start of a run, or its continuation from the last checkpoint."""

from collections.abc import Callable

from lggan_tf.config import LENGTH, Config
from lggan_tf.data.sample import Source
from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoints import Checkpoints, is_start, newest_parts
from lggan_tf.runs.folder import RunFolder, write_atomically
from lggan_tf.runs.train_samples import note_train_samples
from lggan_tf.runs.warm_start import warm_start

# What a continued run may change: how long it goes on, which config.json then says as well; and
# what it reports, keeps and runs on, not what it computes.
CHANGEABLE = (
    *LENGTH,
    "max_train_minutes",
    "log_every",
    "sample_every",
    "checkpoint_every",
    "keep",
    "best_metric",
    "strategy",
    "steps_per_execution",
    "cache",
    "profile_steps",
)


def check_settings(config: Config, folder: RunFolder) -> None:
    """Makes sure that the run in the folder, if any, has these settings.

    Imported weights that have not trained a step yet may be trained with other data and losses than
    the import supposed, but not in other networks. To be called first: what is refused costs no
    time and leaves no traces.

    Raises:
        UserError: it has others.
    """
    if not folder.exists:
        return
    before, now = folder.read_config().to_flat(), config.to_flat()
    other = [name for name in now if name not in CHANGEABLE and before[name] != now[name]]
    if other and is_start(newest_parts(folder)):
        other = [name for name in other if name in vars(config.model)]
    if other:
        name = other[0]
        raise UserError(
            f"{folder.path} holds a run with --{name}={before[name]}, not {now[name]}; give the "
            "same flags to continue it, or another --run_dir"
        )


def open_or_continue(
    config: Config,
    folder: RunFolder,
    source: Source,
    model,
    checkpoints: Checkpoints,
    total: int,
    say: Callable[[str], None],
    is_chief: bool = True,
) -> int:
    """Starts a run or takes it up again; returns the number of steps done.

    Only the chief writes. Settings and samples are those of the run (`check_settings`,
    `check_train_samples`).

    Raises:
        UserError: the folder holds damaged checkpoints alone, or more steps than `total`; or there
            is nothing to start from in `--warm_start`.
    """
    latest, missing, done = checkpoints.latest, checkpoints.missing, checkpoints.steps_done
    if done > total:
        train = config.train
        raise UserError(
            f"--epochs={train.epochs} and --decay_epochs={train.decay_epochs} are {total} steps, "
            f"but {folder.path} has done {done} already; give more epochs, or start again in "
            "another --run_dir"
        )
    if is_chief:
        open_run(config, folder, source.classes, say, untrained=bool(missing))
        note_train_samples(folder, source)
    if not latest:
        if unfinished := checkpoints.unfinished:
            say(f"left out: {unfinished}; starting from step 0")
        if config.train.warm_start:
            _start_warm(RunFolder(config.train.warm_start), model, say)
        return 0
    start = checkpoints.restore()
    if missing:
        if "average" in missing:
            model.average.restart(model.generator)
        if is_chief:
            write_atomically(folder.config_file, config.to_json())
        say(f"starting from the weights in {folder.path}; new are {', '.join(missing)}")
    else:
        say(f"continuing {folder.path} from step {start}")
    return start


def open_run(
    config: Config,
    folder: RunFolder,
    classes,
    say: Callable[[str], None] = print,
    untrained: bool = False,
) -> None:
    """Starts a run, or writes how long the one in the folder goes on from now on.

    That of weights which have not trained yet (`untrained`) is written when they are restored.
    """
    if not folder.exists:
        folder.create(config, classes)
        return
    before, now = folder.read_config().to_flat(), config.to_flat()
    length = {name: now[name] for name in LENGTH if now[name] != before[name]}
    if length and not untrained:
        write_atomically(folder.config_file, Config.from_flat(before | length).to_json())
        for name, value in length.items():
            say(f"--{name} was {before[name]} and is {value} from now on")


def _start_warm(other: RunFolder, model, say):
    left = warm_start(other, model.generator, model.discriminators)
    if model.average is not None:
        model.average.restart(model.generator)
    say(f"starting from the weights of {other.path}" + ("; not taken over are:" if left else ""))
    for line in left:
        say(f"  {line}")
