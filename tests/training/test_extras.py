"""Moving average, image pool and several updates of D, with numbers that can be checked by hand."""

import keras
import numpy as np
import tensorflow as tf

from lggan_tf.config import Config
from lggan_tf.layers.spectral import SpectralConv2D
from lggan_tf.runs.weight_average import WeightAverage
from lggan_tf.training.build import build_lggan
from lggan_tf.training.image_pool import ImagePool
from lggan_tf.training.lggan import LGGAN
from lggan_tf.training.step_parts import networks_input


class Tiny(keras.Sequential):
    """One spectral layer and a batch norm: everything that an average has to tell apart."""

    def __init__(self):
        super().__init__([SpectralConv2D(2, 1), keras.layers.BatchNormalization()])
        self.build([None, 2, 2, 2])


def test_the_average_by_hand():
    """From 0, decay 3/4, weights 4 and then 8: 1, then 0.75 + 2."""
    network, average = Tiny(), WeightAverage(0.75)
    moving_mean = network.layers[1].moving_mean
    average.follow(network)
    for value, expected in ((4.0, 1.0), (8.0, 2.75)):
        moving_mean.assign([value, value])
        average.update(network)
        place = [v is moving_mean for v in average._followed(network)].index(True)
        assert average.weights[place].numpy().tolist() == [expected] * 2


def test_sigma_is_that_of_the_averaged_kernel():
    """A quarter of diag(4, 1) and three quarters of diag(0, 3) are diag(1, 2.5)."""
    network, average = Tiny(), WeightAverage(0.25)
    layer, norm = network.layers
    layer.kernel.assign(np.diag([4.0, 1.0]).reshape(1, 1, 2, 2))
    layer.vector_u.assign([0.8, 0.6])
    average.follow(network)
    layer.kernel.assign(np.diag([0.0, 3.0]).reshape(1, 1, 2, 2))
    average.update(network)
    image = tf.constant([1.0, 1.0], shape=[1, 1, 1, 2])
    own = network(image, training=False)
    drawn = average.draw(network, image).numpy().ravel()
    expected = np.array([1.0, 2.5]) / 2.5 / np.sqrt(1 + norm.epsilon)
    np.testing.assert_allclose(drawn, expected, rtol=1e-5)
    # Nothing of the network itself has changed by that; `copy_to` changes it.
    np.testing.assert_array_equal(network(image, training=False), own)
    average.copy_to(network)
    np.testing.assert_allclose(network(image, training=False).numpy().ravel(), expected, rtol=1e-5)


def numbered(first, count=2):
    """A batch whose labels are the numbers of its images, and images of that value."""
    numbers = np.arange(first, first + count)
    labels = np.broadcast_to(numbers[:, None, None], (count, 2, 2)).astype("uint8")
    image = np.broadcast_to(numbers[:, None, None, None], (count, 2, 2, 3)).astype("float32")
    return {"labels": tf.constant(labels)}, {"image": tf.constant(image)}


def test_a_pool_shows_what_it_keeps():
    pool = ImagePool(4, 2, 2, seed=1)
    pool.create(("image",), {"labels": 0})
    exchange = tf.function(pool.exchange)
    kept, exchanged = [], 0
    for first in range(1, 201, 2):
        before = {int(n) for n in pool.images["image"].numpy()[:, 0, 0, 0]} - {0}
        batch, images = exchange(*numbered(first))
        shown = images["image"].numpy()[:, 0, 0, 0].astype(int).tolist()
        assert batch["labels"].dtype == "uint8"
        assert batch["labels"].numpy()[:, 0, 0].tolist() == shown
        after = {int(n) for n in pool.images["image"].numpy()[:, 0, 0, 0]} - {0}
        new = [first, first + 1]
        if first < 5:
            assert shown == new and after == before | set(new)
        else:
            # What is shown from the pool leaves it, and the new one takes its place.
            old = [n for n in shown if n not in new]
            assert set(old) <= before and len(after) == 4
            assert after == (before - set(old)) | {n for n in new if n not in shown}
            exchanged += len(old)
        kept.append(shown)
    # 196 times with probability 1/2: four standard deviations are 28.
    assert 70 < exchanged < 126
    # The count of calls is the only state of the choices.
    again = ImagePool(4, 2, 2, seed=1)
    again.create(("image",), {"labels": 0})
    for mine, other in zip(again.weights, pool.weights, strict=True):
        mine.assign(other)
    for ours, theirs in zip(
        again.exchange(*numbered(7))[1].values(), pool.exchange(*numbered(7))[1].values(),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(ours, theirs)


def test_two_updates_of_d_are_two_steps_of_d(plain, make_model, random_batch, classes, values_of):
    """G stands still and has no say, so two steps with one update do the same to D."""
    after = []
    for updates, steps in ((2, 1), (1, 2)):
        config, model = make_model(plain, 0.0, 0.1)
        model.discriminator_steps = updates
        for _ in range(steps):
            model.step(random_batch(config, classes))
        assert int(model.discriminator_optimizer.iterations) == 2
        assert int(model.generator_optimizer.iterations) == steps
        after.append(values_of(model.discriminator_variables))
    for a, b in zip(*after, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_all_in_a_model_that_is_saved(plain, random_batch, classes, tmp_path, values_of):
    settings = {"ema_decay": 0.5, "pool_size": 4, "discriminator_steps": 2}
    config = Config.from_flat(plain | settings).check()
    model = build_lggan(config, classes, 10)
    batch = random_batch(config, classes)
    start = values_of(model.average._followed(model.generator))
    model.fit(tf.data.Dataset.from_tensors(batch).repeat(2), shuffle=False, verbose=0)
    rate = model.discriminator_optimizer.learning_rate
    assert int(model.discriminator_optimizer.iterations) == 4 and float(rate) > 0
    assert int(model.pool.held) == 4 and model.pool.images["image_local"].shape == (4, 32, 32, 3)
    now = values_of(model.average._followed(model.generator))
    averages = values_of(model.average.weights)
    assert any(np.abs(a - n).max() > 1e-5 for a, n in zip(averages, now, strict=True))
    assert any(np.abs(a - s).max() > 1e-5 for a, s in zip(averages, start, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, LGGAN) and loaded.discriminator_steps == 2
    for ours, theirs in zip(
        values_of(loaded.pool.weights), values_of(model.pool.weights), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(loaded(batch)["image"], model(batch)["image"], atol=1e-5)
    inputs = networks_input(model.prepare(batch))
    own = model.generator(inputs, training=False)["image"]
    assert np.abs(model(batch)["image"] - own).max() > 1e-4
