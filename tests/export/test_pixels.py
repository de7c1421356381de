from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.export.drawing import load_graph, open_drawing
from lggan_tf.export.graph import to_pixels
from lggan_tf.export.saved_model import export_saved_model
from lggan_tf.runs.checkpoints import Checkpoints
from lggan_tf.runs.folder import RunFolder
from lggan_tf.runs.load import GeneratorOnly, load_generator


def test_rounded_and_clipped():
    shades = to_pixels(tf.constant([-9.0, -1.0, -0.001, 0.001, 0.99, 1.0, 6.0]))
    assert shades.dtype == tf.uint8
    assert shades.numpy().tolist() == [0, 0, 127, 128, 254, 255, 255]


def test_wrapped_as_numpy_casts():
    """1.0235 is 257.996.., which is 1 behind 256; -1.02 is -2.55, cut off to -2, which is 254."""
    shades = to_pixels(tf.constant([-1.02, -1.0, 0.0, 1.0, 1.0235, 6.0]), "wrapped")
    assert shades.numpy().tolist() == [254, 0, 127, 255, 1, 892 % 256]
    values = np.linspace(-6, 6, 5001).astype("float32")
    ours = to_pixels(tf.constant(values), "wrapped")
    scaled = (values + 1) / 2.0 * np.float32(255.0)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(ours, scaled.astype("int32").astype("uint8"))


def test_cut_as_the_authors_semantic_code_saves():
    """Clipped, then cast as numpy casts."""
    values = np.linspace(-3, 3, 5001).astype("float32")
    scaled = np.clip((values + 1) / 2.0 * np.float32(255.0), 0, 255)
    np.testing.assert_array_equal(to_pixels(tf.constant(values), "cut"), scaled.astype("uint8"))


@pytest.mark.parametrize("exact", [False, True])
def test_paper_exact_cuts_unless_pixels_wrap(runs, tmp_path, exact):
    run = runs("cross_view")
    for wrap in (False, True):
        folder = RunFolder(tmp_path / str(wrap))
        own = {"wrap_pixels": wrap, "paper_exact": exact}
        folder.create(Config.from_flat(run.folder.read_config().to_flat() | own), run.classes)
        state = GeneratorOnly(run.generator)
        Checkpoints(folder, state, tf.Variable(0, dtype=tf.int64)).save()
        graph, _ = load_graph(folder)
        assert graph.pixels == ("wrapped" if wrap else "cut" if exact else "rounded")


@pytest.fixture(scope="module")
def wrapping(runs, tmp_path_factory):
    """The cross-view run with all class images near 1, so that their sum is near 3."""
    run, folders = runs("cross_view"), {}
    prepare, generator, _ = load_generator(run.folder)
    generator.local_generator.class_convolution.biases.assign_add(np.full((3, 3), 3, "float32"))
    for wrap in (False, True):
        folder = RunFolder(tmp_path_factory.mktemp("pixels") / str(wrap))
        flat = run.folder.read_config().to_flat() | {"wrap_pixels": wrap}
        folder.create(Config.from_flat(flat), run.classes)
        Checkpoints(folder, GeneratorOnly(generator), tf.Variable(0, dtype=tf.int64)).save()
        folders[wrap] = folder
    return SimpleNamespace(prepare=prepare, generator=generator, folders=folders)


def test_a_setting_of_the_run_and_of_what_is_exported_from_it(wrapping, random_input, tmp_path):
    batch = random_input("cross_view", 2, 32, 32)
    image = wrapping.generator(wrapping.prepare(batch), training=False)["image"].numpy()
    assert (image > 1.1).mean() > 0.2
    for wrap, folder in wrapping.folders.items():
        expected = (
            to_pixels(tf.constant(image), "wrapped" if wrap else "rounded").numpy().astype(int)
        )
        exported = export_saved_model(folder, tmp_path, f"wrap_{wrap}")
        for path in (folder.path, exported):
            off = np.abs(open_drawing(path).draw(batch).numpy() - expected)
            # Rounding may go the other way; 255 and 0 are neighbours where values wrap around.
            assert np.minimum(off, 256 - off if wrap else off).max() <= 1
