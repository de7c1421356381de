"""`model.save` and `load_model` in another process."""

import io
import json
import zipfile

import child_process
import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.losses.objective import Objective

# Pictures, one step's terms and all weights after it. Every warning is an error.
LOAD = """
import sys, warnings
import keras, numpy as np, tensorflow as tf
import lggan_tf.training.lggan
file, batch, results = sys.argv[1:]
batch = {key: tf.constant(value) for key, value in np.load(batch).items()}
with warnings.catch_warnings():
    warnings.simplefilter("error")
    model = keras.models.load_model(file)
found = {f"before/{i:04d}": np.asarray(v) for i, v in enumerate(model.variables)}
found |= {f"drawn/{k}": np.asarray(v) for k, v in model(batch, training=False).items()}
found["compiled"] = np.array(model.compiled)
if model.compiled:
    found |= {f"terms/{k}": np.asarray(v) for k, v in model.step(batch).items()}
    found |= {f"after/{i:04d}": np.asarray(v) for i, v in enumerate(model.variables)}
np.savez(results, **found)
"""


@pytest.fixture
def in_new_process(tmp_path):
    """File and batch -> arrays that the script above found."""

    def load(file, batch):
        np.savez(tmp_path / "batch.npz", **batch)
        results = tmp_path / "results.npz"
        child_process.run("-c", LOAD, file, tmp_path / "batch.npz", results)
        return dict(np.load(results))

    return load


@pytest.mark.slow
def test_a_saved_model_draws_and_trains_on_in_a_new_process(
    tmp_path, tiny, make_model, random_batch, classes, in_new_process
):
    """With everything that has a state: SPADE's batch norm, spectral vectors, Adam's slots."""
    config, model = make_model(
        tiny | {"image_height": 32, "image_width": 32, "latent_stride": 16, "lambda_l1": 1.0}
    )
    model.compile(
        keras.optimizers.Adam(0.002, beta_1=0.5), keras.optimizers.Adam(0.01), model.objective
    )
    batch = random_batch(config, classes)
    model.step(batch)
    model.save(tmp_path / "x.keras")
    drawn = model(batch, training=False)
    before = [np.asarray(v) for v in model.variables]
    terms = model.step(batch)

    found = in_new_process(tmp_path / "x.keras", batch)
    assert found["compiled"]
    assert len([name for name in found if name.startswith("before/")]) == len(before)
    for number, value in enumerate(before):
        np.testing.assert_array_equal(found[f"before/{number:04d}"], value)
    assert {k for k in found if k.startswith("drawn/")} == {f"drawn/{k}" for k in drawn}
    for name, value in drawn.items():
        np.testing.assert_allclose(found[f"drawn/{name}"], value, atol=1e-6)
    for name, value in terms.items():
        np.testing.assert_allclose(found[f"terms/{name}"], value, rtol=1e-4)
    for number, variable in enumerate(model.variables):
        # Without the slots of the first step Adam's second one is another by about a rate.
        np.testing.assert_allclose(found[f"after/{number:04d}"], variable, atol=2e-4)


class Pixels(keras.layers.Layer):
    layer_weights = (1.0,)

    def build(self, input_shape):
        self.pretrained = self.add_weight(shape=(50_000,), name="pretrained", trainable=False)

    def call(self, images):
        return [images]


def test_with_a_perceptual_term_the_file_holds_the_networks_alone(
    tmp_path, plain, make_model, random_batch, classes
):
    config, model = make_model(plain)
    batch, features = random_batch(config, classes), Pixels()
    features.build(None)
    model.compile("adam", "adam", Objective(lambda_perceptual=1.0), features)
    model.step(batch)
    file = tmp_path / "x.keras"
    model.save(file)
    with zipfile.ZipFile(file) as archive:
        assert "Pixels" not in json.dumps(json.loads(archive.read("config.json")))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            shapes = []
            weights.visititems(lambda _, item: shapes.append(getattr(item, "shape", None)))
    assert len(shapes) > 10 and (50_000,) not in shapes

    loaded = keras.models.load_model(file)
    np.testing.assert_array_equal(loaded(batch)["image"], model(batch)["image"])
    assert not loaded.compiled
    with pytest.raises(ValueError, match="compile"):
        loaded.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0)
    loaded.compile("adam", "adam", Objective(lambda_perceptual=1.0), features)
    terms, expected = loaded.test_step(batch), model.test_step(batch)
    assert float(terms["g_total"]) == pytest.approx(float(expected["g_total"]), rel=1e-4)


def test_the_pieces_of_a_model_come_back_from_their_configs(
    plain, make_model, random_batch, classes
):
    cross_view = {"dataset": "town_cross_view", "discriminator_views": "semantic,source"}
    config, model = make_model(
        plain | cross_view | {"update_order": "generator_first", "lambda_class": 0.0}
    )
    model.joint_passes = False
    copy = type(model).from_config(model.get_config())
    copy.build()
    assert (copy.update_order, copy.joint_passes) == ("generator_first", False)
    assert list(copy.discriminators) == ["semantic", "source"]
    assert [v.shape for v in copy.variables] == [v.shape for v in model.variables]
    for ours, theirs in zip(copy.variables, model.variables, strict=True):
        ours.assign(theirs)
    batch = random_batch(config, classes)
    np.testing.assert_allclose(copy(batch)["image"], model(batch)["image"], atol=1e-6)
