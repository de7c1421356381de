"""Whether a TFLite file may be used: what it holds, and what it draws against the SavedModel.

A conversion can leave a file without weights (it runs and gives rubbish), and quantisation can
spoil a picture; neither is an error to TFLite.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lggan_tf.errors import UserError
from lggan_tf.metrics.psnr import psnr

LARGEST_DIFFERENCE = 1e-3  # of float32
# Lowest PSNR in decibels, peak 2; of int8 it is the caller's.
BOUNDS = {"none": None, "float16": 45.0, "dynamic": 38.0, "int16x8": 40.0, "int8": None}
# Bytes per parameter that a file must have at least.
BYTES = {"none": 4, "float16": 2, "dynamic": 1, "int16x8": 1, "int8": 1}
RUNS = 5  # of which the median is the latency


@dataclass(frozen=True)
class Findings:
    """What is known of a file.

    Attributes:
        size: bytes.
        maps: number of maps that it was tried on.
        psnr: decibels against the SavedModel, the lowest of the maps; infinite if equal.
        difference: largest absolute difference from it.
        milliseconds: median time of a picture.
        threads: with so many threads.
        operators: names of the operators in it.
        float_operators: those among them that compute in float32, conversions aside.
    """

    size: int
    maps: int
    psnr: float
    difference: float
    milliseconds: float
    threads: int
    operators: tuple[str, ...]
    float_operators: tuple[str, ...]


def load_interpreter():
    """`ai_edge_litert.interpreter`.

    Raises:
        UserError: it is not installed.
    """
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise UserError(
            "TFLite files are checked in ai-edge-litert, which is not installed: "
            "pip install 'lggan-tf[tflite]'"
        ) from error
    return interpreter


def operators(content: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of a file's operators, and of those that have a float32 input and output."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    names = {
        number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
    }
    found, in_float = set(), set()
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            found.add(name)
            kinds = [
                {graph.tensors[i].type for i in places if i >= 0}
                for places in (operator.inputs, operator.outputs)
            ]
            if all(schema.TensorType.FLOAT32 in kind for kind in kinds):
                in_float.add(name)
    return tuple(sorted(found)), tuple(sorted(in_float))


def check(
    content: bytes,
    reference: Callable[[dict[str, Any]], np.ndarray],
    samples: Mapping[str, dict[str, Any]],
    quantize: str,
    min_psnr: float,
    parameters: int,
) -> Findings:
    """Runs a file on samples and compares.

    Args:
        content: the file.
        reference: sample -> image `[1,H,W,3]` float32 in [-1, 1] that it should draw.
        samples: what a map is called -> inputs by name.
        quantize: a key of `BOUNDS`.
        min_psnr: the bound of int8, decibels.
        parameters: number of weights that the file must hold.

    Raises:
        UserError: the file is not fit for use; the sentence says why.
    """
    names, in_float = operators(content)
    if "VAR_HANDLE" in names:
        raise UserError(
            "the converted file holds VAR_HANDLE operators, so its weights were left out; no file "
            "was written"
        )
    least = BYTES[quantize] * parameters
    if len(content) < least:
        raise UserError(
            f"the converted file has {len(content)} bytes, but {parameters} parameters take at "
            f"least {least}; no file was written"
        )
    threads = os.cpu_count() or 1
    interpreter = load_interpreter().Interpreter(model_content=content, num_threads=threads)
    draw = interpreter.get_signature_runner("serving_default")
    lowest, largest, worst = float("inf"), 0.0, ""
    for name, sample in samples.items():
        expected = reference(sample)
        inputs = {key: np.asarray(value) for key, value in sample.items()}
        found = draw(**inputs)["image"]
        if not np.isfinite(found).all():
            raise UserError(
                "the converted file draws numbers that are not finite; none was written"
            )
        largest = max(largest, float(np.abs(found - expected).max()))
        decibels = float(psnr(expected, found)[0])
        if not worst or decibels < lowest:
            lowest, worst = decibels, name
    _require(quantize, lowest, largest, min_psnr, worst)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        draw(**inputs)
        times.append(1000 * (time.perf_counter() - start))
    latency = statistics.median(times)
    return Findings(len(content), len(samples), lowest, largest, latency, threads, names, in_float)


def _require(quantize: str, lowest: float, largest: float, min_psnr: float, worst: str) -> None:
    if quantize == "none":
        if largest > LARGEST_DIFFERENCE:
            raise UserError(
                f"the converted file differs from the SavedModel by up to {largest:.2g}, most "
                f"of all on {worst}, where {LARGEST_DIFFERENCE:g} is allowed; no file was written"
            )
        return
    bound = min_psnr if quantize == "int8" else BOUNDS[quantize]
    if lowest < bound:
        advice = "lower --min_psnr or choose" if quantize == "int8" else "choose"
        raise UserError(
            f"--quantize={quantize} draws {worst} with {lowest:.1f} dB against the "
            f"SavedModel, below its bound of {bound:g} dB; no file was written: {advice} another "
            "--quantize"
        )
