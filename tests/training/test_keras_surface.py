"""What Keras users hand to `fit` and its like: it works, or is refused in words."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from lggan_tf.runs.weight_average import WeightAverage
from lggan_tf.training.callbacks.joint_rate import JointRate


@pytest.fixture(scope="module")
def still(plain, make_model, random_batch, classes):
    """A model that does not move, and a batch in numpy."""
    config, model = make_model(plain)
    batch = {key: np.array(value) for key, value in random_batch(config, classes).items()}
    return model, batch


class Batches(keras.utils.PyDataset):
    """One batch, as Keras' own data sets give it."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return (self.batch,)


@pytest.mark.slow
def test_every_kind_of_data_gives_the_same_terms(still):
    model, batch = still
    expected = {name: float(value) for name, value in model.step(batch).items()}
    quiet = {"verbose": 0, "shuffle": False}
    found = {
        "arrays": model.fit(batch, batch_size=2, **quiet).history,
        "dataset": model.fit(tf.data.Dataset.from_tensors(batch), **quiet).history,
        "generator": model.fit(
            ((batch,) for _ in range(1)), steps_per_epoch=1, shuffle=False, verbose=0
        ).history,
        "py dataset": model.fit(Batches(batch), shuffle=False, verbose=0).history,
        "on batch": model.train_on_batch(batch, return_dict=True),
    }
    for kind, terms in found.items():
        values = {name: float(np.ravel(value)[0]) for name, value in terms.items()}
        assert values == pytest.approx(expected, rel=1e-4), kind
    judged = model.test_on_batch(batch, return_dict=True)
    assert float(judged["g_total"]) == pytest.approx(expected["g_total"], rel=1e-4)
    assert model.evaluate(Batches(batch), return_dict=True, verbose=0)["g_total"] == pytest.approx(
        expected["g_total"], rel=1e-4
    )
    drawn = model.predict_on_batch(batch)["image"]
    assert drawn.shape == batch["image"].shape


@pytest.mark.parametrize("beside", ["image", "weights"])
def test_targets_beside_the_batch_are_refused(still, beside):
    model, batch = still
    own = {"y": batch["image"]} if beside == "image" else {"sample_weight": np.ones(2)}
    for call in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match="a batch of LGGAN is one dict .* as `image`"):
            call(batch, **own)
    if beside == "image":
        data = tf.data.Dataset.from_tensors((batch, batch["image"]))
        with pytest.raises(ValueError, match="a batch of LGGAN is one dict .* as `image`"):
            model.fit(data, shuffle=False, verbose=0)


@pytest.mark.parametrize(
    ("name", "dtype"), [("image", "float32"), ("image", "float64"), ("labels", "float32")]
)
def test_what_is_no_integer_is_refused(still, name, dtype):
    """Photos in [0, 1] would be scaled to [-1, -0.99], and the model would learn black."""
    model, batch = still
    wrong = batch | {name: batch[name].astype(dtype) / 255}
    words = f"{name} is float.*, but the compact batch holds integers"
    with pytest.raises(TypeError, match=words):
        model.fit(tf.data.Dataset.from_tensors(wrong), shuffle=False, verbose=0)
    with pytest.raises(TypeError, match=words):
        model.predict(wrong, verbose=0)
    with pytest.raises(TypeError, match=words):
        model(wrong)


@pytest.mark.parametrize("which", [0, 1])
def test_an_optimizers_own_average_is_refused(still, which):
    model, _ = still
    rates = [keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0)]
    rates[which] = keras.optimizers.SGD(0.0, use_ema=True)
    for wrapped in (rates[which], keras.optimizers.LossScaleOptimizer(rates[which])):
        with pytest.raises(ValueError, match=r"use_ema .* average=WeightAverage\(decay\)"):
            model.compile(*rates[:which], wrapped, *rates[which + 1 :], model.objective)
    assert WeightAverage(0.5).decay == 0.5


def rates_of(model):
    return [
        float(o.learning_rate) for o in (model.generator_optimizer, model.discriminator_optimizer)
    ]


def test_a_callback_that_changes_the_rate_changes_both(plain, make_model, random_batch, classes):
    config, model = make_model(plain, 1e-6, 4e-6)
    data, seen = tf.data.Dataset.from_tensors(random_batch(config, classes)), []
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(rates_of(model))
    )
    model.fit(data, epochs=2, callbacks=[halve, watch], shuffle=False, verbose=0)
    assert np.ravel(seen) == pytest.approx([5e-7, 2e-6, 2.5e-7, 1e-6])
    plateau = keras.callbacks.ReduceLROnPlateau(
        "g_total", mode="min", factor=0.1, patience=1, min_delta=1e9
    )
    model.fit(data, epochs=3, callbacks=[plateau], shuffle=False, verbose=0)
    now = rates_of(model)
    assert now[0] < 2.5e-7 and now[1] == pytest.approx(4 * now[0])


def test_the_rates_under_a_strategy_keep_their_proportion():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        rates = [keras.optimizers.SGD(rate) for rate in (1e-2, 4e-2)]
        for optimizer in rates:
            optimizer.build([keras.Variable(1.0)])
        follower = JointRate()
        follower.set_model(
            SimpleNamespace(generator_optimizer=rates[0], discriminator_optimizer=rates[1])
        )
        follower.on_train_begin()
        rates[0].learning_rate = 5e-3
        follower.on_epoch_begin(0)
    found = [float(keras.ops.convert_to_numpy(optimizer.learning_rate)) for optimizer in rates]
    assert found == pytest.approx([5e-3, 2e-2])


def test_a_changed_rate_beside_a_schedule_is_refused(plain, make_model, random_batch, classes):
    config, model = make_model(plain, 1e-6)
    schedule = keras.optimizers.schedules.ExponentialDecay(1e-6, 10, 0.9)
    model.compile(keras.optimizers.SGD(1e-6), keras.optimizers.SGD(schedule), model.objective)
    data = tf.data.Dataset.from_tensors(random_batch(config, classes))
    model.fit(data, shuffle=False, verbose=0)
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    with pytest.raises(ValueError, match="a callback changed the learning rate of G"):
        model.fit(data, callbacks=[halve], shuffle=False, verbose=0)
