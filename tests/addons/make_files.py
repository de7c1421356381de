"""Makes what the older stack has to agree with: `python make_files.py FOLDER`, in the newer stack.

FOLDER gets `model` (a SavedModel with all signatures), `none.tflite`, `float16.tflite`, and
`arrays.npz`: inputs, what they give here, and instance normalisation of features.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.export.saved_model import export_saved_model
from lggan_tf.export.tflite import export_tflite
from lggan_tf.export.tflite_check import load_interpreter
from lggan_tf.layers.normalization import EPSILON, InstanceNorm
from lggan_tf.runs.build import build_networks, build_source
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import GeneratorOnly

SETTINGS = {
    "dataset": "town_semantic",
    "image_height": 32,
    "image_width": 32,
    "filters": 4,
    "spade_hidden": 4,
    "residual_blocks": 1,
    "latent_stride": 16,
    "lambda_perceptual": 0.0,
}


def make_run(folder: RunFolder) -> None:
    """An untrained run, whose kernels are large enough to be seen."""
    config = Config.from_flat(SETTINGS).check()
    classes = build_source(config, "val").classes
    _, generator, _ = build_networks(config, classes)
    rng = np.random.default_rng(0)
    for variable in generator.trainable_variables:
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        deviation = 0.3 if len(variable.shape) < 3 else fan_in**-0.5
        variable.assign(rng.normal(0, deviation, variable.shape))
    for block in generator.global_generator.blocks:
        for _ in range(5):
            block.convolution_0.sigma(training=True)
            block.convolution_1.sigma(training=True)
            if block.learns_shortcut:
                block.convolution_s.sigma(training=True)
    folder.create(config, classes)
    Checkpoints(folder, GeneratorOnly(generator), tf.Variable(1, dtype=tf.int64)).save()


def main(target: Path) -> None:
    """Makes the folder's content."""
    run = RunFolder(target / "run")
    make_run(run)
    export_saved_model(run, target, "models").rename(target / "model")
    rng, arrays = np.random.default_rng(1), {}
    labels = np.repeat(np.repeat(rng.integers(0, 12, (2, 8, 12)), 4, 1), 4, 2).astype("uint8")
    arrays["labels"] = labels
    signatures = tf.saved_model.load(str(target / "model")).signatures
    for name, value in signatures["explain"](labels=tf.constant(labels)).items():
        arrays[f"explain/{name}"] = value.numpy()
    encoded = [tf.io.encode_png(value[..., None]).numpy() for value in labels]
    arrays["labels_bytes"] = np.array(encoded, object).astype("S")
    pictures = signatures["png"](labels_bytes=tf.constant(encoded))["image_bytes"].numpy()
    arrays["png"] = np.stack([tf.io.decode_png(picture) for picture in pictures])
    for kind in ("none", "float16"):
        file = target / f"{kind}.tflite"
        export_tflite(run, file, kind)
        draw = load_interpreter().Interpreter(str(file)).get_signature_runner("serving_default")
        arrays[kind] = draw(labels=labels[:1, :32, :32])["image"]
    features = rng.normal(3, 2, (2, 5, 7, 6)).astype("float32")
    arrays |= {"features": features, "epsilon": np.float64(EPSILON)}
    arrays["normalised"] = InstanceNorm()(features).numpy()
    np.savez(target / "arrays.npz", **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
