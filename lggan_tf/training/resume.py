"""The start of a run, or its continuation from the last checkpoint."""

from collections.abc import Callable

from lggan_tf.config import Config
from lggan_tf.errors import UserError
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder, write_atomically
from lggan_tf.runs.warm_start import warm_start

# What a continued run may change: how long it goes on, which config.json then says as well ...
LENGTH = ("epochs", "decay_epochs")
# ... and what it reports, not what it computes.
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


def open_or_continue(
    config: Config,
    folder: RunFolder,
    classes,
    model,
    checkpoints: Checkpoints,
    say: Callable[[str], None],
    is_chief: bool = True,
) -> int:
    """Starts a run or takes it up again; returns the number of steps done.

    Only the chief writes.

    Raises:
        UserError: the folder holds a run with other settings, or damaged checkpoints alone; or
            there is nothing to start from in `--warm_start`.
    """
    latest, missing = checkpoints.latest, checkpoints.missing
    if is_chief:
        open_run(config, folder, classes, say, is_start=bool(missing))
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
    is_start: bool = False,
) -> None:
    """Starts a run, or makes sure that the one in the folder is the same.

    Imported weights that have not trained a step yet (`is_start`) may be trained with other data
    and losses than the import supposed, but not in other networks.
    """
    if not folder.exists:
        folder.create(config, classes)
        return
    written = folder.read_config()
    before, now = written.to_flat(), config.to_flat()
    own = vars(config.model) if is_start else now
    for name, value in now.items():
        if name in own and name not in CHANGEABLE and before[name] != value:
            raise UserError(
                f"{folder.path} holds a run with --{name}={before[name]}, not {value}; give the "
                f"same flags to "
                "continue it, or another --run_dir"
            )
    length = {name: now[name] for name in LENGTH if now[name] != before[name]}
    if length and not is_start:
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
