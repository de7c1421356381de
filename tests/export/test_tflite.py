"""TFLite files of runs on the embedded town, and what is refused."""

import json
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from lggan_tf.data.pipeline import evaluation_batches
from lggan_tf.errors import UserError
from lggan_tf.export import tflite_check
from lggan_tf.export.tflite import export_tflite
from lggan_tf.runs.build import build_source, build_transform


def held_out(run):
    config = run.folder.read_config()
    transform = build_transform(config, run.classes, training=False)
    batch = next(iter(evaluation_batches(build_source(config, "val"), transform, 1)))
    return {name: value for name, value in batch.items() if name != "image"}


@pytest.mark.parametrize(
    ("kind", "quantize"),
    [
        ("town_cross_view", "none"),
        pytest.param("town_semantic", "none", marks=pytest.mark.slow),
        pytest.param("town_semantic", "float16", marks=pytest.mark.slow),
    ],
)
def test_draws_what_the_run_draws(runs, tmp_path, kind, quantize):
    run, file = runs(kind), tmp_path / "new" / "a.tflite"
    findings = export_tflite(run.folder, file, quantize)
    assert findings.size == file.stat().st_size
    assert "VAR_HANDLE" not in findings.operators and "CONV_2D" in findings.operators
    assert [path.name for path in file.parent.iterdir()] == ["a.tflite"]

    batch = held_out(run)
    draw = Interpreter(str(file)).get_signature_runner("serving_default")
    found = draw(**{name: value.numpy() for name, value in batch.items()})["image"]
    # Against the networks themselves, unfolded.
    expected = run.generator(run.prepare(batch), training=False)["image"].numpy()
    assert (found.dtype, found.shape) == (np.float32, (1, 32, 32, 3))
    error = np.abs(found - expected)
    if quantize == "none":
        assert error.max() < 1e-3
        assert findings.difference < 1e-3
    else:
        assert 10 * np.log10(4 / (error**2).mean()) > 45
        assert 45 < findings.psnr < 120
    assert expected.std() > 0.05

    with zipfile.ZipFile(file) as archive:
        contract = json.loads(archive.read("contract.json"))
        assert json.loads(archive.read("classes.json"))["num_labels"] == 12
        assert archive.read("labels.txt").split()[0] == b"sky"
    assert contract["inputs"] == {
        name: {"shape": list(value.shape), "dtype": "uint8"} for name, value in batch.items()
    }
    assert contract["outputs"]["image"]["shape"] == [1, 32, 32, 3]
    words = "gather index out of bounds"
    assert words in contract["words"][-1]
    for label in (12, 255):
        wrong = {name: value.numpy() for name, value in batch.items()}
        wrong["labels"][0, 3, 4] = label
        with pytest.raises(RuntimeError, match=words):
            draw(**wrong)


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["dynamic", "int16x8", "int8"])
def test_a_kind_keeps_its_bound_or_leaves_no_file(runs, tmp_path, quantize):
    """Random networks may not survive eight bits; then nothing may be left, an old file aside."""
    file = tmp_path / "a.tflite"
    file.write_bytes(b"old")
    try:
        findings = export_tflite(runs("town_semantic").folder, file, quantize, 48, 64)
    except UserError as error:
        assert f"--quantize={quantize} draws " in str(error)
        assert file.read_bytes() == b"old"
    else:
        assert findings.psnr >= (tflite_check.BOUNDS[quantize] or 20)
        [place] = Interpreter(str(file)).get_output_details()
        assert place["shape"].tolist() == [1, 48, 64, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"]


def test_a_size_that_the_networks_cannot_have(runs, tmp_path):
    with pytest.raises(UserError, match="--width=30 is not a multiple of 4 of at least 8"):
        export_tflite(runs("town_cross_view").folder, tmp_path / "a", width=30)
    assert list(tmp_path.iterdir()) == []


def test_without_the_runtime(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(UserError, match=r"pip install 'lggan-tf\[tflite\]'"):
        export_tflite(runs("town_cross_view").folder, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A 1x1 convolution of a map, its file, and the map."""
    layer = keras.layers.Conv2D(3, 1)
    layer.build((None, None, None, 1))
    layer.kernel.assign(np.reshape([0.1, 0.2, 0.3], (1, 1, 1, 3)))

    def draw(labels):
        return {"image": layer(tf.cast(labels, "float32")[..., None])}

    path = tmp_path_factory.mktemp("tiny") / "model"
    archive, spec = keras.export.ExportArchive(), tf.TensorSpec([1, 4, 4], tf.uint8, "labels")
    archive.track(layer)
    archive.add_endpoint("serving_default", draw, input_signature=[spec])
    archive.write_out(str(path), verbose=False)
    content = tf.lite.TFLiteConverter.from_saved_model(str(path)).convert()
    return draw, content, {"labels": np.arange(16, dtype="uint8").reshape(1, 4, 4) // 4}


def checked(tiny, quantize="none", error=0.0, parameters=6, min_psnr=20.0):
    draw, content, sample = tiny

    def reference(sample):
        return draw(sample["labels"])["image"].numpy() + np.float32(error)

    return tflite_check.check(content, reference, {"it": sample}, quantize, min_psnr, parameters)


def test_what_is_found(tiny):
    found = checked(tiny, error=1e-4)
    assert (found.size, found.maps) == (len(tiny[1]), 1)
    assert found.difference == pytest.approx(1e-4, rel=1e-2)
    assert found.psnr == pytest.approx(86.02, abs=0.1)  # 10 log10(4 / 1e-8)
    assert "CONV_2D" in found.float_operators and "CAST" in found.operators
    assert "CAST" not in found.float_operators


@pytest.mark.parametrize(
    ("quantize", "passes", "fails"),
    [("float16", 0.011, 0.0115), ("dynamic", 0.025, 0.0255), ("int16x8", 0.0199, 0.0201)],
)
def test_bounds(tiny, quantize, passes, fails):
    """Of a constant error e: 10 log10(4 / e^2) = 45 at 0.01125, 38 at 0.0252, 40 at 0.02."""
    checked(tiny, quantize, passes)
    with pytest.raises(UserError, match=f"--quantize={quantize} draws .* below its bound of"):
        checked(tiny, quantize, fails)


def test_bounds_of_float32_and_int8(tiny):
    with pytest.raises(
        UserError, match="differs from the SavedModel by up to 0.0011, most of all on it"
    ):
        checked(tiny, error=0.0011)
    checked(tiny, "int8", 0.19)  # 20 dB at 0.2
    with pytest.raises(UserError, match="lower --min_psnr or choose another --quantize"):
        checked(tiny, "int8", 0.21)
    checked(tiny, "int8", 0.21, min_psnr=19)


def test_a_file_too_small_for_its_weights(tiny):
    with pytest.raises(UserError, match="1000000 parameters take at least 4000000; no file"):
        checked(tiny, parameters=1_000_000)


def test_numbers_that_are_not_finite(tiny, monkeypatch):
    draw, content, sample = tiny
    monkeypatch.setattr(np, "isfinite", lambda values: np.zeros(values.shape, bool))
    with pytest.raises(UserError, match="numbers that are not finite"):
        checked((draw, content, sample))


def test_a_file_without_its_weights(tiny, tmp_path):
    """VAR_HANDLE stands for a variable outside the file; one that is assigned to stays such."""
    draw, _, sample = tiny
    module, spec = tf.Module(), tf.TensorSpec([1, 4, 4], tf.uint8, "labels")
    module.total = tf.Variable(tf.zeros([1, 4, 4]))
    module.draw = tf.function(
        lambda labels: {"image": module.total.assign_add(tf.cast(labels, "float32"))},
        input_signature=[spec],
    )
    path = str(tmp_path / "model")
    tf.saved_model.save(module, path, signatures={"serving_default": module.draw})
    converter = tf.lite.TFLiteConverter.from_saved_model(path)
    with pytest.raises(UserError, match="VAR_HANDLE operators, so its weights were left out"):
        checked((draw, converter.convert(), sample))
