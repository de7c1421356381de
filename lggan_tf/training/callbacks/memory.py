"""How much memory a run takes."""

import resource
import sys

import tensorflow as tf

GIB = 2**30


def memory_peaks() -> dict[str, float]:
    """The most that the process and each GPU have held so far, GiB, by TensorBoard's tags."""
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peaks = {"memory/process_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB}
    for number, _ in enumerate(tf.config.list_logical_devices("GPU")):
        info = tf.config.experimental.get_memory_info(f"GPU:{number}")
        peaks[f"memory/gpu_{number}_gib"] = info["peak"] / GIB
    return peaks
