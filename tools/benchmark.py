"""How long the parts of a recipe take, label-aware against dense, in one process and interleaved.

    python tools/benchmark.py --recipes=cityscapes,ade20k --what=generator,step
    python tools/benchmark.py --what=classes,boundaries

Maps are those of the embedded town, its classes spread over the recipe's. Prints a Markdown table
with the median, least and most of several runs after warm-up, images/s, the peak of memory above
what the process holds before that call (label-aware first; what an earlier call has freed counts as
held), the dense formulation's GFLOP, and its share of what one large matrix product reaches in the
same process. Every pair of rows is measured in a process of its own, with oneDNN as lggan-train and
lggan-generate have it, so shares of different parts do not compare.
"""

import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

from absl import flags

from lggan_tf.bin import config_flags, quiet, recipes, runner
from lggan_tf.config import Config
from lggan_tf.errors import UserError

PARTS = ("generator", "step", "classes", "sizes", "batches", "boundaries")
# Of the class-specific convolution alone: 256x256 pixels, 64 channels, 12 classes present.
LAYER = {"classes": 35, "side": 256, "batch": 1, "noise": 0.0}
LAYER_ROWS = {
    "classes": [{"classes": count} for count in (6, 35, 150, 500)],
    "sizes": [{"side": side} for side in (128, 256, 512)],
    "batches": [{"batch": batch} for batch in (1, 2, 4)],
    "boundaries": [{"noise": share} for share in (0.0, 0.02, 0.2, 1.0)],
}
# A dense convolution of 500 classes would need more memory than most machines have.
DENSE_CLASSES = 150


def define(flag_values: flags.FlagValues) -> None:
    """What to measure, and where the numbers go."""
    flags.DEFINE_list(
        "recipes", ["town_semantic"], "For generator and step.", flag_values=flag_values
    )
    flags.DEFINE_list(
        "what",
        ["generator", "step"],
        f"Of {', '.join(PARTS)}; the last four are the class-specific convolution alone.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer("batch_size", 1, "Of generator and step.", 1, flag_values=flag_values)
    flags.DEFINE_integer(
        "runs", 5, "Runs of which the median is taken.", 1, flag_values=flag_values
    )
    flags.DEFINE_string("json", "", "Also write the numbers here.", flag_values=flag_values)


def town_labels(batch: int, height: int, width: int, classes: int, noise: float):
    """Maps of the town `[B,H,W]` uint16, ids spread over `classes`, a share of them at random."""
    import numpy as np

    from lggan_tf.data.town_source import TownSource

    source = TownSource("semantic", "val", 0, height, width)
    maps = np.stack([source.load(i)["labels"] for i in range(batch)]).astype("int64")
    maps = maps * max(classes // source.classes.num_labels, 1) % classes
    rng = np.random.default_rng(0)
    is_noise = rng.random(maps.shape) < noise
    return np.where(is_noise, rng.integers(0, classes, maps.shape), maps).astype("uint16")


def recipe_case(recipe: str, part: str, batch: int):
    """A function of the implementation that runs the part once, and its images per run."""
    import numpy as np
    import tensorflow as tf

    from lggan_tf.data.sources import open_classes
    from lggan_tf.training.build import build_lggan

    values = flags.FlagValues()
    recipes.define(values)
    config_flags.define(values)
    values(["benchmark", *recipes.expand([f"--recipe={recipe}"], values)])
    # Weights for a perceptual term would have to be there, and for a check the data.
    config = Config.from_flat(config_flags.given(values) | {"lambda_perceptual": 0.0})
    height, width = config.data.image_height, config.data.image_width
    classes = open_classes(config.data.dataset, config.data.data_dir)
    labels = town_labels(batch, height, width, classes.num_labels, 0.0)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (batch, height, width, 3)).astype("uint8")
    edges = np.pad(labels[:, :, 1:] != labels[:, :, :-1], ((0, 0), (0, 0), (1, 0)))
    given = {
        "labels": labels.astype(classes.label_dtype),
        "edges": edges.astype("uint8"),
        "source": picture,
        "colours": picture,
        "image": picture,
    }
    given = {name: tf.constant(value) for name, value in given.items()}
    model = build_lggan(config, classes, 100)
    functions = {}

    def run(implementation):
        if implementation not in functions:
            model.generator.implementation = implementation
            whole = model.step if part == "step" else lambda b: model(b, training=False)["image"]
            functions[implementation] = tf.function(whole).get_concrete_function(given)
        return functions[implementation](given)

    return run, batch, f"{recipe} {part} {height}x{width}x{batch}", functions


def layer_case(settings: dict):
    """As `recipe_case`, of the class-specific convolution alone, forward and backward."""
    import tensorflow as tf

    from lggan_tf.layers.class_specific import ClassSpecificConv2D

    given = LAYER | settings
    side, batch, classes = given["side"], given["batch"], given["classes"]
    labels = tf.constant(town_labels(batch, side, side, classes, given["noise"]).astype("int32"))
    features = tf.random.normal([batch, side, side, 64])
    layer = ClassSpecificConv2D(3, 7, classes, merge="conv", initializer="xavier")
    layer.build(features.shape)
    functions = {}

    def whole(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_mean(tf.square(layer(features, labels)))
        return tape.gradient(loss, [features, *layer.trainable_variables])

    def run(implementation):
        if implementation not in functions:
            layer.implementation = implementation
            functions[implementation] = tf.function(whole).get_concrete_function(features)
        return functions[implementation](features)

    name = " ".join(f"{key}={value}" for key, value in given.items())
    return run, batch, f"class convolution, training, {name}", functions


def wait(outputs) -> None:
    """Until everything is computed."""
    import tensorflow as tf

    for value in tf.nest.flatten(outputs):
        tf.convert_to_tensor(value).numpy()


def memory(field: str) -> float:
    """VmRSS or VmHWM of this process in GB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e9
    return float("nan")


def peak_of(function) -> float:
    """GB that a call needs above what the process holds."""
    before = memory("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    except OSError:
        return float("nan")
    function()
    return memory("VmHWM") - before


def gigaflop(function) -> float:
    """Of a concrete function whose shapes are known."""
    from tensorflow.compat.v1.profiler import ProfileOptionBuilder, profile

    options = ProfileOptionBuilder.float_operation() | {"output": "none"}
    return profile(function.graph, options=options).total_float_ops / 1e9


def machine_gigaflops() -> float:
    """GFLOP/s of one large float32 matrix product, the best of three."""
    import tensorflow as tf

    one, best = tf.random.normal([2048, 2048]), 0.0
    for _ in range(4):
        start = time.perf_counter()
        tf.matmul(one, one).numpy()
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def measure(case: dict) -> list[dict]:
    """The rows of a case: label-aware and dense."""
    quiet.load_tensorflow(trains=case["part"] != "generator")
    if case["part"] in LAYER_ROWS:
        run, batch, name, functions = layer_case(case["settings"])
    else:
        run, batch, name, functions = recipe_case(case["recipe"], case["part"], case["batch"])
    kinds = ["auto"]
    if case["part"] not in LAYER_ROWS or case["settings"].get("classes", 0) <= DENSE_CLASSES:
        kinds.append("dense")
    peaks = {}
    for kind in kinds:
        wait(run(kind))
        peaks[kind] = peak_of(lambda kind=kind: wait(run(kind)))
    times = {kind: [] for kind in kinds}
    for _ in range(case["runs"]):
        for kind in kinds:
            start = time.perf_counter()
            wait(run(kind))
            times[kind].append(time.perf_counter() - start)
    peak = machine_gigaflops()
    work = gigaflop(functions["dense"]) if "dense" in functions else float("nan")
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    return [
        {
            "name": name,
            "implementation": "label-aware" if kind == "auto" else kind,
            "median_ms": 1e3 * medians[kind],
            "min_ms": 1e3 * min(times[kind]),
            "max_ms": 1e3 * max(times[kind]),
            "images_per_s": batch / medians[kind],
            "peak_gb": peaks[kind],
            "dense_gflop": work,
            "share_of_peak": work / medians[kind] / peak if kind == "dense" else float("nan"),
            "machine_gflops": peak,
            "times_faster": medians.get("dense", float("nan")) / medians[kind],
        }
        for kind in kinds
    ]


def cases(flag_values: flags.FlagValues) -> list[dict]:
    """What is to be measured, in order."""
    what, found = flag_values["what"].value, []
    for part in what:
        if part not in PARTS:
            raise UserError(f"--what={part} is not one of {', '.join(PARTS)}")
        common = {"part": part, "runs": flag_values["runs"].value}
        if part in LAYER_ROWS:
            found += [common | {"settings": settings} for settings in LAYER_ROWS[part]]
        else:
            batch = flag_values["batch_size"].value
            found += [
                common | {"recipe": recipe, "batch": batch}
                for recipe in flag_values["recipes"].value
            ]
    return found


def main(flag_values: flags.FlagValues) -> None:
    """Prints the rows one by one, and writes them."""
    from lggan_tf.runs.folder import write_atomically

    found, rows = cases(flag_values), []
    target = Path(flag_values["json"].value)
    if not target.absolute().parent.is_dir():
        raise UserError(f"--json={target}: there is no folder {target.absolute().parent}")
    print(
        "| what | implementation | ms (least to most) | images/s | peak GB | GFLOP | of peak | x |"
    )
    print("|---|---|---|---|---|---|---|---|")
    # A fresh interpreter each time: memory that was once held is not given back.
    context = multiprocessing.get_context("spawn")
    for case in found:
        with context.Pool(1) as pool:
            rows += (new := pool.apply(measure, (case,)))
        for row in new:
            print(
                f"| {row['name']} | {row['implementation']} | {row['median_ms']:.0f} "
                f"({row['min_ms']:.0f} to {row['max_ms']:.0f}) | {row['images_per_s']:.2f} "
                f"| {row['peak_gb']:.2f} | {row['dense_gflop']:.0f} "
                f"| {row['share_of_peak']:.2f} | {row['times_faster']:.1f} |"
            )
            sys.stdout.flush()
    if flag_values["json"].value:
        write_atomically(target, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    runner.run(main, define)
