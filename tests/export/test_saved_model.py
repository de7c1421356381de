import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.export.drawing import open_drawing
from lggan_tf.export.saved_model import export_saved_model
from lggan_tf.runs.folder import RunFolder

KINDS = ["cross_view", pytest.param("semantic", marks=pytest.mark.slow)]
EXPLAINED = {"image", "image_global", "image_local", "weight_global", "weight_local"}
SIZES = [(1, 32, 32), (3, 48, 16), (1, 64, 64)]
# TensorFlow alone: whoever serves the model has not installed this package.
SERVE = """
import sys
import numpy as np, tensorflow as tf

model, batches, results = sys.argv[1:]
signatures = tf.saved_model.load(model).signatures
found, given = {}, np.load(batches)
for number in sorted({name.partition("/")[0] for name in given}):
    part = {n.partition("/")[2]: tf.constant(v) for n, v in given.items() if n[0] == number}
    found[number] = signatures["serving_default"](**part)["image"].numpy()
    for name, value in signatures["explain"](**part).items():
        found[f"{number}/{name}"] = value.numpy()
np.savez(results, **found)
assert not any(name.startswith("lggan") for name in sys.modules)
"""


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    """Kind -> folder of an exported version, made when it is first asked for."""
    made = {}

    def get(kind):
        if kind not in made:
            target = tmp_path_factory.mktemp("models")
            made[kind] = export_saved_model(runs(kind).folder, target, kind)
        return made[kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_process_draws_what_the_run_draws(runs, exported, random_input, kind, tmp_path):
    """At two batch sizes and sizes of image, none being the training's; noise and areas as maps."""
    batches = [random_input(kind, *size) for size in SIZES]
    # With areas the cost follows the labels, with noise everything is computed everywhere.
    areas = tf.repeat(tf.constant([[[0, 3]]], "uint8"), 32, axis=2)
    batches[-1]["labels"] = tf.repeat(areas, 64, axis=1)
    flat = {f"{i}/{name}": value for i, b in enumerate(batches) for name, value in b.items()}
    np.savez(tmp_path / "batches.npz", **flat)
    done = subprocess.run(
        [sys.executable, "-c", SERVE, exported(kind), tmp_path / "batches.npz", tmp_path / "r.npz"],
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    served = np.load(tmp_path / "r.npz")
    run = runs(kind)
    drawing = open_drawing(run.folder.path)
    for number, (batch, (count, height, width)) in enumerate(zip(batches, SIZES, strict=True)):
        pixels = served[str(number)]
        assert (pixels.dtype, pixels.shape) == (np.uint8, (count, height, width, 3))
        drawn = drawing.draw(batch).numpy()
        assert np.abs(pixels.astype(int) - drawn.astype(int)).max() <= 1
        # And both are what the networks say, by the shortest way.
        outputs = run.generator(run.prepare(batch), training=False)
        explained = {n.partition("/")[2] for n in served.files if n.startswith(f"{number}/")}
        assert explained == EXPLAINED
        for name in EXPLAINED:
            found = served[f"{number}/{name}"]
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, outputs[name], atol=1e-5, rtol=0)
        image = outputs["image"].numpy()
        plain = np.rint((np.clip(image, -1, 1) + 1) * 127.5)
        assert np.abs(drawn - plain).max() <= 1
        assert plain.std() > 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_opens_like_a_run(runs, exported, random_input, kind):
    run, version = runs(kind), exported(kind)
    batch = random_input(kind, 2, 32, 16)
    expected = open_drawing(run.folder.path).draw(batch).numpy().astype(int)
    for path in (version, version.parent):
        drawing = open_drawing(path)
        assert np.abs(drawing.draw(batch).numpy() - expected).max() <= 1
        assert drawing.config == run.folder.read_config()
        assert drawing.classes == run.classes
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    inputs = signature.structured_input_signature[1]
    assert {name: spec.dtype for name, spec in inputs.items()} == {
        name: value.dtype for name, value in batch.items()
    }
    assert list(signature.structured_outputs) == ["image"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_others_of_a_batch_do_not_matter(exported, random_input, kind):
    """Not even where noise among them turns off what is computed once per window of labels."""
    explain = tf.saved_model.load(str(exported(kind))).signatures["explain"]
    batch = random_input(kind, 3, 32, 32)
    batch["labels"] = tf.constant(np.indices((3, 32, 32))[2] // 16, "uint8")
    alone = explain(**{name: value[:1] for name, value in batch.items()})
    other = random_input(kind, 2, 32, 32, seed=1)
    changed = {name: tf.concat([batch[name][:1], other[name]], 0) for name in batch}
    for given in (batch, changed):
        for name, value in explain(**given).items():
            np.testing.assert_allclose(value[:1], alone[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["run", "saved model"])
def test_the_graph_refuses_what_it_cannot_draw(runs, exported, random_input, kind, form):
    draw = open_drawing(runs(kind).folder.path if form == "run" else exported(kind)).draw
    batch = random_input(kind, 2, 32, 32)
    labels = batch["labels"].numpy()
    labels[1, 31, 31] = 4
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        draw(batch | {"labels": tf.constant(labels)})
    assert "labels must be below 4, the number of ids, and one is" in str(caught.value)
    multiple = {"cross_view": 4, "semantic": 16}[kind]
    if multiple == 4:
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be at least 8, and they"):
            draw(random_input(kind, 1, 4, 32))
    picture = "source" if kind == "cross_view" else "edges"
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        draw(batch | {picture: random_input(kind, 2, 32, 64)[picture]})
    assert f"{picture} must have the batch, height and width of labels" in str(caught.value)
    for height, width in ((32 + multiple // 2, 32), (32, 32 + multiple // 2)):
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            draw(random_input(kind, 2, height, width))
        words = f"height and width must be multiples of {multiple}, and they are"
        assert words in str(caught.value) and f"[{height} {width}]" in str(caught.value)
    draw(batch)


@pytest.mark.slow
def test_saved_model_cli_runs_it(exported, random_input, tmp_path):
    batch, version = random_input("cross_view", 2, 24, 32), exported("cross_view")
    np.savez(tmp_path / "batch.npz", **batch)
    program = "from tensorflow.python.tools.saved_model_cli import main; main()"
    inputs = ";".join(f"{name}={tmp_path / 'batch.npz'}[{name}]" for name in batch)
    options = ("--tag_set=serve", "--signature_def=serving_default", f"--outdir={tmp_path}")
    done = subprocess.run(
        [sys.executable, "-c", program, "run", f"--dir={version}", *options, f"--inputs={inputs}"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    expected = open_drawing(version).draw(batch)
    np.testing.assert_array_equal(np.load(tmp_path / "image.npy"), expected)


def test_variables_are_saved_once(runs, exported):
    """Keras' archive saves what it tracks beside what the functions use, each of them whole."""
    reader = tf.train.load_checkpoint(exported("cross_view") / "variables" / "variables")
    shapes = reader.get_variable_to_shape_map().values()
    held = sum(int(np.prod(shape)) for shape in shapes if shape)
    assert held == runs("cross_view").generator.count_params()


def test_versions_count_up_and_the_newest_is_opened(runs, tmp_path):
    folder = runs("cross_view").folder
    (tmp_path / "m" / "notes").mkdir(parents=True)
    (tmp_path / "m" / "9").mkdir()
    paths = [export_saved_model(folder, tmp_path, "m") for _ in range(2)]
    assert paths == [tmp_path / "m" / "10", tmp_path / "m" / "11"]
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["10", "11", "9", "notes"]
    (paths[0] / "assets.extra" / "config.json").unlink()
    open_drawing(tmp_path / "m")  # 11, not 9: as numbers, not as words; 10 would fail
    with pytest.raises(UserError, match="not a SavedModel that lggan-export wrote"):
        open_drawing(paths[0])


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), ValueError("a fault")])
def test_a_failing_export_leaves_nothing(runs, tmp_path, monkeypatch, fault):
    def no_copy(*_):
        raise fault

    # The graph is written by then, what belongs beside it is not.
    monkeypatch.setattr(shutil, "copy", no_copy)
    expected = UserError if isinstance(fault, OSError) else ValueError
    with pytest.raises(expected):
        export_saved_model(runs("cross_view").folder, tmp_path, "m")
    assert list((tmp_path / "m").iterdir()) == []


def test_a_place_that_cannot_be_written(runs, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot write .*choose another --savedmodels_dir"):
        export_saved_model(runs("cross_view").folder, tmp_path / "file", "m")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_run_without_a_checkpoint_is_not_exported(runs, tmp_path):
    folder = RunFolder(tmp_path / "run")
    run = runs("cross_view")
    folder.create(run.folder.read_config(), run.classes)
    with pytest.raises(UserError, match="has no checkpoint yet; train it first"):
        export_saved_model(folder, tmp_path / "models", "m")
    assert not (tmp_path / "models").exists()


def test_what_is_neither_a_run_nor_a_saved_model(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UserError) as caught:
            open_drawing(path)
        assert str(caught.value) == (
            f"{path} is neither a run folder (config.json) nor a SavedModel (saved_model.pb)"
        )


def test_somebody_elses_saved_model(exported, tmp_path):
    shutil.copytree(exported("cross_view"), tmp_path / "m", dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "m" / "assets.extra")
    with pytest.raises(UserError):
        open_drawing(tmp_path / "m")
    shutil.copytree(exported("cross_view"), tmp_path / "m", dirs_exist_ok=True)
    (tmp_path / "m" / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a SavedModel that lggan-export wrote"):
        open_drawing(tmp_path / "m")
