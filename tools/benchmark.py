"""How long the parts of a recipe take, label-aware against dense, in one process and interleaved.

    python tools/benchmark.py --recipes=cityscapes,ade20k --what=generator,step
    python tools/benchmark.py --what=classes,relabelled,boundaries --plot=classes.png

Settings of `lggan-train` may be given as well and win over the recipe's (--image_height=128,
--precision=mixed_bfloat16). Maps are those of the embedded town or of --labels_dir, their classes
spread over the recipe's. The Markdown table has

* milliseconds: the median of several runs after warm-up, the least and the most; images/s;
* GB at the peak above what the built model holds, and in all, of a process that runs it once;
* GFLOP of the operations whose shapes are known before the labels are: for label-aware rows without
  what follows the labels; and their share of what one large matrix product reaches in that process;
* the share of distinct 5x5 windows of labels and of pixels at a boundary between classes;
* how many times faster than dense.

oneDNN is as lggan-train and lggan-generate have it, so shares of different parts do not compare.
"""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import benchmark_cases
import benchmark_measure
from absl import flags

from lggan_tf import config
from lggan_tf.bin import config_flags, quiet, runner
from lggan_tf.errors import UserError

# Of the class-specific convolution alone, what differs from benchmark_cases.LAYER.
LAYER_ROWS = {
    "classes": [
        {"classes": count, "merge": merge, "training": training}
        for count in (6, 35, 150, 500)
        for merge in ("sum", "conv")
        for training in (False, True)
    ],
    "relabelled": [
        {"classes": count, "present": 6, "training": training}
        for training in (False, True)
        for count in (6, 35, 150)
    ],
    "sizes": [{"side": side} for side in (128, 256, 512)],
    "batches": [{"batch": batch} for batch in (1, 2, 4)],
    "boundaries": [{"noise": share} for share in (0.0, 0.02, 0.2, 1.0)],
}
PARTS = ("generator", "step", *LAYER_ROWS)
# A dense convolution of 500 classes would need more memory than most machines have.
DENSE_CLASSES = 150


def define(flag_values: flags.FlagValues) -> None:
    """What to measure, and where the numbers go."""
    config_flags.define(flag_values)
    flags.DEFINE_list(
        "recipes", ["town_semantic"], "For generator and step.", flag_values=flag_values
    )
    flags.DEFINE_list(
        "what",
        ["generator", "step"],
        f"Of {', '.join(PARTS)}; the last {len(LAYER_ROWS)} are the class-specific convolution "
        "alone.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "implementations",
        ["label-aware", "dense"],
        f"Of {', '.join(benchmark_cases.IMPLEMENTATIONS)}.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "threads", ["0"], "Rows for so many threads; 0: all.", flag_values=flag_values
    )
    flags.DEFINE_integer("batch_size", 1, "Of generator and step.", 1, flag_values=flag_values)
    flags.DEFINE_string(
        "labels_dir",
        "",
        "Label maps (PNG) for generator and step instead of the town's.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "window_share",
        0.0,
        "Enlarge the maps until no more than this share of the windows is distinct; 0: do not.",
        0.0,
        1.0,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "runs", 5, "Runs of which the median is taken.", 1, flag_values=flag_values
    )
    flags.DEFINE_boolean(
        "memory",
        True,
        "Also measure memory, for which each row is built once more.",
        flag_values=flag_values,
    )
    flags.DEFINE_string("json", "", "Also write the numbers here.", flag_values=flag_values)
    flags.DEFINE_string("plot", "", "Also draw the times, as a PNG.", flag_values=flag_values)


def _open(job: dict, implementation: str):
    import tensorflow as tf

    if job["threads"]:
        tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
        tf.config.threading.set_inter_op_parallelism_threads(job["threads"])
    if job["part"] in LAYER_ROWS:
        return benchmark_cases.layer_case(job["layer"], implementation)
    return benchmark_cases.recipe_case(job["recipe"], job["part"], implementation, job["options"])


def times(job: dict) -> list[dict]:
    """The rows of a job without memory."""
    quiet.load_tensorflow(trains=job["part"] != "generator")
    cases = {name: _open(job, name) for name in job["implementations"]}
    seconds = benchmark_measure.interleaved(cases, job["runs"])
    machine = benchmark_measure.machine_gigaflops()
    rows = [
        benchmark_measure.row(name, case, seconds[name], benchmark_measure.gigaflop(case), machine)
        | {"part": job["part"], "threads": job["threads"]}
        for name, case in cases.items()
    ]
    dense = [row["median_ms"] for row in rows if row["implementation"] == "dense"]
    for row in rows:
        row["times_faster"] = dense[0] / row["median_ms"] if dense else float("nan")
    return rows


def memory(job: dict, implementation: str) -> tuple[float, float]:
    """GB above the built model and in all."""
    quiet.load_tensorflow(trains=job["part"] != "generator")
    return benchmark_measure.memory_of_first_run(_open(job, implementation))


def jobs(flag_values: flags.FlagValues) -> list[dict]:
    """What is to be measured, in order; each is a pair of rows."""
    given = {name: flag_values[name].value for name in flag_values}
    for name, known in (
        ("what", PARTS),
        ("implementations", tuple(benchmark_cases.IMPLEMENTATIONS)),
    ):
        for value in given[name]:
            if value not in known:
                raise UserError(f"--{name}={value} is not one of {', '.join(known)}")
    if bad := [value for value in given["threads"] if not value.isdecimal()]:
        raise UserError(f"--threads={bad[0]} is no number of threads")
    settings = {
        name: given[name] for name in config.all_fields() if name in config_flags.given(flag_values)
    }
    options = {name: given[name] for name in ("labels_dir", "window_share")}
    options |= {"batch": given["batch_size"], "settings": settings}
    found = []
    for part in given["what"]:
        common = {"part": part, "runs": given["runs"], "implementations": given["implementations"]}
        for threads in map(int, given["threads"]):
            common["threads"] = threads
            if part not in LAYER_ROWS:
                found += [
                    common | {"recipe": name, "options": options} for name in given["recipes"]
                ]
                continue
            for layer in LAYER_ROWS[part]:
                kinds = common["implementations"]
                if layer.get("classes", 0) > DENSE_CLASSES:
                    kinds = [kind for kind in kinds if kind == "label-aware"]
                found.append(common | {"layer": layer, "implementations": kinds})
    return found


def plot(rows: list[dict], target: Path) -> None:
    """Bars of the times, a pair of them per name."""
    import io

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from lggan_tf.runs.folder import write_atomically

    figure, axes = pyplot.subplots(figsize=(10, 1 + 0.35 * len(rows)), layout="constrained")
    colours = {"label-aware": "tab:green", "dense": "tab:gray", "dense_xla": "tab:blue"}
    places = range(len(rows))[::-1]
    medians = [row["median_ms"] for row in rows]
    errors = [
        [row["median_ms"] - row["min_ms"] for row in rows],
        [row["max_ms"] - row["median_ms"] for row in rows],
    ]
    bars = axes.barh(
        places, medians, xerr=errors, color=[colours[row["implementation"]] for row in rows]
    )
    axes.bar_label(bars, [f" {median:.0f}" for median in medians])
    axes.set_yticks(places, [f"{row['name']}\n{row['implementation']}" for row in rows], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(left=min(medians) / 3)
    axes.set_xlabel("ms, median and range")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    write_atomically(target, picture.getvalue())


def _in_a_new_process(measure, *arguments):
    """`measure` in a fresh interpreter: memory that was once held is not given back."""
    context = multiprocessing.get_context("spawn")
    # Not a multiprocessing.Pool, which waits for ever for a process that was killed.
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(measure, *arguments).result()
        except BrokenProcessPool as error:
            raise UserError(
                "the process of a row was killed, perhaps for want of memory; measure fewer "
                "classes, smaller images or --nomemory"
            ) from error


def main(flag_values: flags.FlagValues) -> None:
    """Prints the rows one by one, and writes them."""
    from lggan_tf.runs.folder import write_atomically

    found, rows = jobs(flag_values), []
    targets = {name: Path(flag_values[name].value) for name in ("json", "plot")}
    for name, target in targets.items():
        if not target.absolute().parent.is_dir():
            raise UserError(f"--{name}={target}: there is no folder {target.absolute().parent}")
    if flag_values["plot"].value:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise UserError("--plot needs matplotlib: pip install 'lggan-tf[plot]'") from error
    print(
        "| what | implementation | ms (least to most) | images/s | GB more (in all) | GFLOP "
        "| of peak | distinct windows | boundary | x |"
    )
    print("|---" * 10 + "|")
    for job in found:
        new = _in_a_new_process(times, job)
        for row in new:
            row["peak_gb"] = row["total_gb"] = float("nan")
            if flag_values["memory"].value:
                held = _in_a_new_process(memory, job, row["implementation"])
                row["peak_gb"], row["total_gb"] = held
            threads = f", {row['threads']} thread(s)" if row["threads"] else ""
            print(
                f"| {row['name']}{threads} | {row['implementation']} | {row['median_ms']:.0f} "
                f"({row['min_ms']:.0f} to {row['max_ms']:.0f}) | {row['images_per_s']:.2f} "
                f"| {row['peak_gb']:.2f} ({row['total_gb']:.2f}) | {row['gflop']:.0f} "
                f"| {row['share_of_peak']:.2f} | {row['distinct_windows']:.2f} "
                f"| {row['boundary_pixels']:.2f} | {row['times_faster']:.1f} |"
            )
            sys.stdout.flush()
        rows += new
    if flag_values["json"].value:
        write_atomically(targets["json"], json.dumps(rows, indent=1) + "\n")
    if flag_values["plot"].value:
        plot(rows, targets["plot"])


if __name__ == "__main__":
    runner.run(main, define)
