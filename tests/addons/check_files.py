"""Compares `make_files.py`'s folder in the older stack: `python check_files.py FOLDER`.

Runs where TensorFlow 2.15 and tensorflow-addons are installed and this package is not; exits with
an AssertionError where the stacks do not agree to 1e-4.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

LIMIT = 1e-4


def compare(what, found, expected):
    """Fails beyond `LIMIT`, says the difference otherwise."""
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    difference = float(np.abs(found - expected).max())
    assert difference <= LIMIT, f"{what} differs by {difference}"
    assert float(expected.std()) > 0.05, f"{what} is flat, so agreement says nothing"
    print(f"{what}: at most {difference:.1e} apart")


def main(folder):
    """Every comparison."""
    arrays = np.load(folder / "arrays.npz")
    labels = arrays["labels"]
    signatures = tf.saved_model.load(str(folder / "model")).signatures
    explained = signatures["explain"](labels=tf.constant(labels))
    names = sorted(name.split("/")[1] for name in arrays.files if name.startswith("explain/"))
    assert sorted(explained) == names, sorted(explained)
    for name in names:
        compare(f"SavedModel, {name}", explained[name].numpy(), arrays[f"explain/{name}"])

    image = arrays["explain/image"]
    pixels = np.rint((np.clip(image, -1, 1) + 1) * 127.5)
    drawn = signatures["serving_default"](labels=tf.constant(labels))["image"].numpy()
    encoded = signatures["png"](labels_bytes=tf.constant(arrays["labels_bytes"]))["image_bytes"]
    decoded = np.stack([tf.io.decode_png(content).numpy() for content in encoded.numpy()])
    for what, found in (("pixels", drawn), ("png", decoded)):
        assert np.abs(found - pixels).max() <= 1, what
    assert np.abs(decoded.astype(int) - arrays["png"]).max() <= 1
    try:
        signatures["explain"](labels=tf.constant(labels + 200))
    except tf.errors.InvalidArgumentError as error:
        assert "labels must be below 12, the number of ids" in str(error), error
    else:
        raise AssertionError("an id out of range was not refused")

    for kind in ("none", "float16"):
        interpreter = tf.lite.Interpreter(str(folder / f"{kind}.tflite"))
        draw = interpreter.get_signature_runner("serving_default")
        compare(f"TFLite, {kind}", draw(labels=labels[:1, :32, :32])["image"], arrays[kind])

    norm = tfa.layers.InstanceNormalization(
        epsilon=float(arrays["epsilon"]), center=False, scale=False
    )
    compare("instance norm", norm(arrays["features"]).numpy(), arrays["normalised"])
    print(f"all agree in TensorFlow {tf.__version__}, tensorflow-addons {tfa.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
