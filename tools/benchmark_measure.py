"""Time, memory and work of a case (`benchmark_cases`), and what the machine could do."""

import statistics
import time
from pathlib import Path

from benchmark_cases import Case


def wait(outputs) -> None:
    """Until everything is computed."""
    import tensorflow as tf

    for value in tf.nest.flatten(outputs):
        tf.convert_to_tensor(value).numpy()


def interleaved(cases: dict[str, Case], runs: int) -> dict[str, list[float]]:
    """Seconds of each run, the cases taking turns.

    Each is behind an untimed one of the same case: the first after another case is slower.
    """
    functions = {name: case.function() for name, case in cases.items()}
    seconds = {name: [] for name in cases}
    for _ in range(runs):
        for name, case in cases.items():
            wait(functions[name](*case.arguments))
            start = time.perf_counter()
            wait(functions[name](*case.arguments))
            seconds[name].append(time.perf_counter() - start)
    return seconds


def memory_of_first_run(case: Case) -> tuple[float, float]:
    """GB at the peak above what the built model holds, and GB in all (Linux; nan elsewhere).

    Only the first run of a process tells: TensorFlow keeps what was once allocated. The graph
    belongs to the model, so a small run comes first.
    """
    compiled = case.function_of_any_size()
    for _ in range(2):
        wait(compiled(*case.small_arguments))
    held = _memory("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    except OSError:
        return float("nan"), float("nan")
    wait(compiled(*case.arguments))
    peak = _memory("VmHWM")
    return peak - held, peak


def _memory(field: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(x.split()[1]) * 1024 / 1e9 for x in lines if x.startswith(field))


def gigaflop(case: Case) -> float:
    """Of the operations whose shapes are known: all of a dense case.

    Of a label-aware one those outside the parts that follow the labels.
    """
    from tensorflow.compat.v1.profiler import ProfileOptionBuilder, profile

    options = ProfileOptionBuilder.float_operation() | {"output": "none"}
    return profile(case.function().graph, options=options).total_float_ops / 1e9


def machine_gigaflops() -> float:
    """GFLOP/s of one large float32 matrix product, the best of three."""
    import tensorflow as tf

    one, best = tf.random.normal([2048, 2048]), 0.0
    for _ in range(4):
        start = time.perf_counter()
        tf.matmul(one, one).numpy()
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def row(name: str, case: Case, seconds: list[float], work: float, machine: float) -> dict:
    """A row of the table."""
    median = statistics.median(seconds)
    return {
        "name": case.name,
        "implementation": name,
        "median_ms": 1e3 * median,
        "min_ms": 1e3 * min(seconds),
        "max_ms": 1e3 * max(seconds),
        "images_per_s": case.images / median,
        "gflop": work,
        "share_of_peak": work / median / machine,
        "machine_gflops": machine,
        "distinct_windows": case.windows,
        "boundary_pixels": case.boundaries,
    }
