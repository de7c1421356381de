"""What the training loop costs beside the compiled step, and how long a step waits for data.

    python tools/benchmark_loop.py
    python tools/benchmark_loop.py --recipe=town_cross_view --steps=20

Chunks of steps alternate between a bare loop, `for ...: update(iterator)`, and the loop of
`lggan-train` with all its callbacks at the recipe's intervals, on one model and one stream of data.
Of every pair of neighbouring chunks the ratio of their times is taken; their median is the loop's
cost, as far as the machine is quiet. On CPUs, where a call returns when its step is done, what the
loop does between its calls is also timed by itself, and that is the figure to go by. A callback
that is due less often than a chunk is long is not seen: checkpoints and grids of pictures are timed
by themselves and shared out over their intervals. Run it on a quiet machine.
"""

import contextlib
import statistics
import tempfile
import time

from absl import flags

from lggan_tf.bin import config_flags, quiet, recipes, runner
from lggan_tf.runs.folder import RunFolder


def define(flag_values: flags.FlagValues) -> None:
    """The flags: a recipe, every setting, and how long to measure."""
    recipes.define(flag_values)
    for name, default, text in (
        ("steps", 8, "Steps of a chunk."),
        ("pairs", 5, "Pairs of chunks."),
    ):
        flags.DEFINE_integer(name, default, text, lower_bound=1, flag_values=flag_values)
    config_flags.define(flag_values)


def main(flag_values: flags.FlagValues) -> None:
    """Builds a run in a temporary folder and times its loop."""
    config = config_flags.read(flag_values)
    quiet.load_tensorflow(trains=True)
    with tempfile.TemporaryDirectory() as folder:
        report(config, RunFolder(folder), flag_values["steps"].value, flag_values["pairs"].value)


def report(config, folder: RunFolder, steps: int, pairs: int) -> None:
    """Prints the numbers of a new run."""
    with parts_of(config, folder) as (model, update, iterator, callbacks):
        measure(config, model, update, iterator, callbacks, steps, pairs)


def measure(config, model, update, iterator, callbacks, steps: int, pairs: int) -> None:
    """Times steps and callbacks, and prints the numbers."""
    from lggan_tf.training.callbacks.samples import Samples
    from lggan_tf.training.callbacks.save import SaveCheckpoints
    from lggan_tf.training.loop import run_steps

    waited, done, inside = [], 0, 0.0

    def timed(*arguments):
        nonlocal inside
        start = time.perf_counter()
        logs = update(*arguments)
        inside += time.perf_counter() - start
        return logs

    def bare() -> float:
        nonlocal done
        start = time.perf_counter()
        for _ in range(steps):
            logs = update(iterator)
            waited.append(logs.waited)
        dict(logs)
        done += steps
        return time.perf_counter() - start

    def looped() -> float:
        nonlocal done
        # Without their ends, which draw and save once a run.
        every_step = [c for c in callbacks if not isinstance(c, Samples | SaveCheckpoints)]
        start = time.perf_counter()
        run_steps(model, timed, iterator, every_step, done, done + steps, 10**9)
        done += steps
        return time.perf_counter() - start

    looped()  # waits for samples that are slow to make
    bare()
    waited.clear()
    inside, ratios, times, looped_times = 0.0, [], [], []
    for number in range(pairs):
        # Whoever goes first gains or loses by it.
        order = (bare, looped) if number % 2 else (looped, bare)
        took = {measure: measure() for measure in order}
        ratios.append(took[looped] / took[bare])
        times.append(took[bare] / steps)
        looped_times.append(took[looped])
    each = statistics.median(times)
    print(f"a step: {each * 1e3:.1f} ms (median of {pairs} chunks of {steps} steps)")
    print(
        f"the loop against a bare one: {statistics.median(ratios) - 1:+.2%} (median; "
        f"{min(ratios) - 1:+.2%} to {max(ratios) - 1:+.2%})"
    )
    between = 1 - inside / sum(looped_times)
    print(f"between the calls of the step: {between:.2%} of the loop's time")
    share = sum(float(w) for w in waited) / sum(times) / steps
    print(f"waiting for data: {share:.2%} of the bare loops' time")
    total = 0.0
    for kind, every in (
        (Samples, config.train.sample_every),
        (SaveCheckpoints, config.train.checkpoint_every),
    ):
        callback = next(c for c in callbacks if isinstance(c, kind))
        callback.set_model(model)
        for turn in range(2):  # the first builds a graph
            start = time.perf_counter()
            callback.on_train_batch_end((turn + 1) * every - 1, logs=_Steps(every))
            took = time.perf_counter() - start
        total += took / every / each
        print(
            f"{kind.__name__}: {took * 1e3:.0f} ms every {every} steps, {took / every / each:.2%}"
        )
    print(f"in all outside the step: {between + total:.2%}")


@contextlib.contextmanager
def parts_of(config, folder: RunFolder):
    """Model, step, data and callbacks of a new run on one device."""
    import tensorflow as tf

    from lggan_tf.data.pipeline import sample_numbers, steps_per_epoch, training_batches
    from lggan_tf.runs.build import build_source, build_transform
    from lggan_tf.runs.checkpoints import Checkpoints
    from lggan_tf.training.build import build_lggan
    from lggan_tf.training.callbacks.build import Run, build_callbacks
    from lggan_tf.training.callbacks.load_ahead import LoadAhead
    from lggan_tf.training.callbacks.sample_grid import SampleGrid
    from lggan_tf.training.callbacks.stop_on_signals import StopOnSignals
    from lggan_tf.training.callbacks.time_limit import TimeLimit
    from lggan_tf.training.compiled_step import CompiledStep

    size, seed = config.train.global_batch_size, config.train.seed
    source, held_out = build_source(config, "train"), build_source(config, "val")
    per_epoch = steps_per_epoch(source, size)
    model = build_lggan(config, source.classes, per_epoch)
    step = tf.Variable(0, dtype=tf.int64)
    folder.create(config, source.classes)
    limit, signals = TimeLimit(0), StopOnSignals()
    first_epoch = sample_numbers(source, size, seed, range(per_epoch))
    with LoadAhead(source, first_epoch, limit, signals.received, print) as ahead:
        run = Run(
            config=config,
            folder=folder,
            source=source,
            balance=None,
            grid=SampleGrid(held_out, build_transform(config, source.classes, training=False)),
            checkpoints=Checkpoints(folder, model, step, config.train.keep),
            step=step,
            steps_per_epoch=per_epoch,
            total=10**9,
            limit=limit,
            signals=signals,
            ahead=ahead,
            say=print,
        )
        transform = build_transform(config, source.classes, training=True)
        batches = training_batches(source, transform, size, seed)
        update = CompiledStep(tf.distribute.get_strategy(), model.step, config.train.jit_compile)
        yield model, update, iter(batches), build_callbacks(run)


class _Steps:
    """What the two callbacks want of logs."""

    def __init__(self, steps: int):
        self.steps = steps


if __name__ == "__main__":
    runner.run(main, define)
