#!/usr/bin/env bash
# A graph that squares a difference, as every hand-written variance does, converts to TFLite with 16-bit activations and
# 8-bit weights without a word; the file then fails when it first runs. The converter joins `tf.square(a - b)` to one
# SQUARED_DIFFERENCE, quantises it to int16, and the runtime has that operator in float32 and int32 alone. Written as
# `d * d` the same graph runs.
#
# Seen with tensorflow 2.21.0 (converter) and ai-edge-litert 2.3.0 (runtime): RuntimeError "SquaredDifference only
# supports FLOAT32 and INT32 now, got 7" for the square, an output for the product.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6 ai-edge-litert==2.3.0
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

x = np.random.default_rng(0).standard_normal((1, 8, 8, 4)).astype("float32")


def variance(values, square):
    difference = values - tf.reduce_mean(values, [1, 2], keepdims=True)
    return tf.reduce_mean(square(difference), [1, 2])


def run(square):
    module = tf.Module()
    module.function = tf.function(
        lambda values: variance(values, square), input_signature=[tf.TensorSpec(x.shape)]
    )
    tf.saved_model.save(module, "model", signatures=module.function)
    converter = tf.lite.TFLiteConverter.from_saved_model("model")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x] for _ in range(4))
    ops = tf.lite.OpsSet
    converter.target_spec.supported_ops = [
        ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        ops.TFLITE_BUILTINS,
    ]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    try:
        interpreter.invoke()
    except RuntimeError as error:
        return str(error)
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


squared = run(tf.square)
product = run(lambda difference: difference * difference)
print("tf.square:", squared)
print("product:", product, "exact:", x.var(axis=(1, 2)))
assert isinstance(squared, str) and "SquaredDifference only supports FLOAT32 and INT32" in squared
assert np.abs(product - x.var(axis=(1, 2))).max() < 0.01
PYTHON
